"""Stored answers: the same question asked again costs nothing, because it returns the same answer.

Same: the same normalised question (names that it gives apart) over the same versions of the data, asked by
the same grant (or by any grant, where every policy shares answers), for no more epsilon than the stored
answer was paid with.

The log vouches for what is kept: the entry that settled a question has the digest of its answer, and a code
of the whole line, which only this home can make. Where it has none, an older release kept the answer, and the
question is asked anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa
import sqlalchemy as sa

from sandbox.audit.event import EventKind, Fact
from sandbox.audit.leaf import altered
from sandbox.audit.prepared import Prepared
from sandbox.audit.store import Store, metadata
from sandbox.catalog.model import TableVersion
from sandbox.errors import SandboxError
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
    sa.select(answers_table)
    .where(answers_table.c.key == sa.bindparam("same"), answers_table.c.epsilon >= sa.bindparam("least"))
    .order_by(answers_table.c.epsilon.desc(), answers_table.c.question)
)
_KEPT = Prepared(answers_table.insert())


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer that was paid for with `epsilon`; `body` is one Arrow stream of columns and half-widths.

    `key`: see `key_of`.
    """

    question: str
    key: str
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
    """The stored answer of this key that was paid with at least `epsilon`, the dearest first.

    Raises:
        SandboxError: STORAGE_CORRUPT, LOG_CORRUPT: it is not the answer that was paid for.

    """
    with store.read() as connection:
        rows = _FOUND.run(connection, same=key, least=_steps(epsilon)).fetchall()
    found = [stored_answer(*row) for row in rows]
    return next((known for known in found if as_settled(store, known) is not None), None)


def stored_answer(
    question: object, key: object, epsilon: object, mechanism: object, body: object
) -> StoredAnswer:
    """A line of `answers_table`.

    Raises:
        SandboxError: STORAGE_CORRUPT when it is not of the form in which it was written.

    """
    if not (isinstance(question, str) and isinstance(key, str) and isinstance(mechanism, str)):
        raise not_as_given()
    if not (isinstance(epsilon, int) and isinstance(body, bytes)):
        raise not_as_given()
    return StoredAnswer(question, key, epsilon * EPSILON_STEP, mechanism, body)


def line_of(store: Store, answer: StoredAnswer) -> str:
    """The code of everything that is kept of an answer, for the entry that settles its question."""
    steps = str(_steps(answer.epsilon))
    return store.authenticated("answer", answer.question, answer.key, steps, answer.mechanism, answer.digest)


def as_settled(store: Store, known: StoredAnswer) -> Mapping[str, Fact] | None:
    """The facts of the proved entry that settled the question of a stored answer, if that is as it was.

    Returns:
        None where an older release kept it, whose entry does not vouch for the whole line.

    Raises:
        SandboxError: STORAGE_CORRUPT, LOG_CORRUPT: it is not the answer that was paid for.

    """
    kinds = [EventKind.QUESTION_SETTLED.value]
    entry = next(store.entries(kinds=kinds, question=known.question), None)
    if entry is None or entry.facts.get("answer_digest") != known.digest:
        raise not_as_given()
    store.receipt(entry.index)
    if "line" not in entry.facts:
        return None
    if entry.facts["line"] != line_of(store, known):
        raise not_as_given()
    return entry.facts


def not_as_given() -> SandboxError:
    """The error of a stored answer, or its cells, that the log does not vouch for."""
    return altered("A stored answer is not the one that the log says was given.")


def encode(table: pa.Table) -> bytes:
    """The answer as one Arrow stream; its SHA-256 is the digest in the log."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def paid_answer(question: str, key: str, priced: Priced, body: bytes) -> StoredAnswer:
    """An answer that is about to be kept."""
    mechanism = "gaussian" if priced.loss.epsilon is None else "laplace"
    return StoredAnswer(question, key, priced.epsilon, mechanism, body)


def save(connection: sa.Connection, answer: StoredAnswer) -> None:
    """Keep an answer, in the transaction that settles its question."""
    _KEPT.run(
        connection,
        question=answer.question,
        key=answer.key,
        epsilon=_steps(answer.epsilon),
        mechanism=answer.mechanism,
        body=answer.body,
    )


def _steps(epsilon: Decimal) -> int:
    return int(epsilon / EPSILON_STEP)
