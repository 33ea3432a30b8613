"""From a share of the budget and a sensitivity to the scale of the noise.

Scales are closed forms (Laplace: L1 / epsilon; Gaussian: L2 / sqrt(2 rho)), rounded up until the loss
that the mechanism claims fits into the share: a share is never overdrawn, not even by a rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from fractions import Fraction
from functools import lru_cache
from typing import TypeVar

from sandbox.errors import ErrorCode, SandboxError
from sandbox.privacy.loss import EPSILON_STEP, WIDE
from sandbox.privacy.mechanisms import LARGEST_SCALE, SMALLEST_SCALE, Gaussian, Laplace

LARGEST_L1 = 2**62

N = TypeVar("N", Laplace, Gaussian)


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """How far one privacy unit, added or removed, moves a vector of whole numbers at most.

    Attributes:
        l1: sum of absolute changes.
        l2_squared: sum of squared changes.

    Raises:
        ValueError: a sensitivity below 1 (use `bounded`, which raises 0 to 1).

    """

    l1: int
    l2_squared: int

    def __post_init__(self) -> None:
        if self.l1 < 1 or self.l2_squared < 1:
            raise ValueError("a sensitivity is at least 1")

    @classmethod
    def bounded(cls, groups: int, per_group: int, in_all: int | None = None) -> Sensitivity:
        """From contribution bounds of one unit, in the vector's own whole steps.

        Args:
            groups: entries of the vector that it may change (l0).
            per_group: most that it changes one entry, in absolute value (l-infinity).
            in_all: most that it changes all entries together, in absolute values (L1), when that is bounded.

        L1 is the lesser of groups * per_group and `in_all`. The square of L2 is at most
        per_group * L1 (each change is at most per_group) and at most the square of L1. A vector that
        nobody can move is treated as one that a unit moves by 1.

        """
        if groups < 0 or per_group < 0 or (in_all is not None and in_all < 0):
            raise ValueError("a contribution bound is not negative")
        l1 = groups * per_group if in_all is None else min(groups * per_group, in_all)
        return cls(max(1, l1), max(1, min(per_group * l1, l1 * l1)))

    @property
    def l2(self) -> float:
        """Square root of `l2_squared`, rounded up to a float."""
        return _root_up(Fraction(self.l2_squared))


@lru_cache(maxsize=4096)
def laplace_for(sensitivity: Sensitivity, epsilon: Decimal) -> Laplace:
    """Least Laplace noise whose loss at `sensitivity` is at most `epsilon`.

    Raises:
        SandboxError: EPSILON_INVALID (a share of nothing), OVERFLOW_POSSIBLE (noise beyond 64 bits).

    """
    share = _share(epsilon)
    if sensitivity.l1 > LARGEST_L1:
        raise _too_wide()
    start = _float_up(Fraction(sensitivity.l1) / Fraction(share))
    return _fitting(Laplace, start, lambda noise: noise.epsilon(sensitivity.l1) <= share)


@lru_cache(maxsize=4096)
def gaussian_for(sensitivity: Sensitivity, rho: Decimal) -> Gaussian:
    """Least Gaussian noise whose zCDP loss at `sensitivity` is at most `rho`.

    Raises:
        SandboxError: EPSILON_INVALID (a share of nothing), OVERFLOW_POSSIBLE (noise beyond 64 bits).

    """
    share = _share(rho)
    if sensitivity.l1 > LARGEST_L1:
        raise _too_wide()
    start = _root_up(Fraction(sensitivity.l2_squared) / (2 * Fraction(share)))
    l2 = sensitivity.l2
    return _fitting(Gaussian, start, lambda noise: noise.rho(l2) <= share)


def _fitting(kind: type[N], start: float, fits: Callable[[N], bool]) -> N:
    scale = max(start, SMALLEST_SCALE)
    step = math.ulp(scale)
    while scale <= LARGEST_SCALE:
        noise = kind(scale)
        if fits(noise):
            return noise
        scale += step
        step *= 2
    raise _too_wide()


def _share(value: Decimal) -> Decimal:
    share = (
        value.quantize(EPSILON_STEP, rounding=ROUND_FLOOR, context=WIDE) if value.is_finite() else Decimal(0)
    )
    if share <= 0:
        raise SandboxError(
            ErrorCode.EPSILON_INVALID,
            f"A share of the budget is at least {EPSILON_STEP}, not {value}.",
            "Give the question a larger epsilon, or ask for fewer columns.",
        )
    return share


def _too_wide() -> SandboxError:
    return SandboxError(
        ErrorCode.OVERFLOW_POSSIBLE,
        "The noise of this question would not fit into 64-bit whole numbers.",
        "Narrow the bounds of its values, lower its contribution bounds, or give it a larger epsilon.",
    )


def _float_up(value: Fraction) -> float:
    """Least float that is not below `value`."""
    near = float(value)
    return near if Fraction(near) >= value else math.nextafter(near, math.inf)


def _root_up(value: Fraction) -> float:
    """A float that is not below the square root of `value`, at most two steps above it."""
    near = math.sqrt(_float_up(value))
    while Fraction(near) ** 2 < value:
        near = math.nextafter(near, math.inf)
    return near
