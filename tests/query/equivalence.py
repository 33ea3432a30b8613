"""The rewritten question with noise off against plain DuckDB on the question as it was written.

Known differences, all documented in docs/sql-semantics.md: public keys also appear where no row has them, in
histograms, too, with counts and sums of 0; SUM of no value is 0, not NULL; sums of DOUBLE are exact to 6
decimals; whole and decimal results may differ in type, never in value.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp

from sandbox.query.parse import parse
from sandbox.query.vocabulary import has_aggregate
from tests.query.world import published, silent_answer

WIDE = published(64, 64, 64)
NOTHING = (None, 0)


def assert_same(sql: str, connection: duckdb.DuckDBPyConnection) -> None:
    """Compare both answers, row by row; in order when the question orders them."""
    assert_rows(sql, silent_answer(sql, WIDE, connection).table, connection)


def assert_rows(sql: str, answer: pa.Table, connection: duckdb.DuckDBPyConnection) -> None:
    """Compare an answer with what plain DuckDB says."""
    ours = _rows(answer)
    tree = parse(sql, 65_536).tree
    for table in tree.find_all(exp.Table):
        table.set("db", None)
    connection.execute("SET error_on_division_by_zero = false")  # x // 0 is NULL in questions
    plain = _rows(connection.sql(tree.sql("duckdb")).to_arrow_table())
    connection.execute("RESET error_on_division_by_zero")
    if tree.args.get("order") is not None:
        assert len(ours) == len(plain), (sql, ours, plain)
        for a, b in zip(ours, plain, strict=True):
            assert _same_row(a, b, _keys(tree)), (sql, a, b)
        return
    keys = _keys(tree)
    rest = list(ours)
    for row in plain:
        found = next((other for other in rest if _same_row(other, row, keys)), None)
        assert found is not None, (sql, row, rest)
        rest.remove(found)
    for row in rest:
        assert keys, (sql, row)
        assert all(same(value, None) for i, value in enumerate(row) if i not in keys), (sql, row)


def assert_best(sql: str, answer: pa.Table, connection: duckdb.DuckDBPyConnection) -> None:
    """Compare the answer of a question with ORDER BY and LIMIT, in which any of equal rows may come first.

    What it is ordered by are outputs, and agrees place by place; every row is one of plain DuckDB's without
    the limit.
    """
    ours = _rows(answer)
    tree = parse(sql, 65_536).tree
    places = [tree.named_selects.index(ordered.this.name) for ordered in tree.args["order"].expressions]
    best = _rows(connection.sql(tree.sql("duckdb")).to_arrow_table())
    keys = _keys(tree)
    assert len(ours) >= len(best), (sql, ours, best)
    for row, plain in zip(ours, best, strict=False):
        assert all(same(row[i], plain[i]) for i in places), (sql, row, plain)
    tree.set("limit", None)
    rest = _rows(connection.sql(tree.sql("duckdb")).to_arrow_table())
    for row in ours:
        found = next((other for other in rest if _same_row(row, other, keys)), None)
        if found is None:
            assert keys, (sql, row)
            assert all(value in NOTHING for i, value in enumerate(row) if i not in keys), (sql, row)
        else:
            rest.remove(found)


def _keys(tree: exp.Select) -> set[int]:
    """Outputs that are group keys: only grouped answers may have more rows than plain ones."""
    grouped = tree.args.get("group") is not None or tree.args.get("distinct") is not None
    return {i for i, e in enumerate(tree.selects) if grouped and not has_aggregate(e)}


def _rows(table: pa.Table) -> list[tuple[Any, ...]]:
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def _same_row(ours: tuple[Any, ...], plain: tuple[Any, ...], keys: set[int]) -> bool:
    return len(ours) == len(plain) and all(
        a == b if i in keys else same(a, b) for i, (a, b) in enumerate(zip(ours, plain, strict=True))
    )


def _counted(cell: list[tuple[Any, int]]) -> dict[Any, int]:
    """A histogram without the values that nobody has."""
    return {key: count for key, count in cell if count}


def same(ours: Any, plain: Any) -> bool:
    """One value: NULL as a sum is 0; numbers by value, doubles within 1e-9 of their size and 1e-6."""
    if plain is None and not isinstance(ours, list):
        return ours in NOTHING
    if isinstance(plain, float) and math.isnan(plain):
        return ours is None or isinstance(ours, float)  # a quotient of nothings, such as CORR of one row
    if isinstance(ours, list):
        return _counted(ours) == _counted(plain or [])
    numbers = (int, float, Decimal)
    if isinstance(ours, numbers) and isinstance(plain, numbers) and not isinstance(plain, bool):
        if isinstance(ours, float) or isinstance(plain, float):
            return math.isclose(float(ours), float(plain), rel_tol=1e-9, abs_tol=1e-6)
        return Decimal(ours) == Decimal(plain)
    return bool(ours == plain)
