"""Every entry of the log, in order, proved: the leaves as they lie give the root that was signed.

One pass over all of them costs less than a proof of inclusion for each, and none can be hidden by the
columns by which entries are found. Entries that were proved before are not taken one by one again: their
bytes, and the columns beside them, have the digests that they had, and the tree is built on from theirs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from sandbox.audit import merkle
from sandbox.audit.database import scanned
from sandbox.audit.leaf import Entry, corrupt, decode, stamp, written_bytes
from sandbox.audit.note import Checkpoint

_PAGE = 500

# The length tells where each leaf ends; JSON tells a text from a number and from nothing, and holds no bytes.
_EVERY = (
    'SELECT leaf, json_array(seq, length(leaf), time, kind, person, "grant", question)'
    " FROM audit_leaf NOT INDEXED ORDER BY seq"
)
_EMPTY = hashlib.sha256().hexdigest()


@dataclass(frozen=True, slots=True)
class Prefix:
    """The first `size` entries, proved.

    Attributes:
        edge: the complete subtrees that make up their tree, by level and position.
        leaves: SHA-256 of all leaves, in hex.
        columns: SHA-256 of what lies beside them.

    """

    size: int = 0
    edge: Mapping[tuple[int, int], bytes] = field(default_factory=dict)
    leaves: str = _EMPTY
    columns: str = _EMPTY

    def as_json(self) -> list[Any]:
        """All of it, as JSON has it."""
        edge = [[level, position, node.hex()] for (level, position), node in sorted(self.edge.items())]
        return [self.size, edge, self.leaves, self.columns]

    @classmethod
    def of_json(cls, said: Sequence[Any]) -> Prefix:
        """The inverse of `as_json`."""
        size, edge, leaves, columns = said
        nodes = {(level, position): bytes.fromhex(node) for level, position, node in edge}
        return cls(size, nodes, leaves, columns)


def prove(connection: sa.Connection, now: Checkpoint, known: Prefix, take: Callable[[Entry], None]) -> Prefix:
    """Prove that the log is what `now` signs, and give `take` each entry behind those that are known.

    Returns:
        all of its entries. Before, none of what was taken is to be believed.

    Raises:
        SandboxError: LOG_CORRUPT.

    """
    found = _Pass(known)
    try:
        for rows in scanned(connection, _EVERY, _PAGE):
            found.take(rows, take)
    except ValueError:
        raise corrupt("a value has another type than the one written") from None
    return found.ended(now)


class _Pass:
    """One pass over the entries as they lie."""

    def __init__(self, known: Prefix) -> None:
        self._known = known
        self._edge = dict(known.edge)
        self._size = 0
        self._leaves, self._columns = hashlib.sha256(), hashlib.sha256()

    def take(self, rows: Sequence[tuple[Any, str]], take: Callable[[Entry], None]) -> None:
        """Take the next rows: leaf, and columns as JSON."""
        old = rows[: max(0, self._known.size - self._size)]
        if old:
            self._hash(old)
            self._size += len(old)
            self._check_known()
        new = rows[len(old) :]
        for leaf, columns in new:
            entry = decode(self._size, written_bytes(leaf))
            if json.loads(columns) != [self._size, len(leaf), *_found_by(entry)]:
                raise corrupt(f"entry {self._size} is not found by what it says")
            self._add(merkle.leaf_hash(leaf))
            take(entry)
        if new:
            self._hash(new)

    def ended(self, now: Checkpoint) -> Prefix:
        """All of them, if they are what is signed."""
        whole = self._known.size <= self._size == now.size
        if not whole or merkle.root(self._size, lambda *place: self._edge[place]) != now.root:
            raise corrupt("its entries do not fit its checkpoint")
        return Prefix(self._size, self._edge, self._leaves.hexdigest(), self._columns.hexdigest())

    def _hash(self, rows: Sequence[tuple[Any, str]]) -> None:
        leaves, columns = zip(*rows, strict=True)
        try:
            self._leaves.update(b"".join(leaves))
        except TypeError:
            raise corrupt("a value has another type than the one written") from None
        self._columns.update("".join(columns).encode())

    def _check_known(self) -> None:
        digests = self._leaves.hexdigest(), self._columns.hexdigest()
        if self._size == self._known.size and digests != (self._known.leaves, self._known.columns):
            raise corrupt("its older entries are not those that were proved")

    def _add(self, leaf: bytes) -> None:
        edge = self._edge
        for level, position, node in merkle.append(self._size, leaf, lambda *place: edge[place]):
            edge[level, position] = node
            edge.pop((level - 1, position * 2), None)
            edge.pop((level - 1, position * 2 + 1), None)
        self._size += 1


def _found_by(entry: Entry) -> tuple[str | None, ...]:
    grant, question = entry.facts.get("grant"), entry.facts.get("question")
    return (
        stamp(entry.time),
        entry.kind,
        entry.person,
        grant if isinstance(grant, str) else None,
        question if isinstance(question, str) else None,
    )
