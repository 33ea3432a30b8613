"""Counting units by bits: what COUNT(DISTINCT …) counts, in any order of rows, and bounded like it."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest

from sandbox.query.execute import sql_of
from sandbox.query.rewrite import Exact
from sandbox.query.unit_bits import MOST_BITS, by_bits
from tests.query.world import RELATIONS, Rows, engine, exact_tables, published, random_rows, rewritten

# Bounds on rows alone decide, so one pass suffices.
WORLD = published(20, 20, 20)
COUNTED = [
    "SELECT COUNT(DISTINCT pid) AS n FROM visits",
    "SELECT kind, COUNT(DISTINCT pid) AS n FROM visits GROUP BY kind",
    "SELECT kind, days > 0 AS late, COUNT(DISTINCT pid) AS n, SUM(days) AS s FROM visits GROUP BY 1, 2",
    "SELECT kind, COUNT(DISTINCT id) AS n FROM people JOIN visits ON id = pid WHERE age > 20 GROUP BY kind",
    "SELECT COUNT(DISTINCT id) AS n FROM (SELECT * FROM people WHERE age > 1) AS p JOIN visits ON p.id = pid",
    "SELECT kind, COUNT(DISTINCT pid) AS n FROM (SELECT pid, kind, ROW_NUMBER() OVER (PARTITION BY pid "
    "ORDER BY days) AS i FROM visits) AS v WHERE i <= 8 GROUP BY kind",
]
# Keys that only the data knows; rows put together; aggregates within units.
NOT_COUNTED = [
    "SELECT place, COUNT(DISTINCT pid) AS n FROM visits GROUP BY place",
    "SELECT COUNT(DISTINCT pid) AS n FROM (SELECT pid FROM visits UNION ALL SELECT id FROM people) AS v",
    "SELECT kind, COUNT(DISTINCT pid) AS n FROM "
    "(SELECT pid, kind, COUNT(*) AS c FROM visits GROUP BY pid, kind) AS v GROUP BY kind",
]


def _exact(sql: str) -> Exact:
    (exact,) = rewritten(sql, WORLD).exact
    return exact


def _rows(table: pa.Table) -> list[tuple[object, ...]]:
    return list(zip(*table.to_pydict().values(), strict=True))


@pytest.mark.parametrize("sql", COUNTED)
@pytest.mark.parametrize("seed", range(6))
def test_bits_count_what_distinct_counts(sql: str, seed: int) -> None:
    """Rows with NULL, with keys on no list, and none at all."""
    exact = _exact(sql)
    rows = random_rows(seed, 25 * (seed > 0), 12)
    with engine(rows) as connection:
        units = {"w.people": 40, "w.visits": 40}
        bits = by_bits(exact.tree, exact.boundary, units)
        assert "BITSTRING_AGG" in bits.sql("duckdb")
        answers = [connection.sql(sql_of(t, RELATIONS)).to_arrow_table() for t in (bits, exact.tree)]
    assert answers[0].equals(answers[1])


@pytest.mark.parametrize("sql", COUNTED)
def test_no_order_of_rows_changes_a_count_and_no_unit_moves_one_by_more_than_one(sql: str) -> None:
    rows = random_rows(5, 12, 12)
    question = rewritten(sql, WORLD)
    answers = []
    for seed in range(3):
        with engine(rows) as connection:
            for name in ("people", "visits"):
                table = connection.table(name).to_arrow_table()
                order = list(range(table.num_rows))
                random.Random(seed).shuffle(order)
                connection.register(name, table.take(order))
            answers.append(_rows(exact_tables(question, connection)[0]))
    assert answers[0] == answers[1] == answers[2]
    (boundary,) = question.analyzed.boundaries
    units = boundary.units
    assert units is not None
    place = len(boundary.keys) + boundary.measures.index(units)
    for unit in rows.units:
        with engine(rows.without(unit)) as less:
            fewer = _rows(exact_tables(question, less)[0])
        moves = [a[place] - b[place] for a, b in zip(answers[0], fewer, strict=True)]  # type: ignore[operator]
        assert set(moves) <= {0, 1}


@pytest.mark.parametrize("sql", NOT_COUNTED)
def test_others_are_counted_as_before(sql: str) -> None:
    exact = _exact(sql)
    assert by_bits(exact.tree, exact.boundary, {"w.people": 9, "w.visits": 9}) is exact.tree
    with engine(random_rows(3, 9, 5)) as connection:
        connection.sql(sql_of(exact.tree, RELATIONS)).fetchall()


@pytest.mark.parametrize("units", [0, MOST_BITS + 1])
def test_bits_without_room_and_of_nobody_are_not_made(units: int) -> None:
    exact = _exact(COUNTED[0])
    assert by_bits(exact.tree, exact.boundary, {"w.visits": units}) is exact.tree


def test_strange_keys_take_no_bits() -> None:
    """A column may hold any number of keys that are on no list: each would take a bit for every unit."""
    exact = _exact(COUNTED[1])
    person = (1, 1, None, None, None, None, None, None, None, "s", None, None)
    strange = tuple((u, u, 1, f"odd {u}", "u", None, 1, None) for u in range(1, 2000))
    with engine(Rows((person,), strange)) as connection:
        tree = by_bits(exact.tree, exact.boundary, {"w.visits": 2**24})
        answer = connection.sql(sql_of(tree, RELATIONS)).to_arrow_table()
        plan = connection.sql("EXPLAIN ANALYZE " + sql_of(tree, RELATIONS)).fetchall()[0][1]
    assert [row[1] for row in _rows(answer)] == [0] * 5
    assert "list_position" in plan.lower()
