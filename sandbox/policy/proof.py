"""The published files are those that the log says: an older policy that was put back is noticed.

The order in which files were published, and the digest of each, stand in the log; the bytes are compared with
their digest whenever they are read.
"""

from __future__ import annotations

from sandbox.audit.leaf import Entry, altered
from sandbox.audit.store import Store
from sandbox.policy.registry import EVENTS, publications

_KINDS = {event.value: (kind, key) for kind, (event, key) in EVENTS.items()}


class FilesProof:
    """Takes the proved entries of the log, one by one; then `check`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._published: list[tuple[str, str]] = []

    def take(self, entry: Entry) -> None:
        """Take the next entry."""
        if entry.kind in _KINDS:
            kind, key = _KINDS[entry.kind]
            name = kind.value if key is None else str(entry.facts[key])
            self._published.append((f"{kind.value} {name}", str(entry.facts["digest"])))

    def check(self) -> None:
        """Compare.

        Raises:
            SandboxError: STORAGE_CORRUPT.

        """
        with self._store.read() as connection:
            kept = publications(connection)
        if kept != self._published:
            raise altered("The published policies and grants in the store are not those that the log says.")
