"""The Merkle log inside the transactional store: append, receipts, proofs.

Rules
- Whoever appends holds the store's write lock and the transaction in which the event takes effect.
- Before a new root is signed, the stored tree must fit the stored checkpoint, and that one its
  signature: the log never signs over a past that was changed from outside.
- What a person wrote lies encrypted in `audit_secret` (see `sealed.py`); the leaf holds its commitment.
"""

from __future__ import annotations

import base64
import os
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sandbox.audit import leaf as leaf_format
from sandbox.audit import merkle
from sandbox.audit.event import Event
from sandbox.audit.leaf import corrupt, written_bytes
from sandbox.audit.note import Checkpoint, NoteError, VerifierKey
from sandbox.audit.prepared import Prepared
from sandbox.audit.sealed import Disclosure, Sealed, seal, unseal
from sandbox.audit.tables import checkpoints, leaves, nodes, secrets
from sandbox.errors import ErrorCode, SandboxError

_NOTE = Prepared(sa.select(checkpoints.c.note))
_NOTED = Prepared(checkpoints.update().values(note=sa.bindparam("after")))
_LEAF = Prepared(sa.select(leaves.c.leaf).where(leaves.c.seq == sa.bindparam("index")))
_NEW_LEAF = Prepared(leaves.insert())
_NEW_SECRET = Prepared(secrets.insert())
_NODE = Prepared(
    sa.select(nodes.c.hash).where(
        nodes.c.level == sa.bindparam("at_level"), nodes.c.position == sa.bindparam("at_position")
    )
)
_NEW_NODE = Prepared(nodes.insert())


@dataclass(frozen=True, slots=True)
class Appended:
    """A leaf at its place: its index (from 0), its receipt."""

    index: int
    receipt: Mapping[str, Any]


@dataclass(frozen=True)
class Log:
    """The log of one home: the key that signs it, its name, and the key (32 bytes) of what was written."""

    key: Ed25519PrivateKey = field(repr=False)
    origin: str
    secret_key: bytes = field(repr=False)
    # The newest note that was found to be signed by this key: the same text needs no second look.
    _opened: dict[str, Checkpoint] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def verifier(self) -> VerifierKey:
        """The public side of the log's key, under the log's name."""
        return VerifierKey.of(self.origin, self.key)

    def start(self, connection: sa.Connection) -> None:
        """Sign the empty tree."""
        empty = Checkpoint(self.origin, 0, merkle.EMPTY_ROOT)
        connection.execute(checkpoints.insert().values(id=1, note=empty.sign(self.key)))

    def checkpoint(self, connection: sa.Connection) -> tuple[str, Checkpoint]:
        """The newest signed checkpoint, as text and read.

        Raises:
            SandboxError: LOG_CORRUPT when it is absent or not signed by this log's key.

        """
        row = _NOTE.run(connection).fetchone()
        if row is None or not isinstance(row[0], str):
            raise corrupt("it has no checkpoint")
        note = row[0]
        known = self._opened.get(note)
        if known is not None:
            return note, known
        try:
            found = Checkpoint.open(note, self.verifier)
        except NoteError as error:
            raise corrupt(f"its checkpoint is not its own ({error})") from None
        return note, self._remembered(note, found)

    def check(self, connection: sa.Connection) -> tuple[Checkpoint, dict[tuple[int, int], bytes]]:
        """That the stored tree fits the signed checkpoint; gives the checkpoint and the tree's frontier.

        Raises:
            SandboxError: LOG_CORRUPT.

        """
        _, now = self.checkpoint(connection)
        edge = _edge(connection, now.size)
        if len(edge) != now.size.bit_count() or merkle.root(now.size, _from(edge)) != now.root:
            raise corrupt("its tree does not fit its checkpoint")
        return now, edge

    def append(self, connection: sa.Connection, event: Event) -> Appended:
        """Add one event and sign the new tree, within the caller's transaction.

        Raises:
            TypeError: a fact of a kind that the log does not keep.
            SandboxError: LOG_CORRUPT; REQUEST_TOO_LARGE, REQUEST_INVALID (see `leaf.encode`).

        """
        before, edge = self.check(connection)
        index, size = before.size, before.size + 1
        sealed = None if event.secret is None else seal(self.secret_key, event.secret)
        commitment = None if sealed is None else sealed.commitment
        time = datetime.now(UTC)
        nonce = os.urandom(leaf_format.NONCE_BYTES)
        leaf = leaf_format.encode(event, index, time, nonce, commitment)
        try:
            _NEW_LEAF.run(connection, seq=index, leaf=leaf, **_columns(event, time))
        except sqlite3.IntegrityError:
            raise corrupt("there is an entry behind its last one") from None
        if sealed is not None:
            _NEW_SECRET.run(connection, seq=index, nonce=sealed.nonce, sealed=sealed.ciphertext)
        proof = [edge[place] for place in reversed(merkle.frontier(index))]
        completed = merkle.append(index, merkle.leaf_hash(leaf), _from(edge))
        _NEW_NODE.run_each(
            connection,
            ({"level": level, "position": position, "hash": found} for level, position, found in completed),
        )
        edge |= {(level, position): found for level, position, found in completed}
        now = Checkpoint(self.origin, size, merkle.root(size, _from(edge)))
        after = now.sign(self.key)
        _NOTED.run(connection, after=after)
        self._remembered(after, now)
        return Appended(index, self._receipt(index, leaf, proof, after))

    def receipt(self, connection: sa.Connection, index: int) -> Mapping[str, Any]:
        """The receipt of an entry under the newest checkpoint (JSON-able; see `verify_bundle`).

        Raises:
            SandboxError: NOT_FOUND, LOG_CORRUPT.

        """
        note, now = self.checkpoint(connection)
        leaf = _leaf(connection, index)
        if index >= now.size:
            raise corrupt(f"entry {index} lies beyond its checkpoint")
        proof = merkle.inclusion_proof(index, now.size, lambda *place: _node(connection, *place))
        if not merkle.verify_inclusion(merkle.leaf_hash(leaf), index, now.size, proof, now.root):
            raise corrupt(f"entry {index} does not fit its tree")
        return self._receipt(index, leaf, proof, note)

    def consistency_proof(self, connection: sa.Connection, first: int) -> tuple[str, list[bytes]]:
        """The newest signed checkpoint, and the proof that its tree begins with the first `first` leaves.

        Raises:
            SandboxError: ARGUMENT when the log is shorter than `first`; LOG_CORRUPT.

        """
        note, now = self.checkpoint(connection)
        if not 0 <= first <= now.size:
            raise SandboxError(
                ErrorCode.ARGUMENT,
                f"The log has {now.size} entries; there is nothing to prove from {first}.",
                "Give the size of a checkpoint that this log signed.",
            )
        return note, merkle.consistency_proof(first, now.size, lambda *place: _node(connection, *place))

    def disclose(self, connection: sa.Connection, index: int) -> Disclosure:
        """What a person wrote in one entry, checked against the commitment in its leaf.

        Raises:
            SandboxError: NOT_FOUND when the entry does not exist or holds nothing that can be
                disclosed; LOG_CORRUPT when the text does not fit its leaf.

        """
        commitment = leaf_format.decode(index, _leaf(connection, index)).commitment
        row = connection.execute(sa.select(secrets).where(secrets.c.seq == index)).one_or_none()
        if commitment is None or row is None:
            raise SandboxError(
                ErrorCode.NOT_FOUND,
                f"Entry {index} of the log holds no text to disclose.",
                "Only entries of questions hold one.",
            )
        found = unseal(
            self.secret_key, Sealed(commitment, written_bytes(row.nonce), written_bytes(row.sealed))
        )
        if found is None:
            raise corrupt(f"the text of entry {index} does not fit its commitment")
        return found

    def _remembered(self, note: str, checkpoint: Checkpoint) -> Checkpoint:
        self._opened.clear()
        self._opened[note] = checkpoint
        return checkpoint

    def _receipt(self, index: int, leaf: bytes, proof: Sequence[bytes], note: str) -> Mapping[str, Any]:
        return {
            "v": 1,
            "index": index,
            "leaf": _base64(leaf),
            "proof": [_base64(part) for part in proof],
            "checkpoint": note,
            "key": str(self.verifier),
        }


def _columns(event: Event, time: datetime) -> dict[str, str | None]:
    grant, question = event.facts.get("grant"), event.facts.get("question")
    return {
        "time": leaf_format.stamp(time),
        "kind": event.kind.value,
        "person": event.actor.id,
        "grant": grant if isinstance(grant, str) else None,
        "question": question if isinstance(question, str) else None,
    }


def _edge(connection: sa.Connection, size: int) -> dict[tuple[int, int], bytes]:
    return {place: _node(connection, *place) for place in merkle.frontier(size)}


def _from(edge: Mapping[tuple[int, int], bytes]) -> merkle.Lookup:
    return lambda level, position: edge[level, position]


def _node(connection: sa.Connection, level: int, position: int) -> bytes:
    found = _NODE.run(connection, at_level=level, at_position=position).fetchone()
    if found is None:
        raise corrupt("a node of its tree is missing")
    return written_bytes(found[0])


def _leaf(connection: sa.Connection, index: int) -> bytes:
    found = _LEAF.run(connection, index=index).fetchone()
    if found is None:
        raise SandboxError(
            ErrorCode.NOT_FOUND,
            f"The log has no entry {index}.",
            "Entries count from 0; see them with `sandbox audit show`.",
        )
    return written_bytes(found[0])


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
