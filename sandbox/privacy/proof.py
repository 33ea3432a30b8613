"""The ledger is what the log says it is: every charge, every account, which questions have ended.

A budget that somebody sets back in the store would be spent twice. So the ledger is made again from the
proved entries when a home is opened, and compared. Of charges that had ended when that was done before, only
the digest of their lines is compared, and what they add up to is known.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from sandbox.audit.database import same_through_indexes, scanned
from sandbox.audit.event import EventKind
from sandbox.audit.leaf import Entry, altered
from sandbox.audit.store import Store
from sandbox.privacy.accountant import Odometer
from sandbox.privacy.ledger import PastCharge, accounts_table, frozen_table, in_steps, taken_over
from sandbox.privacy.loss import DELTA_STEP, EPSILON_STEP, Loss

Steps = tuple[int | None, int, int]

_NOTHING: Steps = (0, 0, 0)
_EMPTY = hashlib.sha256().hexdigest()
# In the order in which they were charged, which later charges do not change.
_CHARGES = (
    "SELECT question, leaf, json_array(question, leaf, pure, rho, delta, outcome)"
    " FROM privacy_charge NOT INDEXED ORDER BY rowid"
)
_CHARGED = (
    "SELECT question, json_array(question, json_group_array(account))"
    " FROM (SELECT question, account FROM privacy_charged ORDER BY question, account) GROUP BY question"
)


@dataclass(slots=True)
class _Charge:
    leaf: int
    steps: Steps
    accounts: frozenset[str]
    outcome: str | None


@dataclass(frozen=True, slots=True)
class ProvedLedger:
    """The ledger as the first `size` entries of the log say it is.

    Attributes:
        accounts: what each has spent.
        charges: SHA-256, in hex, of the lines of charges that had ended; `charged` of their accounts.
        unsettled: charges that had not.
        frozen: the size of the log of the backup from which a frozen ledger came.

    """

    size: int = 0
    accounts: Mapping[str, Steps] = field(default_factory=dict)
    charges: str = _EMPTY
    charged: str = _EMPTY
    unsettled: Mapping[str, tuple[int, Steps, frozenset[str]]] = field(default_factory=dict)
    frozen: int | None = None

    def as_json(self) -> list[Any]:
        """All of it, as JSON has it."""
        unsettled = [
            [question, leaf, steps, sorted(accounts)]
            for question, (leaf, steps, accounts) in sorted(self.unsettled.items())
        ]
        return [self.size, dict(self.accounts), self.charges, self.charged, unsettled, self.frozen]

    @classmethod
    def of_json(cls, said: list[Any]) -> ProvedLedger:
        """The inverse of `as_json`."""
        size, accounts, charges, charged, unsettled, frozen = said
        return cls(
            size,
            {account: tuple(steps) for account, steps in accounts.items()},
            charges,
            charged,
            {question: (leaf, tuple(steps), frozenset(names)) for question, leaf, steps, names in unsettled},
            frozen,
        )


class LedgerProof:
    """Takes the proved entries of the log of `store` behind `known`, one by one; then `check`."""

    def __init__(self, store: Store, known: ProvedLedger) -> None:
        self._store = store
        self._known = known
        self._charges = {
            question: _Charge(leaf, steps, accounts, None)
            for question, (leaf, steps, accounts) in known.unsettled.items()
        }
        self._accepted: dict[int, str | None] = {}
        self._frozen = known.frozen

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

    def check(self, size: int) -> ProvedLedger:
        """Compare, after `size` entries of the log.

        Returns:
            what is known now.

        Raises:
            SandboxError: STORAGE_CORRUPT.

        """
        with self._store.read() as connection:
            lines = _Lines(connection, self._known, self._charges)
            accounts = _accounts(connection)
            frozen = connection.scalar(sa.select(frozen_table.c.size))
        kept = lines.later
        taken: dict[int, list[PastCharge]] = {leaf: [] for leaf in self._accepted}
        for question, charge in kept.items():
            if charge.leaf in taken and question not in self._charges:
                taken[charge.leaf].append(PastCharge(question, tuple(charge.accounts), _loss(charge.steps)))
                self._charges[question] = charge
        expected = dict(self._known.accounts)
        for question, charge in self._charges.items():
            if question not in self._known.unsettled:
                for account in charge.accounts:
                    expected[account] = _sum(expected.get(account, _NOTHING), charge.steps)
        sound = all(said in (None, taken_over(taken[leaf])) for leaf, said in self._accepted.items())
        same = kept == self._charges and accounts == expected and frozen == self._frozen
        if not (sound and lines.earlier_as_known and same):
            raise altered("The ledger in the store is not what the log says was charged.")
        unsettled = {
            question: (charge.leaf, charge.steps, charge.accounts)
            for question, charge in self._charges.items()
            if charge.outcome is None
        }
        return ProvedLedger(size, expected, *lines.ended, unsettled, frozen)


class _Lines:
    """The lines of the ledger's charges, read once: earlier ones by their digest, later ones each.

    Attributes:
        earlier_as_known: whether those that had ended before are what they were.
        later: the others.
        ended: the digests of all that have ended now, and of their accounts.

    """

    def __init__(self, connection: sa.Connection, known: ProvedLedger, logged: Mapping[str, _Charge]) -> None:
        self.later: dict[str, _Charge] = {}
        unsettled = {question for question, charge in logged.items() if charge.outcome is None}
        before, after = hashlib.sha256(), hashlib.sha256()
        for rows in scanned(connection, _CHARGES):
            earlier = []
            for question, leaf, line in rows:
                if leaf < known.size and question not in known.unsettled:
                    earlier.append(line)
                else:
                    _, _, pure, rho, delta, outcome = json.loads(line)
                    self.later[question] = _Charge(leaf, (pure, rho, delta), frozenset(), outcome)
            before.update("".join(earlier).encode())
            after.update("".join(line for question, _, line in rows if question not in unsettled).encode())
        charges = before.hexdigest(), after.hexdigest()
        before, after = hashlib.sha256(), hashlib.sha256()
        for pairs in scanned(connection, _CHARGED):
            earlier = []
            for question, line in pairs:
                if question in self.later:
                    self.later[question].accounts = frozenset(json.loads(line)[1])
                else:
                    earlier.append(line)  # also what belongs to no charge
            before.update("".join(earlier).encode())
            after.update("".join(line for question, line in pairs if question not in unsettled).encode())
        self.earlier_as_known = (charges[0], before.hexdigest()) == (known.charges, known.charged)
        self.ended = charges[1], after.hexdigest()


def _accounts(connection: sa.Connection) -> dict[str, Steps]:
    """What each account has spent, as they lie in their table, and as a question finds them.

    Raises:
        SandboxError: STORAGE_CORRUPT when that is not the same.

    """
    if not same_through_indexes(connection, [accounts_table.name]):
        raise altered("The index of the ledger in the store does not fit its accounts.")
    rows = connection.execute(sa.select(accounts_table))
    return {row.id: (row.pure, row.rho, row.delta) for row in rows}


def _amounts(steps: Mapping[str, int | None]) -> Steps:
    return steps["pure"], steps["rho"] or 0, steps["delta"] or 0


def _sum(one: Steps, other: Steps) -> Steps:
    pure = None if one[0] is None or other[0] is None else one[0] + other[0]
    return pure, one[1] + other[1], one[2] + other[2]


def _loss(steps: Steps) -> Loss:
    pure, rho, delta = steps
    return Loss(None if pure is None else pure * EPSILON_STEP, rho * EPSILON_STEP, delta * DELTA_STEP)
