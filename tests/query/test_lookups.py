"""Lookups in open tables below the private boundary: they move no bound, raise on nothing, find one row."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest

from sandbox.errors import ErrorCode, SandboxError
from sandbox.query.execute import sql_of
from tests.query.equivalence import assert_same
from tests.query.test_neighbours import assert_bounded
from tests.query.world import (
    POLICY,
    RELATIONS,
    TABLES,
    engine,
    exact_tables,
    published,
    random_rows,
    rewritten,
    silent_answer,
)

WORLD = published(6, 2, 3)
LOOKUPS = [
    "city IN (SELECT city FROM regions WHERE size > 1)",
    "city NOT IN (SELECT city FROM cities)",
    "city NOT IN (SELECT city FROM regions)",
    "NOT EXISTS (SELECT 1 FROM regions AS r WHERE r.city = people.city AND r.size <> 2)",
    "EXISTS (SELECT 1 FROM cities AS c WHERE c.city = people.city AND (c.size = age AND c.mark = 'p'))",
    "(SELECT size FROM cities AS c WHERE c.city = people.city) BETWEEN 1 AND 1",
    "(SELECT c.mark FROM cities AS c WHERE people.city = c.city AND c.size > 1) IS NULL",
    "(SELECT COUNT(*) FROM regions AS r WHERE r.city = people.city) = 0",
    "(SELECT MIN(mark) FROM cities AS c WHERE c.size = people.filter_only) = 'p'",
    "age / 10.0 > (SELECT AVG(size) FROM cities)",
    "age > (SELECT SUM(size) FROM cities WHERE mark IS NOT NULL)",
    "age IN (SELECT LEAST(GREATEST(size, 0), 9) * 10 FROM cities)",
    "score IN (SELECT size FROM regions)",
    "weight > (SELECT COUNT(DISTINCT mark) FROM cities)",
    "city IN (SELECT city FROM regions GROUP BY city HAVING COUNT(*) = 1 AND MAX(size) < 3)",
    "city IN (SELECT r.city FROM regions AS r, cities AS c WHERE r.city = c.city AND r.size > c.size)",
    "city IN (SELECT city FROM (SELECT DISTINCT city FROM regions) AS q "
    "WHERE city IN (SELECT city FROM cities))",
    "city IN (SELECT city FROM cities WHERE size = (SELECT MIN(size) FROM cities))",
]


@pytest.mark.parametrize("test", LOOKUPS)
def test_a_lookup_is_what_the_engine_makes_of_it_and_moves_no_bound(test: str) -> None:
    """One row of each unit stays one row; removing a unit moves its own count alone."""
    sql = f"SELECT grp, COUNT(*) AS n, SUM(age) AS s FROM people WHERE {test} GROUP BY grp"
    with engine(random_rows(5, 60, 0, clean=True)) as connection:
        assert_same(sql, connection)
    (boundary,) = rewritten(sql, WORLD).analyzed.boundaries
    assert boundary.once
    rows = random_rows(6, 5, 0)
    for unit in rows.units:
        assert_bounded(sql, rows, (6, 2, 3), unit)


def test_a_lookup_in_any_place_of_a_question() -> None:
    for sql in (
        "SELECT place IN (SELECT city FROM cities) AS k, COUNT(*) AS n FROM visits GROUP BY ROLLUP (k)",
        "SELECT kind, COUNT(*) FILTER (WHERE place IN (SELECT city FROM cities)) AS n FROM visits "
        "GROUP BY ROLLUP (kind)",
        "SELECT COUNT(*) AS n FROM people LEFT JOIN visits ON id = pid "
        "AND place IN (SELECT city FROM cities)",
        "SELECT AVG(n) AS m FROM (SELECT pid, place IN (SELECT city FROM cities) AS k, COUNT(*) AS n "
        "FROM visits GROUP BY pid, k HAVING COUNT(*) > (SELECT MIN(size) FROM regions)) AS t WHERE k",
        "SELECT SUM(r) AS s FROM (SELECT ROW_NUMBER() OVER (PARTITION BY pid ORDER BY days) AS r FROM visits "
        "WHERE place IN (SELECT city FROM cities)) AS t",
        "SELECT AVG(n) AS m FROM (SELECT pid, COUNT(*) AS n FROM visits GROUP BY pid "
        "HAVING pid IN (SELECT id FROM people WHERE age > 30)) AS t",
        "SELECT HISTOGRAM(kind) FILTER (WHERE place IN (SELECT city FROM cities)) AS h FROM visits",
        "SELECT city, size, (SELECT COUNT(*) FROM cities AS c WHERE c.city = r.city) AS n FROM regions AS r "
        "WHERE city IN (SELECT city FROM cities)",
    ):
        with engine(random_rows(7, 60, 2, clean=True)) as connection:
            assert_same(sql, connection)


def test_what_is_looked_up_keeps_the_bounds_and_keys_that_its_policy_states() -> None:
    mark = "(SELECT mark FROM cities AS c WHERE c.city = place)"
    key = f"SELECT {mark} AS k, COUNT(*) AS n FROM visits GROUP BY k"
    (boundary,) = rewritten(key, WORLD).analyzed.boundaries
    assert boundary.domain == (("p", "q", "r", None),)
    size = "size: {type: integer, use: open}\n      mark"
    bounded = POLICY.replace(size, size.replace("open}", "open, between: [0, 5]}"))
    total = "SELECT SUM((SELECT size FROM cities AS c WHERE c.city = people.city)) AS s FROM people"
    (boundary,) = rewritten(total, published(6, 2, 3, bounded)).analyzed.boundaries
    assert (boundary.measures[0].low, boundary.measures[0].high) == (0, 5)
    with pytest.raises(SandboxError) as refused:
        rewritten(total, WORLD)
    assert refused.value.code is ErrorCode.BOUNDS_MISSING
    assert "__" not in str(refused.value)


def test_rows_that_each_have_one_partner_stay_as_many() -> None:
    sql = (
        "SELECT COUNT(*) AS n FROM visits WHERE (SELECT mark FROM cities AS c WHERE c.city = place) = 'p' "
        "AND (SELECT COUNT(*) FROM regions AS r WHERE r.city = place) < 2"
    )
    question = rewritten(sql, published(6, 6, 6))
    assert question.analyzed.boundaries[0].by_row
    assert {(key.table, key.columns) for key in question.analyzed.keys} == {("cities", frozenset({"city"}))}


def test_a_key_that_an_answer_looks_up_by_is_one_that_the_load_must_have_checked() -> None:
    sql = (
        "SELECT g.city, (SELECT size FROM cities AS c WHERE c.city = g.city) AS size "
        "FROM (SELECT city, COUNT(*) AS n FROM people GROUP BY city) AS g"
    )
    assert {key.table for key in rewritten(sql, WORLD).analyzed.keys} == {"cities"}


def test_masks_and_row_rules_of_an_open_table_come_before_the_lookup() -> None:
    """The mask makes 'rome' 'r', which is no city; and no lookup sees a row that the rules leave out."""
    city = "    columns:\n      city: {type: text, use: open}\n"
    columns = city + "      size: {type: integer, use: open}\n      hidden"
    masked = POLICY.replace(columns, columns.replace("open}", "open, shown_as: {prefix: 1}}", 1))
    filtered = POLICY.replace(columns, "    rows:\n      - {column: size, at_least: 3}\n" + columns)
    sql = "SELECT COUNT(*) AS n FROM people WHERE city IN (SELECT city FROM regions)"
    counts = []
    for policy in (POLICY, masked, filtered):
        with engine(random_rows(8, 60, 0, clean=True)) as connection:
            counts.append(silent_answer(sql, published(6, 2, 3, policy), connection).table["n"][0].as_py())
    with engine(random_rows(8, 60, 0, clean=True)) as connection:
        rome = connection.sql("SELECT COUNT(*) FROM people WHERE city = 'rome'").fetchall()[0][0]
    assert counts[0] > counts[2] == rome > counts[1] == 0


HOSTILE = [
    "age > (SELECT SUM(size) FROM regions)",
    "age > (SELECT AVG(size) FROM regions)",
    "age IN (SELECT 7 // LEAST(GREATEST(size, -1), 1) FROM regions)",
    "age IN (SELECT 7 % LEAST(GREATEST(size, -1), 1) FROM regions)",
    "age IN (SELECT CAST(city AS INT) FROM regions)",
    "age IN (SELECT LEAST(GREATEST(size, -5), 5) * 3 FROM regions)",
    "age < (SELECT MAX(size) FROM regions AS r WHERE r.city = people.city)",
    "weight IN (SELECT SQRT(size) FROM regions)",
    "weight IN (SELECT LN(size) FROM regions)",
    "city IN (SELECT city FROM regions WHERE 1 / size > 0)",
]


@pytest.mark.parametrize("test", HOSTILE)
def test_no_value_of_an_open_table_makes_a_lookup_raise(test: str) -> None:
    """Whether it is evaluated may depend on protected rows, so it may raise on nothing."""
    sql = f"SELECT COUNT(*) AS n FROM people WHERE {test}"
    question = rewritten(sql, WORLD)
    extremes = [
        (c, n, 1) for c in ("rome", "x", "", None, "9999-99-99") for n in (0, 2**63 - 1, -(2**63), None)
    ]
    with engine(random_rows(9, 30, 0)) as connection:
        columns = list(zip(*extremes, strict=True))
        arrays = [pa.array(c, f.type) for c, f in zip(columns, TABLES["regions"], strict=True)]
        connection.register("regions", pa.table(arrays, schema=TABLES["regions"]))
        for e in question.exact:
            for tree in e.trees:
                connection.sql(sql_of(tree, RELATIONS)).fetchall()


def test_a_lookup_of_floats_or_of_noise_is_refused_whatever_stands_around_it() -> None:
    for test in (
        "age > (SELECT SUM(SQRT(size)) FROM regions)",
        "age > (SELECT AVG(size / 3) FROM regions)",
        "age > (SELECT VAR_POP(size) FROM regions)",
        "age > (SELECT MEDIAN(size) FROM regions)",
        "age > (SELECT AVG(age) FROM people)",
        "city IN (SELECT city FROM regions WHERE size > (SELECT COUNT(*) FROM people))",
        "city IN (SELECT c.city FROM cities AS c JOIN (SELECT city, COUNT(*) AS n FROM people "
        "GROUP BY city) AS g ON g.city = c.city)",
        "city IN (SELECT city FROM people)",
        "age = (SELECT days FROM visits)",
    ):
        with pytest.raises(SandboxError) as refused:
            rewritten(f"SELECT COUNT(*) AS n FROM people WHERE {test}", WORLD)
        assert refused.value.code in {ErrorCode.SQL_UNSUPPORTED, ErrorCode.SQL_TYPE, ErrorCode.SQL_JOIN}, test


def test_a_lookup_joined_by_no_key_spreads_and_is_bounded_again() -> None:
    sql = (
        "SELECT COUNT(*) AS n FROM visits AS v JOIN (SELECT c.city, r.size FROM cities AS c "
        "JOIN regions AS r ON c.size = r.size) AS o ON o.city = v.place"
    )
    assert not rewritten(sql, published(6, 6, 6)).analyzed.boundaries[0].by_row
    rows = random_rows(3, 4, 8)
    for unit in rows.units:
        assert_bounded(sql, rows, (6, 2, 3), unit)
    with pytest.raises(SandboxError) as refused:
        rewritten(sql + " JOIN regions AS again ON again.city = v.place", WORLD)
    assert refused.value.code is ErrorCode.SQL_JOIN


def test_the_engine_reads_the_same_list_on_neighbouring_data() -> None:
    """Also where nobody is left to ask it."""
    question = rewritten(f"SELECT COUNT(*) AS n FROM people WHERE {LOOKUPS[0]}", WORLD)
    with engine(random_rows(1, 0, 0)) as empty:
        assert exact_tables(question, empty)[0].column("m0").to_pylist() == [0]


def test_plain_duckdb_raises_where_several_rows_are_found() -> None:
    """What is refused here is an error there: status would depend on rows."""
    with duckdb.connect() as connection, pytest.raises(duckdb.Error):
        connection.sql(
            "SELECT (SELECT x FROM (VALUES (1), (1)) AS t (x) WHERE x = y) FROM (SELECT 1 AS y)"
        ).fetchall()
