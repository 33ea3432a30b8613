"""Stored answers: the same question asked again costs nothing, because it returns the same answer.

Same: the same normalised question (names that it gives apart) over the same versions of the data, asked by
the same grant (or by any grant, where every policy shares answers), for no more epsilon than the stored
answer was paid with.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from sandbox.audit.event import EventKind
from sandbox.audit.prepared import Prepared
from sandbox.audit.store import Store, metadata
from sandbox.catalog.model import TableVersion
from sandbox.errors import ErrorCode, SandboxError
from sandbox.privacy.loss import EPSILON_STEP
from sandbox.query.price import Priced

answers_table = sa.Table(
    "question_answer",
    metadata,
    sa.Column("question", sa.String, primary_key=True),
    sa.Column("key", sa.String, index=True, nullable=False),
    sa.Column("epsilon", sa.BigInteger, nullable=False),
    sa.Column("mechanism", sa.String, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

_FOUND = Prepared(
    sa.select(
        answers_table.c.question, answers_table.c.epsilon, answers_table.c.mechanism, answers_table.c.body
    )
    .where(answers_table.c.key == sa.bindparam("same"), answers_table.c.epsilon >= sa.bindparam("least"))
    .order_by(answers_table.c.epsilon.desc(), answers_table.c.question)
    .limit(1)
)
_KEPT = Prepared(answers_table.insert())


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer that was paid for with `epsilon`; `body` is one Arrow stream of columns and half-widths."""

    question: str
    epsilon: Decimal
    mechanism: str
    body: bytes

    @property
    def table(self) -> pa.Table:
        """Columns `c<i>` and half-widths `__h<i>`."""
        return pa.ipc.open_stream(self.body).read_all()

    @property
    def digest(self) -> str:
        """As the log names it."""
        return f"sha256:{hashlib.sha256(self.body).hexdigest()}"


def whose(priced: Priced) -> list[str]:
    """Whom a stored answer may be given to again: the grant that paid, or every one where policies share."""
    analyzed = priced.rewritten.analyzed
    admitted = analyzed.authorized.admitted
    visible = analyzed.authorized.resolved.visible
    shared = all(
        (p := visible.datasets[d].privacy) is not None and p.share_answers
        for d in {k[0] for k in analyzed.tables}
    )
    # A grant may be published again for another project, whose own budget has not paid for these answers.
    return ["*"] if shared else [admitted.grant.grant, admitted.grant.project]


def key_of(priced: Priced, versions: Mapping[str, TableVersion]) -> str:
    """What makes two questions the same."""
    files = [f"{v.id}:{f.digest}" for _, v in sorted(versions.items()) for f in v.files]
    text = json.dumps([priced.rewritten.fingerprint, files, whose(priced)])
    return hashlib.sha256(text.encode()).hexdigest()


def find(store: Store, key: str, epsilon: Decimal) -> StoredAnswer | None:
    """The stored answer of this key that was paid with at least `epsilon`, the dearest first."""
    with store.read() as connection:
        row = _FOUND.run(connection, same=key, least=_steps(epsilon)).fetchone()
    return None if row is None else StoredAnswer(row[0], row[1] * EPSILON_STEP, row[2], row[3])


def stored_answer(row: sa.Row[Any]) -> StoredAnswer:
    """A row of `answers_table`."""
    return StoredAnswer(row.question, row.epsilon * EPSILON_STEP, row.mechanism, row.body)


def check_as_logged(store: Store, known: StoredAnswer) -> None:
    """That a stored answer is the one that was paid for, by the proved entry that settled its question.

    Raises:
        SandboxError: STORAGE_CORRUPT, LOG_CORRUPT.

    """
    kinds = [EventKind.QUESTION_SETTLED.value]
    entry = next(store.entries(kinds=kinds, question=known.question), None)
    if entry is None or entry.facts.get("answer_digest") != known.digest:
        raise SandboxError(
            ErrorCode.STORAGE_CORRUPT,
            f"The stored answer of {known.question} is not the one that the log says was given.",
            "Keep a copy of the store as evidence and restore the newest backup.",
        )
    store.receipt(entry.index)


def encode(table: pa.Table) -> bytes:
    """The answer as one Arrow stream; its SHA-256 is the digest in the log."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def save(connection: sa.Connection, question: str, key: str, priced: Priced, body: bytes) -> None:
    """Keep an answer, in the transaction that settles its question."""
    mechanism = "gaussian" if priced.loss.epsilon is None else "laplace"
    epsilon = _steps(priced.epsilon)
    _KEPT.run(connection, question=question, key=key, epsilon=epsilon, mechanism=mechanism, body=body)


def _steps(epsilon: Decimal) -> int:
    return int(epsilon / EPSILON_STEP)
