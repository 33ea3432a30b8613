"""Reading the log in the store: which entries are wanted, page by page."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from sandbox.audit.database import scanned
from sandbox.audit.event import EventKind
from sandbox.audit.leaf import MOST_BYTES, Entry, corrupt, decode, stamp, written_bytes
from sandbox.audit.tables import leaves

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries to read: all conditions hold together; None or empty means any.

    `since` and `until` are aware times, both inclusive. `dataset` fits an entry whose facts name it.
    """

    kinds: Sequence[str] = ()
    person: str | None = None
    grant: str | None = None
    question: str | None = None
    dataset: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    newest_first: bool = False


def page(connection: sa.Connection, wanted: Wanted, after: int | None) -> tuple[list[Entry], int | None]:
    """The next few entries after the one at index `after` (None: from the start), in the order wanted.

    Returns:
        the entries, and the `after` of the next page (None: there is no more).

    """
    query = sa.select(leaves.c.seq, leaves.c.leaf)
    for column, value in (
        (leaves.c.person, wanted.person),
        (leaves.c.grant, wanted.grant),
        (leaves.c.question, wanted.question),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.kinds:
        query = query.where(leaves.c.kind.in_(wanted.kinds))
    if wanted.since is not None:
        query = query.where(leaves.c.time >= stamp(wanted.since))
    if wanted.until is not None:
        query = query.where(leaves.c.time <= stamp(wanted.until))
    if after is not None:
        query = query.where(leaves.c.seq < after if wanted.newest_first else leaves.c.seq > after)
    order = leaves.c.seq.desc() if wanted.newest_first else leaves.c.seq
    rows = connection.execute(query.order_by(order).limit(_PAGE)).all()
    found = [decode(seq, written_bytes(leaf)) for seq, leaf in rows]
    if wanted.dataset is not None:
        found = [entry for entry in found if _names(entry, wanted.dataset)]
    return found, rows[-1].seq if len(rows) == _PAGE else None


def all_leaves(connection: sa.Connection) -> Iterator[bytes]:
    """Every leaf in order, streamed.

    Raises:
        SandboxError: LOG_CORRUPT when one is not what this log writes.

    """
    rows = connection.execution_options(yield_per=_PAGE).execute(
        sa.select(leaves.c.leaf).order_by(leaves.c.seq)
    )
    for row in rows:
        leaf = written_bytes(row.leaf)
        if len(leaf) > MOST_BYTES:
            raise corrupt("an entry is longer than an entry can be")
        yield leaf


def all_of(connection: sa.Connection, kinds: Collection[str]) -> Iterator[Entry]:
    """Every entry of these kinds, in order, whatever the indexes say.

    Raises:
        SandboxError: LOG_CORRUPT when one is not what this log writes.

    """
    among = ", ".join(f"'{EventKind(kind).value}'" for kind in sorted(kinds))
    query = f"SELECT seq, leaf FROM audit_leaf NOT INDEXED WHERE kind IN ({among}) ORDER BY seq"
    for rows in scanned(connection, query):
        for seq, leaf in rows:
            yield decode(seq, written_bytes(leaf))


def _names(entry: Entry, dataset: str) -> bool:
    several = entry.facts.get("datasets")
    return entry.facts.get("dataset") == dataset or (isinstance(several, list) and dataset in several)
