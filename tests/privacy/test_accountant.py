"""Conversions against OpenDP's, against exact compositions, and their roundings."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import opendp.prelude as dp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.privacy.accountant import (
    Odometer,
    conversion_delta,
    epsilon_to_rho,
    largest_epsilon,
    pure_to_rho,
    rho_to_epsilon,
    selection_delta,
    spent_epsilon,
    within,
)
from sandbox.privacy.loss import NO_LOSS, Budget, Loss
from sandbox.privacy.mechanisms import _gaussian

STEP = Decimal("1e-12")
rhos = st.decimals("0.000000000001", "1000", places=12)
epsilons = st.decimals("0", "100", places=12)
deltas = st.decimals("0.000000000000000001", "0.9", places=18)
amounts = st.decimals("0.000000000001", "3", places=12)


@pytest.mark.parametrize("sigma", [0.5, 2.0, 5.0, 30.0])
@pytest.mark.parametrize("delta", ["1e-12", "1e-6", "1e-3"])
def test_the_conversion_is_opendps(sigma: float, delta: str) -> None:
    profile = dp.c.make_zCDP_to_approxDP(_gaussian(sigma)).map(1.0)
    ours = rho_to_epsilon(Decimal(1) / (2 * Decimal(sigma) ** 2), Decimal(delta))
    assert float(ours) == pytest.approx(profile.epsilon(float(delta)), rel=1e-9)


def test_known_values() -> None:
    # The simpler bound of Bun & Steinke (2016, Prop. 1.3), rho + 2 sqrt(rho ln(1/delta)), is always worse.
    for rho in ("0.001", "0.1", "2"):
        simple = float(rho) + 2 * math.sqrt(float(rho) * math.log(1e6))
        assert 0.7 * simple < float(rho_to_epsilon(Decimal(rho), Decimal("1e-6"))) < simple
    assert rho_to_epsilon(Decimal(0), Decimal(0)) == 0
    assert rho_to_epsilon(Decimal("0.1"), Decimal(0)) == Decimal("Infinity")
    assert rho_to_epsilon(Decimal("0.1"), Decimal(1)) == 0
    assert epsilon_to_rho(Decimal(1), Decimal(0)) == 0
    assert pure_to_rho(Decimal(1)) == Decimal("0.5")
    assert pure_to_rho(Decimal("1e-12")) == STEP


def exact_delta_of_gaussian(rho: float, epsilon: float) -> float:
    """Delta of the continuous Gaussian (Balle & Wang 2018, Theorem 8), far below any valid conversion."""
    mu = math.sqrt(2 * rho)

    def phi(x: float) -> float:
        return math.erfc(-x / math.sqrt(2)) / 2

    return phi(mu / 2 - epsilon / mu) - math.exp(epsilon) * phi(-mu / 2 - epsilon / mu)


@settings(max_examples=200, deadline=None)
@given(st.decimals("0.0001", "50", places=6), st.decimals("0.000000001", "0.5", places=9))
def test_a_conversion_covers_the_gaussian_and_is_not_far_above(rho: Decimal, delta: Decimal) -> None:
    epsilon = rho_to_epsilon(rho, delta)
    real = exact_delta_of_gaussian(float(rho), float(epsilon))
    assert real <= float(delta)


def least_bound(rho: Decimal, delta: Decimal) -> Decimal:
    """The least bound over all orders, by ternary search on ln(alpha - 1) with 40 digits."""

    def bound(power: Decimal) -> Decimal:
        x = power.exp()
        return (1 + x) * rho + (x / (1 + x)).ln() - (delta * (1 + x)).ln() / x

    with localcontext(prec=40):
        low, high = Decimal(-30), Decimal(42)
        while high - low > Decimal("1e-9"):
            left, right = low + (high - low) / 3, high - (high - low) / 3
            low, high = (low, right) if bound(left) < bound(right) else (left, high)
        return max(bound(low), Decimal(0))


@settings(max_examples=40, deadline=None)
@given(rhos, deltas)
def test_the_best_order_is_chosen_and_rounded_up(rho: Decimal, delta: Decimal) -> None:
    least = least_bound(rho, delta)
    assert least - Decimal("1e-14") <= rho_to_epsilon(rho, delta) <= least + STEP


@settings(max_examples=200, deadline=None)
@given(epsilons, deltas)
def test_the_inverse_is_sound_and_tight(epsilon: Decimal, delta: Decimal) -> None:
    rho = epsilon_to_rho(epsilon, delta)
    assert rho_to_epsilon(rho, delta) <= epsilon
    assert rho_to_epsilon(rho + 2 * STEP, delta) > epsilon or rho_to_epsilon(rho + 2 * STEP, delta) == 0


@settings(max_examples=200, deadline=None)
@given(rhos, rhos, deltas, deltas)
def test_conversions_are_monotone(rho: Decimal, more: Decimal, delta: Decimal, other: Decimal) -> None:
    low, high = sorted((rho, more))
    small, large = sorted((delta, other))
    assert rho_to_epsilon(low, small) <= rho_to_epsilon(high, small)
    assert rho_to_epsilon(low, large) <= rho_to_epsilon(low, small)


@pytest.mark.parametrize("bad", [Decimal("-1e-12"), Decimal("NaN"), Decimal("-Infinity")])
def test_nonsense_is_refused(bad: Decimal) -> None:
    with pytest.raises((ValueError, ArithmeticError)):
        rho_to_epsilon(bad, Decimal("0.1"))
    with pytest.raises((ValueError, ArithmeticError)):
        rho_to_epsilon(Decimal(1), bad)
    with pytest.raises((ValueError, ArithmeticError)):
        epsilon_to_rho(bad, Decimal("0.1"))
    for fields in ((Decimal(1), Decimal(0), Decimal(0)), (None, Decimal(0), Decimal(0))):
        with pytest.raises(ValueError, match="rho"):
            Loss(*fields)
    for fields in ((bad, Decimal(0), Decimal(0)), (None, bad, Decimal(0)), (None, Decimal(0), bad)):
        with pytest.raises((ValueError, ArithmeticError)):
            Loss(*fields)


@given(amounts, amounts, st.booleans(), st.booleans())
def test_losses_add_exactly(a: Decimal, b: Decimal, first_pure: bool, second_pure: bool) -> None:
    first = Loss(a if first_pure else None, b, a)
    second = Loss(b if second_pure else None, a, b)
    both = first + second
    assert both.rho == both.delta == a + b
    assert both.epsilon == (a + b if first_pure and second_pure else None)
    assert first + NO_LOSS == first
    assert Odometer().after(first).after(second) == Odometer().after(both)


def test_what_is_spent_is_rounded_up() -> None:
    tiny = Loss(Decimal("1e-30"), Decimal("1e-30"), Decimal("1e-30"))
    assert Odometer().after(tiny) == Odometer(STEP, STEP, Decimal("1e-18"))
    with localcontext(prec=3):
        spent = Odometer().after(Loss(Decimal("123456.123456789012"), Decimal("9876543.5"), Decimal(0)))
    assert spent.pure == Decimal("123456.123456789012")
    assert spent.rho == Decimal("9876543.5")


def test_the_halves_of_delta_are_the_whole() -> None:
    for delta in ("0", "1e-18", "3e-18", "1e-6", "0.5"):
        d = Decimal(delta)
        assert selection_delta(d) + conversion_delta(d) == d
        assert selection_delta(d) <= d / 2


budgets = st.builds(
    Budget, st.decimals("0.1", "10", places=3), st.sampled_from([Decimal(0), Decimal("1e-6")])
)


@settings(max_examples=200, deadline=None)
@given(budgets, st.lists(st.tuples(amounts, st.booleans(), st.integers(0, 300)), max_size=8))
def test_more_never_passes_where_less_did_not(
    budget: Budget, losses: list[tuple[Decimal, bool, int]]
) -> None:
    odometer, passed = Odometer(), True
    for amount, pure, selection in losses:
        before = spent_epsilon(odometer, budget.delta)
        loss = Loss(amount if pure else None, pure_to_rho(amount), Decimal(selection).scaleb(-9))
        odometer = odometer.after(loss)
        assert spent_epsilon(odometer, budget.delta) >= before
        passed_now = within(odometer, budget)
        assert passed or not passed_now
        passed = passed_now
        if budget.delta == 0 and passed_now:
            assert odometer.delta == 0
            assert odometer.pure is not None or odometer.rho == 0


@settings(max_examples=200, deadline=None)
@given(budgets, st.none() | amounts, amounts, st.integers(0, 600))
def test_the_largest_question_is_the_largest(
    budget: Budget, pure: Decimal | None, rho: Decimal, selection: int
) -> None:
    odometer = Odometer(pure, rho, Decimal(selection).scaleb(-9))
    most = largest_epsilon(odometer, budget)

    def passes(epsilon: Decimal) -> bool:
        return within(odometer.after(Loss(epsilon, pure_to_rho(epsilon), Decimal(0))), budget)

    assert most == 0 or passes(most)
    assert not passes(most + Decimal("1e-9"))


def test_one_count_wants_laplace_and_a_hundred_want_rho() -> None:
    budget = Budget(Decimal(1), Decimal("1e-6"))
    one = Loss(Decimal(1), pure_to_rho(Decimal(1)), Decimal(0))
    assert within(Odometer().after(one), budget)
    small = Loss(Decimal("0.02"), pure_to_rho(Decimal("0.02")), Decimal(0))
    odometer, count = Odometer(), 0
    while within(odometer.after(small), budget):
        odometer, count = odometer.after(small), count + 1
    assert count > 100
    assert odometer.pure is not None
    assert odometer.pure > budget.epsilon
