"""Step 10, post-process: everything above the private boundary, over noisy and open tables alone.

It runs in an engine of its own that never held a protected row, so it can leak none.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import duckdb
import pyarrow as pa
from sqlglot import exp

from sandbox.errors import SandboxError
from sandbox.query.noise import Noised, half_width
from sandbox.query.parse import DIALECT
from sandbox.query.price import Priced
from sandbox.query.public import ERROR_PREFIX, HALF_WIDTH
from sandbox.query.rewrite import Rewritten
from sandbox.vault.engine import interrupted_after, open_engine, question_failed

ENGINE_MB = 1024


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
    result = _run(_sql(rewritten, priced), noised, seconds)
    return split(result, rewritten.analyzed.authorized.resolved.output)


def split(result: pa.Table, output: tuple[str, ...]) -> Processed:
    """Columns and half-widths apart, under the names that the question gave."""
    count = len(output)
    table = pa.table(result.columns[:count], names=list(output)) if count else result
    extra = {name: result.column(name) for name in result.column_names[count:]}
    errors = {output[int(name.removeprefix(ERROR_PREFIX))]: column for name, column in extra.items()}
    return Processed(table, pa.table(errors))


def joined(processed: Processed, output: tuple[str, ...]) -> pa.Table:
    """The inverse of `split`, for keeping."""
    columns = list(processed.table.columns)
    names = [f"c{i}" for i in range(len(columns))]
    for i, name in enumerate(output):
        if name in processed.errors.column_names:
            columns.append(processed.errors.column(name))
            names.append(f"{ERROR_PREFIX}{i}")
    return pa.table(columns, names=names)


def _sql(rewritten: Rewritten, priced: Priced | None) -> str:
    boundaries = {b.boundary.name: b for b in priced.boundaries} if priced is not None else {}

    def width(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Column) and node.name.startswith(HALF_WIDTH):
            value = half_width(boundaries[node.table], node.name.removeprefix(HALF_WIDTH))
            return exp.Cast(this=exp.Literal.string(f"{value:f}"), to=exp.DataType.build("DOUBLE"))
        return node

    return rewritten.analyzed.post.transform(width).sql(DIALECT)


@lru_cache(maxsize=1)
def _engine() -> duckdb.DuckDBPyConnection:
    return open_engine(ENGINE_MB, threads=1)


def _run(sql: str, noised: Noised, seconds: float) -> pa.Table:
    try:
        with _engine().cursor() as cursor:
            for name, table in noised.tables.items():
                cursor.register(name, table)
            with interrupted_after(cursor, seconds):
                result: pa.Table = cursor.sql(sql).to_arrow_table()
                return result
    except SandboxError:
        raise
    except Exception:
        raise question_failed() from None
