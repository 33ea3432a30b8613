"""The catalog is what the log says it is: replayed from the signed entries when a home is opened.

Each load, roll-back and drop stands in the log with the digests of its files and a commitment to all else. So
lines of the catalog that were put back, altered, added or removed are noticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.audit.digest import tables_digest
from sandbox.audit.event import EventKind
from sandbox.audit.leaf import Entry, altered
from sandbox.audit.store import Store
from sandbox.catalog.line import lines
from sandbox.catalog.store import Catalog, checked_keys, chosen, dropped, quarantines, versions
from sandbox.catalog.watermark import watermarks

KINDS = frozenset(
    kind.value
    for kind in (EventKind.DATASET_LOADED, EventKind.DATASET_ROLLED_BACK, EventKind.VERSIONS_DROPPED)
)
_TABLES = (versions, chosen, dropped, quarantines, checked_keys, lines, watermarks)
Files = frozenset[tuple[str, str]]


@dataclass(slots=True)
class _Said:
    """What the log says of one table."""

    files: dict[int, Files] = field(default_factory=dict)
    current: int | None = None
    dropped: set[int] = field(default_factory=set)
    lines: dict[int, str] = field(default_factory=dict)

    def take(self, entry: Entry) -> None:
        facts = entry.facts
        if entry.kind == EventKind.VERSIONS_DROPPED.value:
            numbers = facts["versions"]
            assert isinstance(numbers, list)  # noqa: S101 - as it was written
            self.dropped |= {number for number in numbers if isinstance(number, int)}
            self.current = None if self.current in self.dropped else self.current
            return
        number = facts["version"]
        assert isinstance(number, int)  # noqa: S101 - as it was written
        self.current = number
        if entry.kind == EventKind.DATASET_LOADED.value:
            self.files[number] = _files(facts["files"])
            if "line" in facts:  # not in entries that older releases wrote
                self.lines[number] = str(facts["line"])


class CatalogProof:
    """Takes the proved entries of its kinds, one by one; then `check`."""

    kinds = KINDS

    def __init__(self, store: Store) -> None:
        self._store = store
        self._catalog = Catalog(store)
        self._said: dict[tuple[str, str], _Said] = {}

    def take(self, entry: Entry) -> None:
        """Take the next entry."""
        name = str(entry.facts["dataset"]), str(entry.facts["table"])
        self._said.setdefault(name, _Said()).take(entry)

    def digest(self) -> str:
        """Of all that the catalog holds.

        Raises:
            SandboxError: STORAGE_CORRUPT when it is not found as it lies there.
            ValueError: a value that was not written here.

        """
        with self._store.read() as connection:
            return tables_digest(connection, _TABLES)

    def check(self) -> None:
        """That versions, all that is kept of them, which is current and which were dropped are as logged.

        Raises:
            SandboxError: STORAGE_CORRUPT, naming the table.

        """
        for dataset, table in sorted(self._said.keys() | set(self._catalog.names())):
            self._check(dataset, table)

    def _check(self, dataset: str, table: str) -> None:
        logged = self._said.get((dataset, table), _Said())
        states = self._catalog.states(dataset, table)
        files = {
            state.version.version: frozenset((file.path, file.digest) for file in state.version.all_files)
            for state in states
        }
        current = next((state.version.version for state in states if state.current), None)
        gone = {state.version.version for state in states if state.dropped_at is not None}
        kept = files, current, gone, self._catalog.lines(dataset, table)
        if kept != (logged.files, logged.current, logged.dropped, logged.lines):
            raise altered(
                f"The catalog's lines on {dataset}.{table} are not what the log says was committed."
            )


def _files(said: object) -> Files:
    found = said if isinstance(said, list) else []
    return frozenset((str(one["path"]), str(one["sha256"])) for one in found if isinstance(one, Mapping))
