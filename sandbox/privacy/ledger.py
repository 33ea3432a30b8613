"""The ledger: what every account has spent, in the store that holds the log.

Rules
- A reservation charges every account of a question, or none, in one transaction with its event.
- Nothing is ever given back: settling says how a question ended, not what it cost.
- Limits are not kept here. They come from the policy in force with every call, so a lowered limit
  counts at once; accounts are found by keys that no new policy or version changes.
- Amounts are whole numbers of ledger steps: epsilon and rho in 1e-12, delta in 1e-18.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal, TypeAlias

import sqlalchemy as sa

from sandbox.audit.event import Event
from sandbox.audit.prepared import Prepared
from sandbox.audit.store import Store, metadata
from sandbox.privacy.accountant import Odometer, within
from sandbox.privacy.loss import DELTA_STEP, EPSILON_STEP, WIDE, Account, Loss
from sandbox.privacy.refusal import budget_exceeded, ledger_restored

Outcome: TypeAlias = Literal["answered", "failed"]

accounts_table = sa.Table(
    "privacy_account",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("pure", sa.BigInteger, sa.CheckConstraint("pure >= 0")),
    sa.Column("rho", sa.BigInteger, sa.CheckConstraint("rho >= 0"), nullable=False),
    sa.Column("delta", sa.BigInteger, sa.CheckConstraint("delta >= 0"), nullable=False),
)

charges_table = sa.Table(
    "privacy_charge",
    metadata,
    sa.Column("question", sa.String, primary_key=True),
    sa.Column("leaf", sa.Integer, nullable=False),
    sa.Column("pure", sa.BigInteger),
    sa.Column("rho", sa.BigInteger, nullable=False),
    sa.Column("delta", sa.BigInteger, nullable=False),
    sa.Column("outcome", sa.String, sa.CheckConstraint("outcome IN ('answered', 'failed')"), index=True),
)

charged_table = sa.Table(
    "privacy_charged",
    metadata,
    sa.Column("question", sa.String, sa.ForeignKey(charges_table.c.question), primary_key=True),
    sa.Column("account", sa.String, sa.ForeignKey(accounts_table.c.id), primary_key=True),
    sqlite_with_rowid=False,
)

_ACCOUNT = Prepared(
    sa.select(accounts_table.c.pure, accounts_table.c.rho, accounts_table.c.delta).where(
        accounts_table.c.id == sa.bindparam("account")
    )
)
_NEW_ACCOUNT = Prepared(accounts_table.insert())
_SPENT = Prepared(
    accounts_table.update()
    .where(accounts_table.c.id == sa.bindparam("account"))
    .values({name: sa.bindparam(name) for name in ("pure", "rho", "delta")})
)
_CHARGE = Prepared(
    sa.select(charges_table.c.question).where(charges_table.c.question == sa.bindparam("asked"))
)
_NEW_CHARGE = Prepared(charges_table.insert())
_NEW_CHARGED = Prepared(charged_table.insert())
_ENDED = Prepared(
    charges_table.update()
    .where(charges_table.c.question == sa.bindparam("asked"), charges_table.c.outcome.is_(None))
    .values(outcome=sa.bindparam("ended"))
)

frozen_table = sa.Table(
    "privacy_frozen",
    metadata,
    sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True),
    sa.Column("size", sa.Integer, nullable=False),
)
"""One line while the ledger is frozen: how many entries the log of the backup had."""

_FROZEN = Prepared(sa.select(frozen_table.c.size))


@dataclass(frozen=True, slots=True)
class PastCharge:
    """A charge that a log shows and this ledger has lost."""

    question: str
    accounts: tuple[str, ...]
    loss: Loss


@dataclass(frozen=True, slots=True)
class Reservation:
    """A question that is paid for. `leaf` is the index of its intent in the log."""

    question: str
    leaf: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """A question that has ended. `leaf` is the index of its outcome in the log, `receipt` its receipt."""

    question: str
    outcome: Outcome
    leaf: int
    receipt: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Intent:
    """A question that was charged and has not ended: it runs, or its process died."""

    question: str
    accounts: tuple[str, ...]
    loss: Loss
    leaf: int


class Ledger:
    """The ledger of one store. It keeps no state of its own: threads and processes may each have one."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def reserve(self, question: str, accounts: Sequence[Account], loss: Loss, event: Event) -> Reservation:
        """Charge `loss` to every account, or to none, and log `event` with it.

        An account named twice is charged once and keeps to both limits.

        Raises:
            SandboxError: BUDGET_EXCEEDED, naming the first account without room; LEDGER_RESTORED while the
                ledger is frozen. Nothing was charged or logged then. Whatever `Store.write` raises.
            ValueError: no account at all, or a question that was reserved before.

        """
        if not accounts:
            raise ValueError("a loss without an account would be free")
        with self._store.write(event) as transaction:
            connection = transaction.connection
            if _frozen(connection) is not None:
                raise ledger_restored()
            if _known(connection, question):
                raise ValueError(f"question {question} was reserved before")
            spent: dict[str, Odometer] = {}
            for account in accounts:
                before = _spent(connection, account.id)
                spent[account.id] = before.after(loss)
                if not within(spent[account.id], account.limit):
                    raise budget_exceeded(account, before, loss)
            steps = in_steps(Odometer().after(loss))
            _NEW_CHARGE.run(connection, question=question, leaf=transaction.leaf, outcome=None, **steps)
            for identity, odometer in spent.items():
                _write(connection, identity, odometer)
                _NEW_CHARGED.run(connection, question=question, account=identity)
            leaf = transaction.leaf
        return Reservation(question, leaf)

    def settle(
        self,
        question: str,
        outcome: Outcome,
        event: Event,
        also: Callable[[sa.Connection], None] | None = None,
    ) -> Settlement:
        """Say how a question ended, and log `event` with it. Nothing is refunded.

        Args:
            question: as it was reserved.
            outcome: how it ended.
            event: its outcome for the log.
            also: done in the same transaction (keeping the answer, so that it is there if and only if
                the log says so).

        Raises:
            ValueError: a question that was not reserved, or was settled before.

        """
        with self._store.write(event) as transaction:
            done = _ENDED.run(transaction.connection, asked=question, ended=outcome)
            if done.rowcount != 1:
                raise ValueError(f"question {question} is not open")
            if also is not None:
                also(transaction.connection)
        return Settlement(question, outcome, transaction.leaf, transaction.receipt())

    def freeze(self, size: int, event: Event) -> None:
        """Charge nothing more, as what was spent after entry `size` of the log may be lost; log `event`."""
        with self._store.write(event) as transaction:
            transaction.connection.execute(frozen_table.delete())
            transaction.connection.execute(frozen_table.insert().values(id=1, size=size))

    def frozen(self) -> int | None:
        """How many entries the log had in the backup from which a frozen ledger came; None when it is not."""
        with self._store.read() as connection:
            return _frozen(connection)

    def thaw(self, charges: Sequence[PastCharge], event: Event) -> None:
        """Take lost charges over, whatever the limits say, and charge again; log `event`."""
        with self._store.read() as connection:
            missing = [lost for lost in charges if not _known(connection, lost.question)]
        event = replace(event, facts={**event.facts, "charges": taken_over(missing)})
        with self._store.write(event) as transaction:
            connection = transaction.connection
            for lost in missing:
                steps = in_steps(Odometer().after(lost.loss))
                _NEW_CHARGE.run(
                    connection, question=lost.question, leaf=transaction.leaf, outcome="failed", **steps
                )
                for identity in lost.accounts:
                    _write(connection, identity, _spent(connection, identity).after(lost.loss))
                    _NEW_CHARGED.run(connection, question=lost.question, account=identity)
            connection.execute(frozen_table.delete())

    def state(self, account: Account) -> Odometer:
        """What `account` has spent."""
        return self.states((account,))[0]

    def states(self, accounts: Sequence[Account]) -> tuple[Odometer, ...]:
        """What each of `accounts` has spent, at one moment."""
        with self._store.read() as connection:
            return tuple(_spent(connection, account.id) for account in accounts)

    def would_accept(self, accounts: Sequence[Account], loss: Loss) -> Account | None:
        """The first account that would refuse `loss` now; None when all have room. Charges nothing."""
        with self._store.read() as connection:
            for account in accounts:
                if not within(_spent(connection, account.id).after(loss), account.limit):
                    return account
        return None

    def open_intents(self) -> tuple[Intent, ...]:
        """Questions that were charged and have not ended, oldest first."""
        wanted = (
            sa.select(charges_table, charged_table.c.account)
            .join(charged_table, charged_table.c.question == charges_table.c.question)
            .where(charges_table.c.outcome.is_(None))
            .order_by(charges_table.c.leaf, charged_table.c.account)
        )
        with self._store.read() as connection:
            rows = connection.execute(wanted).all()
        accounts: dict[str, list[str]] = {}
        for row in rows:
            accounts.setdefault(row.question, []).append(row.account)
        first = {row.question: row for row in reversed(rows)}
        return tuple(
            Intent(question, tuple(names), _loss(first[question]), first[question].leaf)
            for question, names in accounts.items()
        )


def _loss(row: sa.Row[tuple[object, ...]]) -> Loss:
    return Loss(*_amounts(row.pure, row.rho, row.delta))


def taken_over(charges: Sequence[PastCharge]) -> str:
    """A digest of charges, in any order, so that the log says which were taken over."""
    said = sorted(
        [lost.question, sorted(lost.accounts), list(in_steps(Odometer().after(lost.loss)).values())]
        for lost in charges
    )
    return f"sha256:{hashlib.sha256(json.dumps(said).encode()).hexdigest()}"


def _frozen(connection: sa.Connection) -> int | None:
    row = _FROZEN.run(connection).fetchone()
    return None if row is None else int(row[0])


def _known(connection: sa.Connection, question: str) -> bool:
    return _CHARGE.run(connection, asked=question).fetchone() is not None


def _spent(connection: sa.Connection, account: str) -> Odometer:
    row = _ACCOUNT.run(connection, account=account).fetchone()
    return Odometer() if row is None else Odometer(*_amounts(*row))


def _amounts(pure: int | None, rho: int, delta: int) -> tuple[Decimal | None, Decimal, Decimal]:
    return (
        None if pure is None else WIDE.multiply(pure, EPSILON_STEP),
        WIDE.multiply(rho, EPSILON_STEP),
        WIDE.multiply(delta, DELTA_STEP),
    )


def in_steps(odometer: Odometer) -> dict[str, int | None]:
    """What an account has spent, or one loss, as the ledger keeps it."""
    return {
        "pure": None if odometer.pure is None else _steps(odometer.pure, EPSILON_STEP),
        "rho": _steps(odometer.rho, EPSILON_STEP),
        "delta": _steps(odometer.delta, DELTA_STEP),
    }


def _steps(amount: Decimal, step: Decimal) -> int:
    return int(WIDE.divide(amount, step))


def _write(connection: sa.Connection, account: str, odometer: Odometer) -> None:
    """Write the state that was checked: sums are made in whole numbers here, never by the database."""
    steps = in_steps(odometer)
    if _SPENT.run(connection, account=account, **steps).rowcount == 0:
        _NEW_ACCOUNT.run(connection, id=account, **steps)
