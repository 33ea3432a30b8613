"""Warming: likely columns are decrypted before anyone asks, by a thread of the process that serves.

The same thread compresses what questions had decrypted, for which they do not wait.

Rules
- Into free memory only, up to `warm_share` of the hot store; nothing is evicted for it.
- A question that needs to decrypt comes first: warming gives up the table at hand and tries again later.
- It begins when the service starts, and again when a table has another current version or another policy.
- Likely is what a policy lets questions read: of protected tables the columns that may be joined, filtered,
  grouped or summed, but for free text; of open tables all that may be shown. It looks at no question or row.
- What cannot be warmed (no room, a damaged file) is left to the question that asks for it, which is told.
"""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import Self

from sandbox.catalog.model import NUMBER_COLUMN, RANK_COLUMN, UNIT_COLUMN, TableVersion
from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.types import ColumnPolicy, Kind, Setting, TablePolicy, Use
from sandbox.service.home import Home

LOG = logging.getLogger(__name__)
EVERY_SECONDS = 15.0
_OWN = (UNIT_COLUMN, RANK_COLUMN, NUMBER_COLUMN)


class Warming:
    """Warms and compresses the hot store of a home in the background while this context is open."""

    def __init__(self, home: Home, every: float = EVERY_SECONDS) -> None:
        self._home = home
        self._every = every
        self._stop = threading.Event()
        self._done: set[tuple[str, str]] = set()
        self._thread = threading.Thread(target=self._run, name="warming", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._home.hot.loosened.set()
        self._thread.join()

    def _run(self) -> None:
        loosened = self._home.hot.loosened
        while not self._stop.is_set():
            loosened.clear()
            try:
                self._home.hot.compress(self._stop.is_set)
                if self._home.settings.warm_share > 0:
                    self._round()
            except Exception as error:  # The service goes on without: nothing depends on what is warm.
                LOG.warning("warming paused: %s", type(error).__name__)
            if not self._stop.is_set():
                loosened.wait(self._every)

    def _round(self) -> None:
        """Every table once, the smallest first: most tables are warm soonest."""
        found: list[tuple[int, TableVersion, str, tuple[str, ...]]] = []
        for dataset, policy in self._home.registry.snapshot().policies.items():
            if Setting.QUERY not in policy.content.settings:
                continue
            for table, rules in policy.content.tables.items():
                version = self._home.catalog.current(dataset, table)
                if version is not None and (version.id, policy.digest) not in self._done:
                    columns = likely_columns(version, rules, self._home.hot.grades)
                    found.append((sum(f.size for f in version.files), version, policy.digest, columns))
        for _, version, digest, columns in sorted(found, key=lambda one: (one[0], one[1].id)):
            if self._stop.is_set():
                return
            if self._warmed(version, columns):
                self._done.add((version.id, digest))

    def _warmed(self, version: TableVersion, columns: tuple[str, ...]) -> bool:
        """Whether nothing is left to do: they are held, or cannot be. Fewer columns if all have no room."""
        while columns:
            try:
                share = self._home.settings.warm_share
                return self._home.hot.warm(version, columns, share, self._stop.is_set)
            except SandboxError as error:
                if error.code is not ErrorCode.STORAGE_BUDGET:
                    LOG.warning("%s was not warmed: %s", version.id, error.code.value)
                    return True
                columns = columns[: len(columns) // 2]
        return True


def likely_columns(version: TableVersion, rules: TablePolicy, grades: frozenset[str]) -> tuple[str, ...]:
    """The columns that questions may read of a version, most likely first, as far as `grades` are held."""
    readable = {column.name for column in version.columns if column.grade in grades}
    protected = rules.protection == "protected"
    wanted = [
        name
        for name, column in rules.columns.items()
        if name in readable and (_asked(column) if protected else column.use > Use.HIDDEN)
    ]
    wanted.sort(key=lambda name: -rules.columns[name].use)
    own = _OWN if protected and UNIT_COLUMN in readable else ()
    return (*own, *wanted)


def _asked(column: ColumnPolicy) -> bool:
    free = column.type is Kind.TEXT and not column.values and column.use > Use.JOIN_ONLY
    return column.use >= Use.JOIN_ONLY and not free
