"""Privacy loss as exact numbers: budgets, losses, accounts.

Units: epsilon and rho are kept to 12 decimal places, delta to 18, always rounded *up* when spent,
so that a ledger never gives away a fraction. No binary floating point reaches a ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal
from enum import StrEnum

EPSILON_STEP = Decimal("1e-12")
DELTA_STEP = Decimal("1e-18")

# Sums and roundings of losses go through this context, never through the thread's own: its precision
# holds every amount that can occur, so a sum is exact and a rounding cannot fail.
WIDE = Context(prec=80, rounding=ROUND_CEILING)


def spend_epsilon(value: Decimal) -> Decimal:
    """`value` (epsilon or rho) rounded up to the ledger's step."""
    return value.quantize(EPSILON_STEP, rounding=ROUND_CEILING, context=WIDE)


def spend_delta(value: Decimal) -> Decimal:
    """`value` (delta) rounded up to the ledger's step."""
    return value.quantize(DELTA_STEP, rounding=ROUND_CEILING, context=WIDE)


@dataclass(frozen=True, slots=True)
class Budget:
    """An (epsilon, delta) limit for the life of an account."""

    epsilon: Decimal
    delta: Decimal


@dataclass(frozen=True, slots=True)
class Loss:
    """What one question may cost at most.

    Attributes:
        epsilon: pure loss; None when a Gaussian is used (the loss is then not pure).
        rho: zCDP loss of the same noise (Laplace at epsilon: epsilon**2 / 2, Bun & Steinke 2016, Prop. 1.4).
        delta: of partition selection alone.

    Raises:
        ValueError: an amount that is negative or not finite (it would give budget back), or noise
            that has no rho (it would be free in the zCDP sum).

    """

    epsilon: Decimal | None
    rho: Decimal
    delta: Decimal

    def __post_init__(self) -> None:
        for amount in (self.epsilon, self.rho, self.delta):
            if amount is not None and not (amount.is_finite() and amount >= 0):
                raise ValueError(f"a privacy loss is finite and not negative, not {amount}")
        if self.epsilon != 0 and self.rho == 0:
            raise ValueError("a loss of noise has a rho")

    def __add__(self, other: Loss) -> Loss:
        """The loss of both together (sequential composition); pure only when both are."""
        pure = (
            None if self.epsilon is None or other.epsilon is None else WIDE.add(self.epsilon, other.epsilon)
        )
        return Loss(pure, WIDE.add(self.rho, other.rho), WIDE.add(self.delta, other.delta))


NO_LOSS = Loss(Decimal(0), Decimal(0), Decimal(0))


class AccountKind(StrEnum):
    """Budgets that hold together (all must have room)."""

    GRANT_DATASET = "grant-dataset"
    PROJECT_UNIT = "project-unit"
    DATASET = "dataset"


@dataclass(frozen=True, slots=True)
class Account:
    """One budget. `key` is stable for life: a new policy or version never makes a new account.

    Keys: `grant/dataset`, `project/unit`, `dataset`.
    """

    kind: AccountKind
    key: str
    limit: Budget

    @property
    def id(self) -> str:
        """`kind:key`, the ledger's primary key."""
        return f"{self.kind.value}:{self.key}"
