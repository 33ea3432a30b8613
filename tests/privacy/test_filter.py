"""The filter against the best adversary there is for it, and the proof's numbers.

Discrete Laplace noise at sensitivity 1 has a privacy loss of exactly +epsilon or -epsilon, so what an
adversary who sees every answer and chooses every next question can reach at most is computed by
dynamic programming, without error.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from functools import cache

import pytest

from sandbox.privacy.accountant import Odometer, pure_to_rho, within
from sandbox.privacy.loss import NO_LOSS, Budget, Loss

Filter = Callable[[Odometer, Budget], bool]


def reached(budget: Budget, epsilon: Decimal, selection: Decimal, passes: Filter, reverse: bool) -> float:
    """Largest P(S) - e**epsilon Q(S) that any adaptive strategy reaches against the filter.

    In the forward direction the unit is in P's data: a selection names it with probability `selection`,
    and then everything is known. In the reverse direction it is in Q's: seeing that it was not named
    makes P likelier by a factor of 1 / (1 - selection).
    """
    question = Loss(epsilon, pure_to_rho(epsilon), Decimal(0))
    naming = Loss(Decimal(0), Decimal(0), selection)
    up = 1 / (1 + math.exp(-float(epsilon)))
    named = float(selection)

    @cache
    def best(asked: int, ups: int, names: int) -> float:
        loss = (2 * ups - asked) * float(epsilon)
        if reverse:
            loss -= names * math.log1p(-named)
        value = max(0.0, 1 - math.exp(float(budget.epsilon) - loss))
        spent = Odometer(asked * epsilon, asked * question.rho, names * selection)
        if passes(spent.after(question), budget):
            value = max(value, up * best(asked + 1, ups + 1, names) + (1 - up) * best(asked + 1, ups, names))
        if passes(spent.after(naming), budget):
            later = best(asked, ups, names + 1)
            value = max(value, later if reverse else named + (1 - named) * later)
        return value

    return best(0, 0, 0)


CASES = [
    ("1", "1e-2", "0.05", "1e-3"),
    ("1", "1e-2", "0.1", "5e-3"),
    ("4", "1e-2", "0.25", "1e-3"),
    ("4", "1e-2", "4", "5e-3"),
    ("1", "0.2", "0.1", "0.02"),
    ("1", "0.2", "0.5", "0.1"),
    ("0.5", "0.5", "0.25", "0.05"),
    ("2", "1e-6", "0.2", "1e-7"),
]


@pytest.mark.parametrize(("epsilon", "delta", "step", "selection"), CASES)
@pytest.mark.parametrize("reverse", [False, True])
def test_no_adaptive_strategy_gets_past_delta(
    epsilon: str, delta: str, step: str, selection: str, reverse: bool
) -> None:
    budget = Budget(Decimal(epsilon), Decimal(delta))
    got = reached(budget, Decimal(step), Decimal(selection), within, reverse)
    assert got <= float(budget.delta)


def test_selection_alone_uses_its_half_and_no_more() -> None:
    budget = Budget(Decimal(4), Decimal("1e-2"))
    got = reached(budget, Decimal(4), Decimal("1e-3"), within, reverse=False)
    assert 0.0049 < got <= 0.005


def test_a_filter_that_only_counts_each_view_by_itself_would_fail() -> None:
    """The adversary is strong enough to see a wrong filter: both views with the whole delta."""

    def careless(odometer: Odometer, budget: Budget) -> bool:
        return odometer.delta <= budget.delta and within(
            Odometer(odometer.pure, odometer.rho, Decimal(0)), Budget(budget.epsilon, 2 * budget.delta)
        )

    budget = Budget(Decimal(1), Decimal("1e-2"))
    assert reached(budget, Decimal("0.05"), Decimal("1e-3"), careless, reverse=False) > float(budget.delta)


def test_no_delta_no_selection_and_no_gaussian() -> None:
    budget = Budget(Decimal(1), Decimal(0))
    assert within(Odometer().after(Loss(Decimal(1), Decimal("0.5"), Decimal(0))), budget)
    assert not within(Odometer().after(Loss(Decimal("1.000000000001"), Decimal("0.5"), Decimal(0))), budget)
    assert not within(Odometer().after(Loss(None, Decimal("1e-12"), Decimal(0))), budget)
    assert not within(Odometer().after(Loss(Decimal(0), Decimal(0), Decimal("1e-18"))), budget)


def test_a_gaussian_ends_the_pure_path_for_good() -> None:
    budget = Budget(Decimal(1), Decimal("1e-6"))
    pure = Odometer().after(Loss(Decimal("0.9"), Decimal("0.405"), Decimal(0)))
    assert within(pure, budget)
    mixed = pure.after(Loss(None, Decimal("1e-12"), Decimal(0)))
    assert mixed.pure is None
    assert not within(mixed, budget)
    assert mixed.after(NO_LOSS).pure is None
