"""Step 10, post-process: everything above the private boundary, over noisy and open tables alone.

It runs in an engine of its own that never held a protected row, so it can leak none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp

from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.types import Kind
from sandbox.query.boundary import Measure
from sandbox.query.half_widths import ERROR_PREFIX, HALF_WIDTH
from sandbox.query.noise import Noised
from sandbox.query.parse import DIALECT, place_of
from sandbox.query.places import whole
from sandbox.query.price import Priced, half_width
from sandbox.query.rewrite import Rewritten
from sandbox.query.typed import Typed, cast
from sandbox.vault.engine import interrupted_after, open_engine, question_failed

ENGINE_MB = 1024
MOST_BYTES = 256 << 20  # of one answer: it is read out beyond the reach of the engine's own memory limit
BATCH_ROWS = 100_000
_ARROW_TYPES: dict[Kind, pa.DataType] = {
    Kind.INTEGER: pa.int64(), Kind.DOUBLE: pa.float64(), Kind.BOOLEAN: pa.bool_(), Kind.DATE: pa.date32(),
    Kind.TIMESTAMP: pa.timestamp("us"), Kind.TEXT: pa.string(),
}  # fmt: skip
_EXAMPLES: dict[Kind, Any] = {
    Kind.INTEGER: 1, Kind.DECIMAL: Decimal(0), Kind.DOUBLE: 1.0, Kind.BOOLEAN: True,
    Kind.DATE: date(2000, 1, 1), Kind.TIMESTAMP: datetime(2000, 1, 1), Kind.TEXT: "a",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Processed:
    """The answer's rows, and the half-widths of its noisy columns under the same names."""

    table: pa.Table
    errors: pa.Table


def post_process(rewritten: Rewritten, priced: Priced | None, noised: Noised, seconds: float) -> Processed:
    """Run the post-processing SELECT.

    Raises:
        SandboxError: `question-failed`.

    """
    result = _run(_tree(rewritten, priced).sql(DIALECT, copy=False), noised, seconds)
    return split(result, rewritten.analyzed.authorized.resolved.output)


def rehearse(rewritten: Rewritten, priced: Priced | None, seconds: float) -> None:
    """Run the post-processing SELECT once over made-up rows, so that what cannot run is not paid for.

    Raises:
        SandboxError: `sql-type`.

    """
    analyzed = rewritten.analyzed
    tables = {
        b.name: _sample({k.name: k.typed for k in b.keys}, {m.name: _measured(m) for m in b.measures})
        for b in analyzed.boundaries
    }
    tables |= {o.name: _sample(o.columns, {}) for o in analyzed.open_tables}
    tree = _tree(rewritten, priced)
    with _engine().cursor() as cursor:
        for name, table in tables.items():
            cursor.register(name, table)
        with interrupted_after(cursor, seconds):
            if _runs(cursor, tree):
                return
            wrong = _wrong_part(cursor, tree, analyzed.authorized.resolved.tree)
    sql = analyzed.authorized.resolved.parsed.sql
    raise SandboxError(
        ErrorCode.SQL_TYPE,
        "What the question computes from the answer does not fit together.",
        "Check the types on both sides of each operator; CAST where they differ. Nothing was charged.",
        place=place_of(wrong, sql) or whole(sql),
    )


def _runs(cursor: duckdb.DuckDBPyConnection, tree: exp.Select) -> bool:
    try:
        cursor.execute(tree.sql(DIALECT)).fetchall()  # a relation would be planned twice
    except duckdb.Error:
        return False
    return True


def _wrong_part(cursor: duckdb.DuckDBPyConnection, tree: exp.Select, written: exp.Select) -> exp.Expr:
    """The first column of the question that does not run without the others, else all of it."""
    plain = tree.copy()
    for part in ("order", "limit", "offset"):
        plain.set(part, None)
    count = len(written.selects)
    for at, made in enumerate(tree.selects):
        plain.set("expressions", [made.copy()])
        if not _runs(cursor, plain):
            return written.selects[at if at < count else int(made.alias.removeprefix(ERROR_PREFIX))]
    return written


def _sample(typed: Mapping[str, Typed], more: Mapping[str, pa.Array[Any]]) -> pa.Table:
    """One made-up row: a SELECT in the place of a value may not find two."""
    columns = {name: pa.array([_EXAMPLES[t.kind or Kind.TEXT]], _arrow_type(t)) for name, t in typed.items()}
    table = pa.table(columns | dict(more))
    return table if table.num_columns else pa.table({"nothing": pa.nulls(1)})


def _measured(m: Measure) -> pa.Array[Any]:
    return pa.array([1], pa.decimal128(38, m.scale) if m.decimal else pa.int64())


def _arrow_type(t: Typed) -> pa.DataType:
    if t.kind is Kind.DECIMAL:
        return pa.decimal128(t.width, t.scale)
    return _ARROW_TYPES[t.kind or Kind.TEXT]


def split(result: pa.Table, output: tuple[str, ...]) -> Processed:
    """Columns and half-widths apart, by the names that the question gave. Only numbers have a half-width."""
    count = len(output)
    table = pa.table(result.columns[:count], names=list(output)) if count else result
    extra = {name: result.column(name) for name in result.column_names[count:]}
    half_widths = {output[int(name.removeprefix(ERROR_PREFIX))]: column for name, column in extra.items()}
    return Processed(
        table, pa.table({n: c for n, c in half_widths.items() if _is_number(table.column(n).type)})
    )


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def joined(processed: Processed, output: tuple[str, ...]) -> pa.Table:
    """The inverse of `split`, for keeping."""
    columns = list(processed.table.columns)
    names = [f"c{i}" for i in range(len(columns))]
    for i, name in enumerate(output):
        if name in processed.errors.column_names:
            columns.append(processed.errors.column(name))
            names.append(f"{ERROR_PREFIX}{i}")
    return pa.table(columns, names=names)


def _tree(rewritten: Rewritten, priced: Priced | None) -> exp.Select:
    boundaries = {b.boundary.name: b for b in priced.boundaries} if priced is not None else {}
    tree = rewritten.analyzed.post.copy()
    for node in list(tree.find_all(exp.Column)):
        if node.name.startswith(HALF_WIDTH):
            value = half_width(boundaries[node.table], node.name.removeprefix(HALF_WIDTH))
            node.replace(cast(exp.Literal.string(f"{value:f}"), "DOUBLE"))
    return tree


@lru_cache(maxsize=1)
def _engine() -> duckdb.DuckDBPyConnection:
    return open_engine(ENGINE_MB, threads=1)


def _run(sql: str, noised: Noised, seconds: float) -> pa.Table:
    try:
        with _engine().cursor() as cursor:
            for name, table in noised.tables.items():
                cursor.register(name, table)
            with interrupted_after(cursor, seconds):
                return _whole(cursor.sql(sql))
    except SandboxError:
        raise
    except Exception:
        raise question_failed() from None


def _whole(relation: duckdb.DuckDBPyRelation) -> pa.Table:
    """The answer, read batch by batch: a join of joins must not fill the memory of the service."""
    reader = relation.to_arrow_reader(BATCH_ROWS)
    batches: list[pa.RecordBatch] = []
    size = 0
    for batch in reader:
        size += batch.nbytes
        if size > MOST_BYTES:
            raise question_failed()
        batches.append(batch)
    return pa.Table.from_batches(batches, reader.schema)
