"""The published files are those that the log says: an older policy that was put back is noticed.

The order in which files were published, and the digest of each, stand in the log; the bytes are compared with
their digest whenever they are read.
"""

from __future__ import annotations

from sandbox.audit.leaf import Entry, altered
from sandbox.audit.store import Store
from sandbox.policy.registry import EVENTS, publications, publications_digest

_KINDS = {event.value: (kind, key) for kind, (event, key) in EVENTS.items()}


class FilesProof:
    """Takes the proved entries of its kinds, one by one; then `check`."""

    kinds = frozenset(_KINDS)

    def __init__(self, store: Store) -> None:
        self._store = store
        self._published: list[tuple[str, str]] = []

    def take(self, entry: Entry) -> None:
        """Take the next entry."""
        kind, key = _KINDS[entry.kind]
        name = kind.value if key is None else str(entry.facts[key])
        self._published.append((f"{kind.value} {name}", str(entry.facts["digest"])))

    def digest(self) -> str:
        """Of which files are published; their bytes have their own digests, compared whenever they are read.

        Raises:
            SandboxError: STORAGE_CORRUPT when they are not found as they lie there.
            ValueError: a value that was not written here.

        """
        with self._store.read() as connection:
            return publications_digest(connection)

    def check(self) -> None:
        """Compare.

        Raises:
            SandboxError: STORAGE_CORRUPT.

        """
        with self._store.read() as connection:
            kept = publications(connection)
        if kept != self._published:
            raise altered("The published policies and grants in the store are not those that the log says.")
