"""Accepted questions mean what SQL says: with noise off and bounds that do not bind, plain DuckDB agrees.

What differs on purpose is written down in docs/sql-semantics.md and in `equivalence.py`, and nowhere else.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from sandbox.errors import ErrorCode, SandboxError
from tests.house.tree import ROOT
from tests.query.equivalence import assert_same, same
from tests.query.questions import nested_questions, questions, windowed_questions
from tests.query.world import TABLES, Rows, engine, published, random_rows, silent_answer

HONEST = {ErrorCode.OVERFLOW_POSSIBLE, ErrorCode.BOUNDS_MISSING, ErrorCode.SQL_TYPE}


def quick(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    )


def hold(sql: str, seed: int, units: int, visits: int) -> None:
    """Both ways, on clean rows."""
    with engine(random_rows(seed, units, visits, clean=True)) as connection:
        try:
            assert_same(sql, connection)
        except SandboxError as refused:
            if refused.code not in HONEST:
                raise


OPEN_FIRST = (
    "SELECT LEAST((SELECT COUNT(*) FROM visits AS x WHERE x.pid = id), 3) AS g0, SUM(age) AS a0 FROM regions "
    "JOIN people ON regions.city = people.city LEFT JOIN visits ON id = pid AND days > 0 "
    "GROUP BY LEAST((SELECT COUNT(*) FROM visits AS x WHERE x.pid = id), 3)"
)
ROWS = (st.integers(0, 10_000), st.integers(1, 30), st.integers(0, 6))


@quick(150)
@given(questions(spread=False), *ROWS)
@example(OPEN_FIRST, 0, 9, 3)
def test_a_question_gives_what_plain_duckdb_gives(sql: str, seed: int, units: int, visits: int) -> None:
    hold(sql, seed, units, visits)


SPREAD = (
    "STDDEV(age)", "STDDEV_POP(score)", "VAR_POP(weight)", "VAR_SAMP(age)", "CORR(age, score)",
    "COVAR_POP(weight, age)", "COVAR_SAMP(score, age)", "REGR_SLOPE(weight, age)",
    "REGR_INTERCEPT(age, score)", "REGR_R2(age, score)", "REGR_COUNT(weight, age)",
    "STDDEV(score * 2 - age)", "CORR(age, weight) FILTER (WHERE member)",
)  # fmt: skip


@pytest.mark.parametrize("call", SPREAD)
@pytest.mark.parametrize("seed", [1, 2])
def test_variances_and_the_like_are_those_of_plain_duckdb(call: str, seed: int) -> None:
    """On values that are spread: of values that are all alike, floating point keeps its own dust."""
    with engine(random_rows(seed, 60, 0, clean=True)) as connection:
        ours = silent_answer(f"SELECT {call} AS a FROM people", published(64, 64, 64), connection).table
        plain = connection.sql(f"SELECT {call} AS a FROM people").fetchall()
    assert ours.column("a")[0].as_py() == pytest.approx(plain[0][0], rel=1e-6)


@quick(60)
@given(nested_questions(), *ROWS)
def test_what_is_aggregated_within_units_first_is_the_same(
    sql: str, seed: int, units: int, visits: int
) -> None:
    hold(sql, seed, units, visits)


@quick(60)
@given(windowed_questions(settled=True), *ROWS)
def test_windows_within_units_are_those_of_plain_duckdb(sql: str, seed: int, units: int, visits: int) -> None:
    hold(sql, seed, units, visits)


def _differences() -> str:
    return (ROOT / "docs" / "sql-semantics.md").read_text("utf-8")


NARROW = published(6, 2, 3)
VISITS = ("pid", "days", "kind", "place", "cost", "level", "seen")


def _visit(unit: int, **values: Any) -> tuple[Any, ...]:
    given = {"pid": unit, "days": 1, "kind": "p", "cost": Decimal(1)} | values
    return (unit, *(given.get(name) for name in VISITS))


def _person(unit: int, **values: Any) -> tuple[Any, ...]:
    names = TABLES["people"].names[3:]
    return (unit, *(({"id": unit, "age": 30, "weight": 50.0} | values).get(name) for name in names))


HUNDRED = tuple(_visit(1, days=50) for _ in range(100))


@pytest.mark.parametrize(
    ("documented", "sql", "rows", "ours", "plain"),
    [
        ("outside the policy's `between`", "SELECT SUM(age) AS s FROM people",
         Rows((_person(1, age=1000), _person(2, age=-7)), ()), [(100,)], [(993,)]),
        ("NaN is the upper one", "SELECT SUM(weight) AS s FROM people",
         Rows((_person(1, weight=math.nan),), ()), [(200.0,)], None),
        ("more rows or groups than its bounds", "SELECT COUNT(*) AS n, SUM(days) AS s FROM visits",
         Rows((), HUNDRED), [(6, 300)], [(100, 5000)]),
        ("a public key that no row has", "SELECT member, COUNT(*) AS n, AVG(age) AS a FROM people GROUP BY 1",
         Rows((_person(1, member=True),), ()),
         [(False, 0, None), (True, 1, 30.0), (None, 0, None)], [(True, 1, 30.0)]),
        ("on no list of the policy", "SELECT kind, COUNT(*) AS n FROM visits GROUP BY 1 HAVING COUNT(*) > 0",
         Rows((), (_visit(1, kind="z"),)), [], [("z", 1)]),
        ("`SUM` of no value", "SELECT SUM(days) AS s FROM visits", Rows((), ()), [(0,)], [(None,)]),
        ("in steps of 10⁻⁶", "SELECT SUM(weight) AS s FROM people",
         Rows((_person(1, weight=0.12345678),), ()), [(0.123457,)], [(0.12345678,)]),
        ("`x / 0`", "SELECT COUNT(1 / age) AS n FROM people", Rows((_person(1, age=0),), ()), [(0,)], [(1,)]),
        ("a cast that fails", "SELECT COUNT(CAST(city AS INTEGER)) AS n FROM people",
         Rows((_person(1, city="x"),), ()), [(0,)], None),
        ("SMALLINT or TINYINT", "SELECT SUM(CAST(weight * 10 AS TINYINT)) AS n FROM people",
         Rows((_person(1, weight=100.0),), ()), [(1000,)], None),
        ("NULL for too few rows", "SELECT CORR(age, weight) AS c FROM people",
         Rows((_person(1),), ()), [(None,)], None),
        ("some y is NULL", "SELECT COUNT(*) AS n FROM people WHERE NOT id IN (SELECT pid FROM visits)",
         Rows((_person(1), _person(2)), (_visit(2, pid=None),)), [(1,)], [(0,)]),
        ("whole numbers\nthat overflow", "SELECT COUNT(*) * 9223372036854775807 AS n FROM people",
         Rows((_person(1), _person(2)), ()), [(None,)], None),
    ],
)  # fmt: skip
def test_each_difference_is_documented_and_real(
    documented: str, sql: str, rows: Rows, ours: list[Any], plain: list[Any] | None
) -> None:
    """`plain` None: plain DuckDB raises, or gives NaN."""
    assert documented in _differences()
    with engine(rows) as connection:
        answer = silent_answer(sql, NARROW, connection).table
        assert list(zip(*(c.to_pylist() for c in answer.columns), strict=True)) == ours
        if plain is not None:
            assert connection.sql(sql).fetchall() == plain


@pytest.mark.parametrize(
    ("ours", "plain", "equal"),
    [(0, None, True), (1, None, False), (0.1, Decimal("0.1"), True), (1, 1.000001, True), (1, 1.1, False),
     (Decimal("1.0"), 1, True), (Decimal("1.1"), 1, False), ("a", "b", False), (False, 0, True)],
)  # fmt: skip
def test_the_comparison_can_fail(ours: Any, plain: Any, equal: bool) -> None:
    assert same(ours, plain) == equal
