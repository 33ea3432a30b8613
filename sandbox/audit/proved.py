"""Every entry of the log, in order, proved: the leaves as they lie give the root that was signed.

One pass over all of them costs less than a proof of inclusion for each, and none can be hidden by the
columns by which entries are found.
"""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from sandbox.audit import merkle
from sandbox.audit.leaf import Entry, corrupt, decode, stamp, written_bytes
from sandbox.audit.note import Checkpoint
from sandbox.audit.tables import leaves

_PAGE = 500


def proved_entries(connection: sa.Connection, now: Checkpoint) -> Iterator[Entry]:
    """The entries that the checkpoint signs. Believe none of them before the last was given.

    Raises:
        SandboxError: LOG_CORRUPT.

    """
    edge: dict[tuple[int, int], bytes] = {}
    size = 0
    every = sa.select(leaves).order_by(leaves.c.seq).execution_options(yield_per=_PAGE)
    for row in connection.execute(every):
        leaf = written_bytes(row.leaf)
        entry = decode(size, leaf)
        if row.seq != size or _found_by(entry) != (row.time, row.kind, row.person, row.grant, row.question):
            raise corrupt(f"entry {size} is not found by what it says")
        for level, position, node in merkle.append(size, merkle.leaf_hash(leaf), lambda *place: edge[place]):
            edge[level, position] = node
            edge.pop((level - 1, position * 2), None)
            edge.pop((level - 1, position * 2 + 1), None)
        size += 1
        yield entry
    if size != now.size or merkle.root(size, lambda *place: edge[place]) != now.root:
        raise corrupt("its entries do not fit its checkpoint")


def _found_by(entry: Entry) -> tuple[str | None, ...]:
    grant, question = entry.facts.get("grant"), entry.facts.get("question")
    return (
        stamp(entry.time),
        entry.kind,
        entry.person,
        grant if isinstance(grant, str) else None,
        question if isinstance(question, str) else None,
    )
