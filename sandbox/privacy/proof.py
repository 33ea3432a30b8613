"""The ledger is what the log says it is: every charge, every account, which questions have ended.

A budget that somebody sets back in the store would be spent twice. So the ledger is made again from the
proved entries when a home is opened, and compared. Of charges that had ended when that was done before, only
the digest of their lines is compared, and what they add up to is known.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
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
    "SELECT question, json_array(question, json_group_array(account)) FROM privacy_charged GROUP BY question"
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
        charges = _Digests(known.charges, unsettled)
        for rows in scanned(connection, _CHARGES):
            questions, leaves, lines = zip(*rows, strict=True)
            if max(leaves) < known.size and known.unsettled.keys().isdisjoint(questions):
                charges.take(questions, lines, ())
                continue
            for question, leaf, line in rows:
                if leaf >= known.size or question in known.unsettled:
                    _, _, pure, rho, delta, outcome = json.loads(line)
                    self.later[question] = _Charge(leaf, (pure, rho, delta), frozenset(), outcome)
            charges.take(questions, lines, self.later)
        charged = _Digests(known.charged, unsettled)
        for rows in scanned(connection, _CHARGED):
            questions, lines = zip(*rows, strict=True)
            for question, line in rows if self.later else ():
                if question in self.later:
                    self.later[question].accounts = frozenset(json.loads(line)[1])
            charged.take(questions, lines, self.later)
        self.earlier_as_known = charges.as_known and charged.as_known
        self.ended = charges.ended, charged.ended


class _Digests:
    """Digests of the lines of charges that had ended before, and of those that have ended now.

    Args:
        known: of those that had ended before.
        unsettled: charges that have not ended now.

    """

    def __init__(self, known: str, unsettled: Collection[str]) -> None:
        self._known = known
        self._unsettled = unsettled
        self._before = self._after = hashlib.sha256()

    def take(self, questions: Sequence[str], lines: Sequence[str], later: Collection[str]) -> None:
        """Take the next lines. `later`: charges that had not ended before."""
        before = _of(lines, questions, later)
        after = _of(lines, questions, self._unsettled)
        if self._after is self._before and after != before:
            self._after = self._before.copy()
        self._before.update(before)
        if self._after is not self._before:
            self._after.update(after)

    @property
    def as_known(self) -> bool:
        """Whether those that had ended before are what they were."""
        return self._before.hexdigest() == self._known

    @property
    def ended(self) -> str:
        """Of those that have ended now, in hex."""
        return self._after.hexdigest()


def _of(lines: Sequence[str], questions: Sequence[str], but: Collection[str]) -> bytes:
    """The lines of all questions but some."""
    if but:
        lines = [line for line, question in zip(lines, questions, strict=True) if question not in but]
    return "".join(lines).encode()


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
