"""Step 10, post-process: everything above the private boundary, over noisy and open tables alone.

It runs in an engine of its own that never held a protected row, so it can leak none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import duckdb
import numpy as np
import pyarrow as pa
from sqlglot import exp

from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.types import Kind
from sandbox.query.arrow_types import arrow_type
from sandbox.query.boundary import Boundary, Measure
from sandbox.query.folds import cell_type
from sandbox.query.half_widths import HALF_WIDTH, OWN_WIDTH
from sandbox.query.histograms import Fold
from sandbox.query.joined_widths import ERROR_PREFIX
from sandbox.query.noise import Noised
from sandbox.query.parse import DIALECT, place_of
from sandbox.query.places import whole
from sandbox.query.post_plan import engine, plan_of, sample
from sandbox.query.price import Priced, half_width
from sandbox.query.rewrite import Rewritten
from sandbox.query.typed import Typed, cast
from sandbox.vault.engine import interrupted_after, question_failed

MOST_BYTES = 256 << 20  # of one answer: it is read out beyond the reach of the engine's own memory limit
BATCH_ROWS = 100_000


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
    result = _run(rewritten, _widths(rewritten, priced), noised.tables, seconds)
    return split(result, rewritten.analyzed.authorized.resolved.output)


def rehearse(rewritten: Rewritten, seconds: float) -> None:
    """Run the post-processing SELECT once over made-up rows, so that what cannot run is not paid for.

    Raises:
        SandboxError: `sql-type`.

    """
    analyzed, post = rewritten.analyzed, rewritten.post
    tables = _schemas(rewritten)
    try:
        if post.table is not None:
            plan_of(post.text, tables, seconds)
        else:
            _runs(post.text, frozenset(post.widths), tables, seconds)
        return
    except duckdb.Error:
        pass
    with _made_up(tables) as cursor, interrupted_after(cursor, seconds):
        wrong = _wrong_part(cursor, _plain(analyzed.post), analyzed.authorized.resolved.tree)
    sql = analyzed.authorized.resolved.parsed.sql
    raise SandboxError(
        ErrorCode.SQL_TYPE,
        "What the question computes from the answer does not fit together.",
        "Check the types on both sides of each operator; CAST where they differ. Nothing was charged.",
        place=place_of(wrong, sql) or whole(sql),
    )


def _schemas(rewritten: Rewritten) -> tuple[tuple[str, pa.Schema], ...]:
    """The types of the tables that the SELECT reads, by name."""
    analyzed, post = rewritten.analyzed, rewritten.post
    tables = [(b.name, _noisy_schema(b, analyzed.folds)) for b in analyzed.boundaries]
    tables += [(o.name, _schema(o.columns, ())) for o in analyzed.open_tables]
    if post.table is None:
        return tuple(tables)
    widths = [pa.field(name, pa.float64()) for name in post.widths]
    return tuple((n, pa.schema([*s, *widths]) if n == post.table else s) for n, s in tables)


def _plain(post: exp.Select) -> exp.Select:
    """The SELECT with a number for each half-width."""
    tree = post.copy()
    for node in list(tree.find_all(exp.Column)):
        if node.name.startswith(HALF_WIDTH):
            node.replace(cast(exp.Literal.number(1), "DOUBLE"))
    return tree


def _fits(cursor: duckdb.DuckDBPyConnection, tree: exp.Select) -> bool:
    try:
        cursor.execute(tree.sql(DIALECT)).fetchall()
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
        if not _fits(cursor, plain):
            return written.selects[at if at < count else int(made.alias.removeprefix(ERROR_PREFIX))]
    return written


@lru_cache(maxsize=1024)
def _runs(
    text: str, widths: frozenset[str], tables: tuple[tuple[str, pa.Schema], ...], seconds: float
) -> None:
    """Raise what DuckDB raises; what ran once over rows of these types runs again, so that is remembered."""
    with _made_up(tables) as cursor, interrupted_after(cursor, seconds):
        # A relation would be planned twice.
        cursor.execute(text, dict.fromkeys(widths, 1.0)).fetchall()


@contextmanager
def _made_up(tables: Sequence[tuple[str, pa.Schema]]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A cursor that sees one made-up row of each table."""
    with engine().cursor() as cursor:
        for name, schema in tables:
            cursor.register(name, sample(schema))
        yield cursor


def _noisy_schema(b: Boundary, folds: Sequence[Fold]) -> pa.Schema:
    typed = {k.name: k.typed for k in b.keys} | {p.name: p.typed for p in b.points}
    widths = {OWN_WIDTH + p.name: Typed(exp.Null(), Kind.DOUBLE) for p in b.points}
    cells = [(f.name, cell_type(f)) for f in folds if f.table == b.name]
    return _schema(typed | widths, b.measures, cells)


def _schema(
    typed: Mapping[str, Typed],
    measures: Sequence[Measure],
    cells: Sequence[tuple[str, pa.DataType]] = (),
) -> pa.Schema:
    fields: list[tuple[str, pa.DataType]] = [*((name, arrow_type(t)) for name, t in typed.items()), *cells]
    fields += [(m.name, pa.decimal128(38, m.scale) if m.decimal else pa.int64()) for m in measures]
    return pa.schema(fields or [("nothing", pa.null())])


def split(result: pa.Table, output: tuple[str, ...]) -> Processed:
    """Columns and half-widths apart, by the names that the question gave.

    Numbers, maps to numbers, days and times have half-widths.
    """
    count = len(output)
    table = pa.table(result.columns[:count], names=list(output)) if count else result
    extra = {name: result.column(name) for name in result.column_names[count:]}
    half_widths = {output[int(name.removeprefix(ERROR_PREFIX))]: column for name, column in extra.items()}
    return Processed(
        table, pa.table({n: c for n, c in half_widths.items() if _has_width(table.column(n).type)})
    )


def _has_width(kind: pa.DataType) -> bool:
    if pa.types.is_map(kind):
        return _has_width(kind.item_type)
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return number or pa.types.is_date(kind) or pa.types.is_timestamp(kind)


def joined(processed: Processed, output: tuple[str, ...]) -> pa.Table:
    """The inverse of `split`, for keeping."""
    columns = list(processed.table.columns)
    names = [f"c{i}" for i in range(len(columns))]
    for i, name in enumerate(output):
        if name in processed.errors.column_names:
            columns.append(processed.errors.column(name))
            names.append(f"{ERROR_PREFIX}{i}")
    return pa.table(columns, names=names)


def _widths(rewritten: Rewritten, priced: Priced | None) -> dict[str, float]:
    """The half-widths that the SELECT reads, by the names of its parameters."""
    boundaries = {b.boundary.name: b for b in priced.boundaries} if priced is not None else {}
    return {
        name: float(half_width(boundaries[table], measure))
        for name, (table, measure) in rewritten.post.widths.items()
    }


def _run(
    rewritten: Rewritten, widths: dict[str, float], tables: Mapping[str, pa.Table], seconds: float
) -> pa.Table:
    post = rewritten.post
    try:
        if post.table is not None:
            tables = {n: _beside(t, widths) if n == post.table else t for n, t in tables.items()}
            plan = plan_of(post.text, _schemas(rewritten), seconds)
            if plan.fits(tables):
                return plan.run(tables, seconds)
            widths = {}
        with engine().cursor() as cursor:
            for name, table in tables.items():
                cursor.register(name, table)
            with interrupted_after(cursor, seconds):
                if post.grows:
                    return _whole(cursor.sql(post.text, params=widths))
                # No more rows than the noisy tables have. A relation would be planned twice.
                answer = cursor.execute(post.text, widths).to_arrow_table()
                assert answer is not None  # noqa: S101 -- a SELECT has rows, though there may be none
                return answer
    except SandboxError:
        raise
    except Exception:
        raise question_failed() from None


def _beside(table: pa.Table, widths: Mapping[str, float]) -> pa.Table:
    """A noisy table with the half-widths of its columns, which are the same in every row."""
    for name, width in widths.items():
        table = table.append_column(name, pa.array(np.full(table.num_rows, width), pa.float64()))
    return table


def run_public(sql: str, tables: Mapping[str, pa.Table], seconds: float) -> pa.Table:
    """Run SQL of our own over tables that may be seen.

    Raises:
        SandboxError: `question-failed`.

    """
    try:
        with engine().cursor() as cursor:
            for name, table in tables.items():
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
