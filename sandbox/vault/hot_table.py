"""Filling one hot table: chosen columns of one version, in stored order, compressed at once or later.

Every table is a database of its own (`ATTACH ':memory:' … (COMPRESS)`): compressing it, which DuckDB
does at a checkpoint, would otherwise wait for every question that runs; and detaching it gives its
memory back at once (docs/adr/0002-one-database-per-hot-table.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import duckdb
import pyarrow as pa

ROWS_PER_CHUNK = 491_520
INCOMING = "incoming"


@dataclass(slots=True, eq=False)
class HotTable:
    """Columns of one version in memory. Only the hot store changes it, under its guard.

    `columns` are in the version's order; `size` is in bytes; `pins` counts the leases that use it;
    `used` is the tick of its last use; `units` is how many units `__number` tells apart, where it is held;
    `loose`: compressing it would give memory back.
    """

    version: str
    database: str
    columns: tuple[str, ...]
    size: int = 0
    pins: int = 0
    used: int = 0
    units: int = 0
    loose: bool = False

    @property
    def name(self) -> str:
        """`catalog.schema.table`."""
        return f"{self.database}.main.t"

    @property
    def relation(self) -> str:
        """The same, quoted for SQL."""
        return f'"{self.database}"."main"."t"'


def fill(
    engine: duckdb.DuckDBPyConnection,
    table: HotTable,
    batches: Iterator[pa.RecordBatch],
    beside: HotTable | None,
    most_loose: int,
    grown: Callable[[], None],
) -> int:
    """Make `table` from `batches`, joined row by row with what `beside` holds already.

    Args:
        engine: where.
        table: not yet there; its size grows; on failure nothing of it stays.
        batches: the columns that `beside` lacks, in stored order; at least one batch.
        beside: the same version with fewer columns, or None.
        most_loose: bytes that the table may take before it is compressed.
        grown: called after each chunk; may raise to stop.

    Returns:
        Count of rows.

    Raises:
        SandboxError: what reading the batches raises; and what `grown` raises.
        duckdb.Error: no memory.

    """
    with engine.cursor() as cursor:
        cursor.execute(f"ATTACH ':memory:' AS \"{table.database}\" (COMPRESS)")
        try:
            rows = 0
            for chunk in _chunks(batches):
                before = memory(cursor)
                _append(cursor, table, chunk, beside, rows)
                rows += chunk.num_rows
                table.size += max(0, memory(cursor) - before)
                table.loose = True
                if table.size > most_loose:
                    compress(engine, table)
                grown()
        except BaseException:
            drop(engine, table)
            raise
    return rows


def compress(engine: duckdb.DuckDBPyConnection, table: HotTable) -> None:
    """Compress what of `table` is not yet; its size becomes smaller by what that gives back at once.

    Questions that run over it go on undisturbed, but while they do they hold what was there before.

    Raises:
        duckdb.Error: no memory; the table must be dropped.

    """
    with engine.cursor() as cursor:
        before = memory(cursor)
        cursor.execute(f'CHECKPOINT "{table.database}"')
        table.size = max(0, table.size + memory(cursor) - before)
        table.loose = False


def drop(engine: duckdb.DuckDBPyConnection, table: HotTable) -> None:
    """Give the memory of `table` back; nobody may be using it."""
    with engine.cursor() as cursor:
        cursor.execute(f'DETACH "{table.database}"')


def memory(cursor: duckdb.DuckDBPyConnection) -> int:
    """Bytes of all hot tables, and of what questions still hold of former ones."""
    rows = cursor.execute(
        "SELECT sum(memory_usage_bytes)::BIGINT FROM duckdb_memory() WHERE tag = 'IN_MEMORY_TABLE'"
    ).fetchall()
    return int(rows[0][0] or 0)


def can_grow(table: HotTable) -> bool:
    """Whether columns can be put beside those of `table`: a column may have taken the row number's name."""
    return all(name.casefold() != "rowid" for name in table.columns)


def _chunks(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        if held and held[0].schema != batch.schema:  # the next file, which has other texts as codes
            yield pa.Table.from_batches(held)
            held, rows = [], 0
        held.append(batch)
        rows += batch.num_rows
        if rows >= ROWS_PER_CHUNK:
            yield pa.Table.from_batches(held)
            held, rows = [], 0
    if held:
        yield pa.Table.from_batches(held)


def _append(
    cursor: duckdb.DuckDBPyConnection, table: HotTable, chunk: pa.Table, beside: HotTable | None, start: int
) -> None:
    source = INCOMING
    if beside is not None:
        end = start + chunk.num_rows
        held = f"SELECT * FROM {beside.relation} WHERE rowid >= {start} AND rowid < {end}"
        source = f"({held}) POSITIONAL JOIN {INCOMING}"
    select = f"SELECT {', '.join(map(quoted, table.columns))} FROM {source}"
    cursor.register(INCOMING, chunk)
    try:
        if start == 0:
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {table.relation} AS {select} LIMIT 0")
        cursor.execute(f"INSERT INTO {table.relation} {select}")
    finally:
        cursor.unregister(INCOMING)


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
