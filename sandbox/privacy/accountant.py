"""The accountant: what a sum of losses means as (epsilon, delta), and when it is too much.

Every conversion is rounded against the one who spends. Proofs: docs/privacy-proofs.md.

Two sums run side by side, one of pure losses and one of zCDP losses. A question passes while the delta
of partition selection stays within half of the account's delta, and one of the two sums stays within
its epsilon: the pure sum as it is, the zCDP sum converted at the other half of delta.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Context, Decimal
from functools import lru_cache

from sandbox.privacy.loss import DELTA_STEP, EPSILON_STEP, WIDE, Budget, Loss, spend_delta, spend_epsilon

_INFINITE = Decimal("Infinity")
_DIGITS = Context(prec=60)
# Larger than every rounding of a conversion at 60 digits, far smaller than a step of the ledger.
_SLACK = Decimal("1e-40")


@dataclass(frozen=True, slots=True)
class Odometer:
    """What an account has spent.

    Attributes:
        pure: sum of pure losses; None once a loss was not pure.
        rho: sum of zCDP losses.
        delta: sum of the deltas of partition selection.

    """

    pure: Decimal | None = Decimal(0)
    rho: Decimal = Decimal(0)
    delta: Decimal = Decimal(0)

    def after(self, loss: Loss) -> Odometer:
        """The odometer once `loss`, rounded up to the ledger's steps, is added."""
        if self.pure is None or loss.epsilon is None:
            pure = None
        else:
            pure = WIDE.add(self.pure, spend_epsilon(loss.epsilon))
        return Odometer(
            pure, WIDE.add(self.rho, spend_epsilon(loss.rho)), WIDE.add(self.delta, spend_delta(loss.delta))
        )


def pure_to_rho(epsilon: Decimal) -> Decimal:
    """Zero-concentrated loss of a pure loss: epsilon**2 / 2 (Bun & Steinke 2016, Prop. 1.4), rounded up."""
    return spend_epsilon(WIDE.divide(WIDE.multiply(epsilon, epsilon), Decimal(2)))


def selection_delta(delta: Decimal) -> Decimal:
    """Part of an account's delta that partition selection may use up: half of it, rounded down."""
    return WIDE.divide(delta, Decimal(2)).quantize(DELTA_STEP, rounding=ROUND_FLOOR, context=WIDE)


def conversion_delta(delta: Decimal) -> Decimal:
    """Part of an account's delta at which its zCDP sum is converted: what selection may not use."""
    return WIDE.subtract(delta, selection_delta(delta))


@lru_cache(maxsize=65536)
def rho_to_epsilon(rho: Decimal, delta: Decimal) -> Decimal:
    """Least epsilon, rounded up, such that rho-zCDP is (epsilon, delta)-differentially private.

    Canonne, Kamath & Steinke 2020, Prop. 12 with a Renyi loss of alpha * rho:
    epsilon = alpha rho + ln(1 - 1/alpha) + (ln(1/delta) - ln(alpha)) / (alpha - 1), least over alpha > 1.
    Every alpha gives a valid bound; the best one solves (alpha - 1)**2 rho = ln(1 / (delta alpha)), found
    in floating point; the bound itself is then computed with 60 digits.

    Raises:
        ValueError: a negative rho, or a delta outside 0 .. 1.

    """
    if not (rho >= 0 and 0 <= delta <= 1):
        raise ValueError("rho is not negative, and delta lies between 0 and 1")
    if rho == 0 or delta == 1:
        return Decimal(0).quantize(EPSILON_STEP)
    if delta == 0:
        return _INFINITE
    excess = Decimal(_best_excess(float(rho), _log_inverse(delta)))
    return spend_epsilon(max(Decimal(0), _DIGITS.add(_bound(rho, delta, excess), _SLACK)))


@lru_cache(maxsize=65536)
def epsilon_to_rho(epsilon: Decimal, delta: Decimal) -> Decimal:
    """Largest rho, in steps of the ledger and rounded down, that is (epsilon, delta)-private.

    The inverse of `rho_to_epsilon`: `rho_to_epsilon(result, delta) <= epsilon`.

    Raises:
        ValueError: a negative epsilon, or a delta outside 0 .. 1 (1 itself hides nothing and is refused).

    """
    if not (epsilon.is_finite() and epsilon >= 0 and 0 <= delta < 1):
        raise ValueError("epsilon is not negative, and delta lies between 0 and 1")
    if delta == 0:
        return Decimal(0).quantize(EPSILON_STEP)
    excess = Decimal(_best_excess_for(float(epsilon), _log_inverse(delta)))
    found = max(Decimal(0), _largest_rho(epsilon, delta, excess))
    found = found.quantize(EPSILON_STEP, rounding=ROUND_FLOOR, context=WIDE)
    while found > 0 and rho_to_epsilon(found, delta) > epsilon:
        found = WIDE.subtract(found, EPSILON_STEP)
    return found


def selection_within(odometer: Odometer, budget: Budget) -> bool:
    """Whether the delta of partition selection is within its half."""
    return odometer.delta <= selection_delta(budget.delta)


def spent_epsilon(odometer: Odometer, delta: Decimal) -> Decimal:
    """Epsilon that is spent at the account's `delta`: the smaller of the two sums' views.

    Infinite when a loss was not pure and the account has no delta.
    """
    converted = rho_to_epsilon(odometer.rho, conversion_delta(delta))
    return converted if odometer.pure is None else min(odometer.pure, converted)


def within(odometer: Odometer, budget: Budget) -> bool:
    """The two-sum filter: whether an account that has spent `odometer` keeps its promise `budget`."""
    if not selection_within(odometer, budget):
        return False
    if odometer.pure is not None and odometer.pure <= budget.epsilon:
        return True
    return rho_to_epsilon(odometer.rho, conversion_delta(budget.delta)) <= budget.epsilon


def largest_epsilon(odometer: Odometer, budget: Budget) -> Decimal:
    """Largest pure loss (of one Laplace question on public keys) that still passes; 0 when none does."""
    if not selection_within(odometer, budget):
        return Decimal(0)
    pure = Decimal(0) if odometer.pure is None else WIDE.subtract(budget.epsilon, odometer.pure)
    most = epsilon_to_rho(budget.epsilon, conversion_delta(budget.delta))
    room = max(Decimal(0), WIDE.subtract(most, odometer.rho))
    # Both roundings of a loss of this size, epsilon and then rho, fit into the step taken off.
    converted = _DIGITS.subtract(_DIGITS.sqrt(_DIGITS.multiply(2, room)), EPSILON_STEP)
    best = max(pure, converted, Decimal(0)).quantize(EPSILON_STEP, rounding=ROUND_FLOOR, context=WIDE)
    while best > 0 and not within(odometer.after(Loss(best, pure_to_rho(best), Decimal(0))), budget):
        best = max(Decimal(0), WIDE.subtract(best, EPSILON_STEP))
    return best


def _bound(rho: Decimal, delta: Decimal, excess: Decimal) -> Decimal:
    """Right-hand side of Prop. 12 at alpha = 1 + excess."""
    alpha = _DIGITS.add(1, excess)
    return _DIGITS.add(_DIGITS.multiply(alpha, rho), _rest(delta, excess, alpha))


def _largest_rho(epsilon: Decimal, delta: Decimal, excess: Decimal) -> Decimal:
    """The rho at which `_bound` is `epsilon`."""
    alpha = _DIGITS.add(1, excess)
    return _DIGITS.divide(_DIGITS.subtract(epsilon, _rest(delta, excess, alpha)), alpha)


def _rest(delta: Decimal, excess: Decimal, alpha: Decimal) -> Decimal:
    first = _DIGITS.ln(_DIGITS.divide(excess, alpha))
    second = _DIGITS.divide(_DIGITS.ln(_DIGITS.multiply(delta, alpha)), excess)
    return _DIGITS.subtract(first, second)


@lru_cache(maxsize=4096)
def _log_inverse(delta: Decimal) -> float:
    return -float(_DIGITS.ln(delta))


def _best_excess(rho: float, log_inverse_delta: float) -> float:
    """The x = alpha - 1 with x**2 rho + ln(1 + x) = ln(1 / delta): the left side grows with x."""
    return _root(lambda x: x * x * rho + math.log1p(x) < log_inverse_delta, log_inverse_delta)


def _best_excess_for(epsilon: float, log_inverse_delta: float) -> float:
    """The best x = alpha - 1 at the rho whose conversion is `epsilon`: conversions shrink as x grows."""

    def too_small(x: float) -> bool:
        k = log_inverse_delta - math.log1p(x)
        if k <= 0:
            return False
        return (1 + x) * k / (x * x) + math.log(x / (1 + x)) + k / x > epsilon

    return _root(too_small, log_inverse_delta)


def _root(below: Callable[[float], bool], log_inverse_delta: float) -> float:
    """Least x with not below(x), by bisection on ln(x); x lies below 1 / delta."""
    low, high = -120.0, min(log_inverse_delta, 300.0)
    for _ in range(90):
        middle = (low + high) / 2
        if below(math.exp(middle)):
            low = middle
        else:
            high = middle
    return math.exp(high)
