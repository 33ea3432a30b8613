"""Which hot tables there are, who uses them, and how much memory they take."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import duckdb

from sandbox.catalog.model import TableVersion
from sandbox.vault.hot_table import HotTable, compress, drop, memory


class Held:
    """The tables of one hot store; methods may be called by any thread, but for those said otherwise.

    Args:
        engine: in which the tables are.

    Attributes:
        guard: of all fields of the tables; notified when a lease ends.
        tables: by `TableVersion.id`.
        replaced: tables that nobody will lease again, until their leases end.
        growing: the table that is being filled.

    """

    def __init__(self, engine: duckdb.DuckDBPyConnection) -> None:
        self.guard = threading.Condition(threading.RLock())
        self.tables: dict[str, HotTable] = {}
        self.replaced: list[HotTable] = []
        self.growing: HotTable | None = None
        self._engine = engine
        self._tick = 0

    def has(self, version: TableVersion, columns: frozenset[str]) -> bool:
        """Whether all these columns of a version are held."""
        with self.guard:
            table = self.tables.get(version.id)
            return table is not None and columns <= set(table.columns)

    def pinned(self, version: str) -> HotTable:
        """The table of `TableVersion.id`, which then stays until it is unpinned."""
        with self.guard:
            table = self.tables[version]
            self._tick += 1
            table.used = self._tick
            table.pins += 1
            return table

    def unpin(self, tables: Iterable[HotTable]) -> None:
        """End one use of each of these."""
        with self.guard:
            for table in tables:
                table.pins -= 1
            self.guard.notify_all()

    def size(self) -> int:
        """Bytes that all of them take, and what questions still hold of former ones."""
        with self._engine.cursor() as cursor:
            return memory(cursor)

    def loose(self) -> list[HotTable]:
        """What is not compressed yet, least recently used first."""
        with self.guard:
            return sorted((t for t in self.tables.values() if t.loose), key=lambda table: table.used)

    # What follows is for the one thread that fills, compresses or drops.

    def put(self, table: HotTable) -> None:
        """Let `table` be leased, in place of what is held of the same version."""
        with self.guard:
            self.give_up(table.version)
            self.tables[table.version] = table

    def give_up(self, version: str) -> None:
        """Lease no more the table of `TableVersion.id`, if there is one; what leases it ends first."""
        with self.guard:
            table = self.tables.pop(version, None)
            if table is not None:
                self.replaced.append(table)

    def compress(self, table: HotTable) -> None:
        """Compress a table that is held; one that cannot be is given up."""
        if self.tables.get(table.version) is not table:
            return  # It went meanwhile.
        size = table.size
        try:
            compress(self._engine, table)
        except duckdb.Error:
            self.give_up(table.version)
            return
        with self.guard:
            known = (*self.tables.values(), *self.replaced, *([] if self.growing is None else [self.growing]))
            others = sum(other.size for other in known if other is not table)
            # DuckDB tells memory of all databases together. While a question that began before holds what was
            # there, the table counts as large as it was; there is more to be had when it has ended.
            table.size = max(0, min(size, self.size() - others))
            table.loose = table.pins > 0

    def evict(self) -> bool:
        """Drop the table that was used least recently of those that nobody uses; False if there is none."""
        with self.guard:
            idle = [table for table in self.tables.values() if not table.pins]
            if not idle:
                return False
            victim = min(idle, key=lambda table: table.used)
            drop(self._engine, self.tables.pop(victim.version))
            return True

    def drop_replaced(self) -> None:
        """Give back the memory of replaced tables that nobody uses any more."""
        with self.guard:
            for table in [table for table in self.replaced if not table.pins]:
                drop(self._engine, table)
                self.replaced.remove(table)
