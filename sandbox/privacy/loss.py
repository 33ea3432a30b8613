"""Privacy loss as exact numbers: budgets, losses, accounts.

Units: epsilon and rho are kept to 12 decimal places, delta to 18, always rounded *up* when spent,
so that a ledger never gives away a fraction. No binary floating point reaches a ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum

EPSILON_STEP = Decimal("1e-12")
DELTA_STEP = Decimal("1e-18")


def spend_epsilon(value: Decimal) -> Decimal:
    """`value` (epsilon or rho) rounded up to the ledger's step."""
    return value.quantize(EPSILON_STEP, rounding=ROUND_CEILING)


def spend_delta(value: Decimal) -> Decimal:
    """`value` (delta) rounded up to the ledger's step."""
    return value.quantize(DELTA_STEP, rounding=ROUND_CEILING)


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

    """

    epsilon: Decimal | None
    rho: Decimal
    delta: Decimal


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
