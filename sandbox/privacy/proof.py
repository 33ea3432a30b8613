"""The ledger is what the log says it is: every charge, every account, which questions have ended.

A budget that somebody sets back in the store would be spent twice. So the ledger is made again from the
proved entries when a home is opened, and compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from sandbox.audit.event import EventKind
from sandbox.audit.leaf import Entry, altered
from sandbox.audit.store import Store
from sandbox.privacy.accountant import Odometer
from sandbox.privacy.ledger import (
    PastCharge,
    accounts_table,
    charged_table,
    charges_table,
    frozen_table,
    in_steps,
    taken_over,
)
from sandbox.privacy.loss import DELTA_STEP, EPSILON_STEP, Loss

Steps = tuple[int | None, int, int]


@dataclass(slots=True)
class _Charge:
    leaf: int
    steps: Steps
    accounts: frozenset[str]
    outcome: str | None


class LedgerProof:
    """Takes the proved entries of the log of `store`, one by one; then `check`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._charges: dict[str, _Charge] = {}
        self._accepted: dict[int, str | None] = {}
        self._frozen: int | None = None

    def take(self, entry: Entry) -> None:
        """Take the next entry."""
        facts: Mapping[str, Any] = entry.facts
        if entry.kind == EventKind.QUESTION_INTENDED.value:
            loss = facts["loss"]
            pure = None if loss["epsilon"] is None else Decimal(loss["epsilon"])
            steps = in_steps(Odometer().after(Loss(pure, Decimal(loss["rho"]), Decimal(loss["delta"]))))
            accounts = frozenset(account["id"] for account in facts["accounts"])
            self._charges[facts["question"]] = _Charge(entry.index, _amounts(steps), accounts, None)
        elif entry.kind == EventKind.QUESTION_SETTLED.value and facts["question"] in self._charges:
            self._charges[facts["question"]].outcome = facts["outcome"]
        elif entry.kind == EventKind.HOME_RESTORED.value:
            self._frozen = facts["size"]
        elif entry.kind == EventKind.LEDGER_ACCEPTED.value:
            self._frozen = None
            self._accepted[entry.index] = facts.get("charges")  # not in entries that older releases wrote

    def check(self) -> None:
        """Compare.

        Raises:
            SandboxError: STORAGE_CORRUPT.

        """
        kept = self._kept()
        taken: dict[int, list[PastCharge]] = {leaf: [] for leaf in self._accepted}
        for question, charge in kept.items():
            if charge.leaf in taken and question not in self._charges:
                taken[charge.leaf].append(PastCharge(question, tuple(charge.accounts), _loss(charge.steps)))
                self._charges[question] = charge
        expected: dict[str, Steps] = {}
        for charge in self._charges.values():
            for account in charge.accounts:
                expected[account] = _sum(expected.get(account, (0, 0, 0)), charge.steps)
        with self._store.read() as connection:
            accounts = {row.id: _steps(row) for row in connection.execute(sa.select(accounts_table))}
            frozen = connection.scalar(sa.select(frozen_table.c.size))
        sound = all(said in (None, taken_over(taken[leaf])) for leaf, said in self._accepted.items())
        if not sound or kept != self._charges or accounts != expected or frozen != self._frozen:
            raise altered("The ledger in the store is not what the log says was charged.")

    def _kept(self) -> dict[str, _Charge]:
        with self._store.read() as connection:
            rows: Sequence[Any] = connection.execute(sa.select(charges_table)).all()
            pairs = connection.execute(sa.select(charged_table)).all()
        accounts: dict[str, set[str]] = {row.question: set() for row in rows}
        for pair in pairs:
            accounts.setdefault(pair.question, set()).add(pair.account)
        found = {
            row.question: _Charge(row.leaf, _steps(row), frozenset(accounts.pop(row.question)), row.outcome)
            for row in rows
        }
        # Lines that belong to no charge make a difference, too.
        return found | {
            question: _Charge(-1, (0, 0, 0), frozenset(named), None) for question, named in accounts.items()
        }


def _steps(row: Any) -> Steps:
    return row.pure, row.rho, row.delta


def _amounts(steps: Mapping[str, int | None]) -> Steps:
    return steps["pure"], steps["rho"] or 0, steps["delta"] or 0


def _sum(one: Steps, other: Steps) -> Steps:
    pure = None if one[0] is None or other[0] is None else one[0] + other[0]
    return pure, one[1] + other[1], one[2] + other[2]


def _loss(steps: Steps) -> Loss:
    pure, rho, delta = steps
    return Loss(None if pure is None else pure * EPSILON_STEP, rho * EPSILON_STEP, delta * DELTA_STEP)
