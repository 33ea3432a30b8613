"""The hot store: decrypted columns in memory, for as long as they are asked for.

Rules
- Only the columns that someone needs are decrypted; they lie compressed in a locked in-memory engine,
  in stored order (clustered by privacy unit), and never reach a disk.
- Who waits for columns gets them as they were decrypted: compressing takes longer than all the rest. That
  is done later, by whoever has nothing else to do (`compress`), or at once where memory is wanted.
- All hot tables together stay within a budget: what is loose is compressed first, then what was used least
  recently goes. What a lease uses stays until the lease ends.
- A further column of a table that is held is decrypted alone and put beside the others.
- `__number` can be asked for where there is `__unit`, from which it is made.
- One load at a time; questions over what is held never wait for it.
- Warming decrypts before anyone asks, into free memory only: it evicts nothing, and gives up what it is at
  as soon as a question needs to decrypt.
- What does not fit the budget fails a question with the engine's one fixed error: that it did not fit
  tells how large the data is. An operator, who warms the store, is told the reason.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from sandbox.catalog.model import NUMBER_COLUMN, UNIT_COLUMN, TableVersion
from sandbox.errors import ErrorCode, SandboxError
from sandbox.vault.encrypted_file import storage_corrupt
from sandbox.vault.engine import open_engine, question_failed
from sandbox.vault.held import Held
from sandbox.vault.hot_table import HotTable, can_grow, compress, drop, fill
from sandbox.vault.keyring import GRADES, Grade, Keyring
from sandbox.vault.lease import Lease
from sandbox.vault.parquet import read_batches
from sandbox.vault.unit_numbers import UnitNumbers

MIB = 1024 * 1024
PATIENCE_SECONDS = 60.0
# A table that takes more of the budget is compressed while it is read: memory should hold many.
LOOSE_SHARE = 0.25
Needs = Mapping[TableVersion, frozenset[str]]


class OverBudgetError(Exception):
    """The tables do not fit the budget. Never leaves the hot store.

    `alone`: one of them does not fit by itself, so that there is no use in trying again.
    """

    def __init__(self, *, alone: bool) -> None:
        super().__init__()
        self.alone = alone


class GaveWayError(Exception):
    """Warming stopped for a question, or because it was told to. Never leaves the hot store."""


@dataclass(frozen=True, slots=True)
class _Warming:
    """How far warming may go: bytes of all hot tables together, and whether it should stop now."""

    most: int
    stop: Callable[[], bool]


class HotStore:
    """Decrypted columns of many tables; threads share it.

    Args:
        home: folder of the instance.
        keyring: open keyring.
        budget_mb: most memory for hot tables, in MiB.
        engine_memory_mb: memory for running questions and loading, on top of the budget, in MiB.
        threads: of the engine; 0 means one per core.
        grades: key classes that it reads; a column of another class is refused with KEY_REFUSED.

    Attributes:
        loosened: set when a lease ends over tables that `compress` would make smaller; a waiter clears it.

    """

    def __init__(
        self,
        home: Path,
        keyring: Keyring,
        budget_mb: int,
        engine_memory_mb: int,
        threads: int,
        grades: Collection[Grade] = GRADES,
    ) -> None:
        self.grades = frozenset(grades)
        self.loosened = threading.Event()
        self._home = home
        self._keyring = keyring
        self._budget_mb = budget_mb
        # Compressing needs memory for both forms, on top of a budget that may be full.
        self._most_loose = int(min(budget_mb, engine_memory_mb) * MIB * LOOSE_SHARE)
        self._engine = open_engine(budget_mb + engine_memory_mb, threads)
        self._held = Held(self._engine)
        self._guard = self._held.guard
        self._one_load = threading.Lock()
        self._too_large: set[tuple[str, frozenset[str]]] = set()
        self._mine: list[HotTable] = []
        self._made = 0
        self._waiting = 0
        self._warming: _Warming | None = None

    @contextmanager
    def lease(self, needs: Needs) -> Iterator[Lease]:
        """Hold these columns of these versions in memory, decrypting what is missing.

        Raises:
            SandboxError: STORAGE_CORRUPT (names the file); QUESTION_FAILED (does not fit the memory);
                SERVICE_BUSY (others hold the memory for too long); KEYS_ROTATED.
            KeyError: a version has no such column.

        """
        try:
            tables = self._acquire(needs)
        except (OverBudgetError, duckdb.Error, MemoryError) as error:
            raise question_failed(error) from None
        try:
            yield Lease(self._engine, tables)
        finally:
            self._release(tables.values())

    def warm(
        self,
        version: TableVersion,
        columns: Collection[str],
        share: float = 1.0,
        stop: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Decrypt columns before anyone asks, unless that would disturb who does.

        Args:
            version: from the catalog.
            columns: at least one.
            share: part of the budget that hot tables may take afterwards, at most.
            stop: asked between pieces; True gives up.

        Returns:
            Whether they are held now; False if it gave way, so that it may be tried again later.

        Raises:
            SandboxError: STORAGE_BUDGET (for the operator: it says the budget); else as `lease`.

        """
        wanted = frozenset(columns)
        if self._held.has(version, wanted):
            return True
        if stop() or not self._one_load.acquire(blocking=False):
            return False
        try:
            self._warming = _Warming(int(self._budget_mb * MIB * share), stop)
            table = self._mine_or_loaded(version, wanted)
        except GaveWayError:
            return False
        except (OverBudgetError, duckdb.Error, MemoryError):
            raise SandboxError(
                ErrorCode.STORAGE_BUDGET,
                f"The columns of {version.dataset}.{version.table} do not fit the hot store "
                f"of {self._budget_mb} MiB.",
                "Give SANDBOX_HOT_STORE_MB and SANDBOX_ENGINE_MEMORY_MB more, or warm fewer columns.",
            ) from None
        else:
            self._held.unpin([table])
            return True
        finally:
            self._warming = None
            self._mine.clear()
            self._held.drop_replaced()
            self._one_load.release()

    def compress(self, stop: Callable[[], bool] = lambda: False) -> bool:
        """Compress what was decrypted while somebody waited for it, one table after the other.

        Questions over them run on meanwhile; one that needs to decrypt comes first.

        Args:
            stop: asked between tables; True gives up.

        Returns:
            Whether all are compressed; False if it gave way, so that it may be tried again later.

        """
        for table in self._held.loose():
            if stop() or self._waiting or not self._one_load.acquire(blocking=False):
                return False
            try:
                self._held.compress(table)
            finally:
                self._held.drop_replaced()
                self._one_load.release()
        return True

    def forget(self, version: str) -> None:
        """Give the memory of `TableVersion.id` back; a lease that uses it ends first."""
        with self._one_load:
            self._held.give_up(version)
            self._held.drop_replaced()

    def held_bytes(self) -> int:
        """Memory of all hot tables, in bytes. For the operator: it tells how large the data is."""
        return self._held.size()

    def close(self) -> None:
        """Give all memory back. No lease may be open."""
        self._engine.close()

    def _acquire(self, needs: Needs) -> dict[str, HotTable]:
        wanted = {version: columns or _cheapest(version, self.grades) for version, columns in needs.items()}
        with self._guard:
            if all(self._held.has(version, columns) for version, columns in wanted.items()):
                return {version.id: self._held.pinned(version.id) for version in wanted}
            self._waiting += 1
        with self._one_load:
            with self._guard:
                self._waiting -= 1
            try:
                return {version.id: self._mine_or_loaded(version, cols) for version, cols in wanted.items()}
            except BaseException:
                self._held.unpin(self._mine)
                raise
            finally:
                self._mine.clear()
                self._held.drop_replaced()

    def _release(self, tables: Collection[HotTable]) -> None:
        self._held.unpin(tables)
        if any(table.loose for table in tables):
            self.loosened.set()
        if self._one_load.acquire(blocking=False):
            try:
                self._held.drop_replaced()
            finally:
                self._one_load.release()

    # What follows runs under `_one_load`. `_mine` are the tables pinned so far by the lease being made.

    def _mine_or_loaded(self, version: TableVersion, columns: frozenset[str]) -> HotTable:
        if not self._held.has(version, columns):
            self._held.put(self._loaded(version, columns))
        table = self._held.pinned(version.id)
        self._mine.append(table)
        return table

    def _loaded(self, version: TableVersion, columns: frozenset[str]) -> HotTable:
        if any(name == version.id and refused <= columns for name, refused in self._too_large):
            raise OverBudgetError(alone=True)
        held = self._held.tables.get(version.id)
        if held is not None and can_grow(held):
            self._mine.append(self._held.pinned(version.id))
            try:
                return self._filled(version, columns, held)
            except (OverBudgetError, duckdb.Error):
                pass  # Old and new side by side were too much; the new alone may not be.
            finally:
                self._mine.remove(held)
                self._held.unpin([held])
        try:
            return self._filled(version, columns, None)
        except OverBudgetError as error:
            if error.alone:
                self._too_large.add((version.id, columns))
            raise

    def _filled(self, version: TableVersion, columns: frozenset[str], beside: HotTable | None) -> HotTable:
        held = frozenset(beside.columns) if beside is not None else frozenset[str]()
        order = [*(column.name for column in version.columns), NUMBER_COLUMN]
        self._made += 1
        table = HotTable(version.id, f"h{self._made}", tuple(n for n in order if n in held | columns))
        missing = sorted(columns - held)
        stored = sorted({UNIT_COLUMN if name == NUMBER_COLUMN else name for name in missing})
        batches = read_batches(self._home, self._keyring, version, stored, grades=self.grades, coded=True)
        numbers = UnitNumbers(version)
        if NUMBER_COLUMN in missing:
            batches = numbers.beside(batches, missing)
        loose = 0 if self._warming is not None else self._most_loose
        self._held.growing = table
        try:
            rows = fill(
                self._engine,
                table,
                batches,
                beside,
                loose,
                lambda: self._make_room(table),
            )
        finally:
            self._held.growing = None
        if rows != version.rows:
            drop(self._engine, table)
            raise storage_corrupt(version.files[0])
        table.units = numbers.count or (beside.units if beside is not None else 0)
        return table

    def _make_room(self, growing: HotTable) -> None:
        """Compress and evict until `growing` fits; wait for leases of others when there is nothing left."""
        if self._warming is not None:
            self._check_warming(self._warming)
            return
        budget = self._budget_mb * MIB
        for table in self._held.loose():
            if self._held.size() > budget:
                self._held.compress(table)
        if self._held.size() > budget:
            compress(self._engine, growing)
        patience = time.monotonic() + PATIENCE_SECONDS
        with self._guard:
            if growing.size + sum(table.size for table in self._mine) > budget:
                raise OverBudgetError(alone=growing.size > budget)
            while self._held.size() > budget:
                self._held.drop_replaced()
                if not self._held.evict() and not self._guard.wait(patience - time.monotonic()):
                    raise SandboxError(
                        ErrorCode.SERVICE_BUSY,
                        "Other questions hold the memory that this one needs.",
                        "Ask again in a while.",
                    )

    def _check_warming(self, warming: _Warming) -> None:
        with self._guard:
            if self._waiting or warming.stop():
                raise GaveWayError
            if self._held.size() > warming.most:
                raise OverBudgetError(alone=False)


def _cheapest(version: TableVersion, grades: Collection[str]) -> frozenset[str]:
    """Stands for all rows when a question needs no column: a clustered one compresses best."""
    names = [column.name for column in version.columns]
    readable = [column.name for column in version.columns if column.grade in grades]
    return frozenset({UNIT_COLUMN if UNIT_COLUMN in names else (readable or names)[0]})
