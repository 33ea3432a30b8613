"""Days and times that are moved: as DuckDB moves them, within the calendar; constants at once."""

from __future__ import annotations

from datetime import date

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.errors import ErrorCode, SandboxError
from sandbox.query.parse import parse
from tests.query.equivalence import assert_same
from tests.query.test_neighbours import assert_bounded
from tests.query.world import Rows, engine, published, random_rows, rewritten, silent_answer

UNITS = ("DAY", "WEEK", "MONTH", "QUARTER", "YEAR", "HOUR", "MINUTE", "SECOND")
QUESTIONS = [
    "SELECT COUNT(*) AS n, COUNT(born + 40) AS m FROM people WHERE born + 40 > DATE '2000-01-01'",
    "SELECT grp, COUNT(*) AS n FROM people WHERE 30 + DATE '1999-12-02' >= born GROUP BY grp",
    "SELECT COUNT(*) AS n FROM people WHERE born - 365 < '1999-06-01' "
    "AND born + INTERVAL 1 MONTH > '1980-02-29'",
    "SELECT YEAR(born - INTERVAL 3 QUARTER) AS y, COUNT(*) AS n FROM people "
    "WHERE born BETWEEN DATE '2000-01-01' - INTERVAL 10 YEAR "
    "AND DATE '2012-03-31' - INTERVAL 1 MONTH GROUP BY y",
    "SELECT DATE_TRUNC('month', DATE '2020-01-01' + CAST(days AS INT)) AS m, COUNT(*) AS n "
    "FROM visits GROUP BY m",
    "SELECT COUNT(*) AS n FROM visits "
    "WHERE seen + INTERVAL 36 HOUR < TIMESTAMP '2005-01-01 12:00:00' - INTERVAL '90' MINUTE",
    "SELECT DATE_PART('hour', seen - INTERVAL 6 HOUR) AS h, COUNT(*) AS n FROM visits GROUP BY h",
    "SELECT COUNT(*) AS n, COUNT(CAST(age AS INT) + born) AS m FROM people "
    "WHERE CAST(age AS INT) + born > '2001-01-01'",
    "SELECT COUNT(*) AS n FROM people JOIN visits ON id = pid WHERE DATE_ADD(born, INTERVAL 18 YEAR) < seen",
    "SELECT AVG(DATE_DIFF('day', DATE '1990-01-01', born + 7)) AS a FROM people "
    "WHERE born BETWEEN '1990-01-01' AND '2010-01-01'",
    "SELECT ROUND(age, -1) AS b, COUNT(*) AS n FROM people GROUP BY b",
    "SELECT SUM(ROUND(score, -1)) AS s, AVG(ROUND(weight, -2)) AS a FROM people",
    "SELECT COUNT(*) AS n FROM people WHERE (grp, member) IN (('a', TRUE), ('b', NULL))",
    "SELECT COUNT(*) AS n FROM people WHERE NOT (grp, age) IN (('a', 30), ('b', 40), ('c', NULL))",
]
# The first and last days of the calendar, and beyond, in DuckDB's own range.
OUTERMOST = (date.min, date.max, date(9999, 12, 1), date(1, 1, 31), None)


@pytest.mark.parametrize("sql", QUESTIONS)
def test_moved_days_are_those_of_plain_duckdb(sql: str) -> None:
    with engine(random_rows(23, 60, 2, clean=True)) as connection:
        assert_same(sql, connection)


@pytest.mark.parametrize("sql", QUESTIONS)
def test_one_unit_moves_them_no_more_than_declared(sql: str) -> None:
    for seed in range(3):
        rows = random_rows(seed, 5, 6)
        for unit in rows.units[:2]:
            assert_bounded(sql, rows, (6, 2, 3), unit)


def said(plain: duckdb.DuckDBPyConnection, expression: str) -> object:
    """What DuckDB makes of an expression."""
    row = plain.execute(f"SELECT {expression}").fetchone()
    return row[0] if row else None


@given(
    st.dates(date(1, 1, 1), date(9999, 12, 31)),
    st.integers(0, 86_399),
    st.sampled_from(UNITS),
    st.integers(0, 20_000),
    st.booleans(),
    st.booleans(),
)
def test_a_constant_is_moved_when_the_question_is_read(
    day: date, second: int, unit: str, number: int, later: bool, timed: bool
) -> None:
    clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    base = f"TIMESTAMP '{day} {clock}'" if timed else f"DATE '{day}'"
    moved = f"{base} {'+' if later else '-'} INTERVAL {number} {unit}"
    with duckdb.connect() as plain:
        expected = said(plain, f"CAST({moved} AS VARCHAR)")
        tree = parse(f"SELECT {moved} AS x, COUNT(*) AS n FROM t WHERE d < {moved}", 10_000).tree
        found = said(plain, f"CAST({tree.selects[0].this.sql('duckdb')} AS VARCHAR)")
        compared = tree.args["where"].this.expression.sql("duckdb")
        same = said(plain, f"{compared} = {moved}")
    assert found == expected
    assert same is True
    inside = len(str(expected).split("-")[0]) == 4 and "BC" not in str(expected) and number < 9_999
    assert ("INTERVAL" not in compared) or not inside


@pytest.mark.parametrize(
    "moved",
    [
        "born + 3000000",
        "born - 3000000",
        "born + INTERVAL 9998 YEAR",
        "born - INTERVAL 119000 MONTH",
        "born + INTERVAL 300000000000 SECOND",
        "born + age",
        "born - age",
    ],
)
def test_no_row_can_make_it_raise(moved: str) -> None:
    people = random_rows(7, len(OUTERMOST), 1, clean=True).people
    born = [i for i, value in enumerate(people[0]) if isinstance(value, date)]
    rows = [list(p) for p in people]
    for row, day in zip(rows, OUTERMOST, strict=True):
        for at in born:
            row[at] = day
    sql = (
        f"SELECT COUNT({moved}) AS n, COUNT(DISTINCT {moved}) AS d, "
        f"COUNT(DATE_TRUNC('month', {moved})) AS m, "
        f"COUNT_IF(STRFTIME({moved}, '%Y-%m') LIKE '2%') AS t FROM people"
    )
    with engine(Rows(tuple(tuple(r) for r in rows), ())) as connection:
        answer = silent_answer(sql, published(), connection).table.to_pylist()[0]
    assert 0 <= answer["n"] <= len(OUTERMOST)
    assert answer["m"] == answer["n"]


@pytest.mark.parametrize(
    ("sql", "code", "text"),
    [
        (
            "SELECT COUNT(*) AS n FROM people WHERE born + weight > '2000-01-01'",
            ErrorCode.SQL_TYPE,
            "born + weight",
        ),
        ("SELECT COUNT(*) AS n FROM people WHERE born * 2 > 3", ErrorCode.SQL_TYPE, "born"),
        ("SELECT COUNT(*) AS n FROM visits WHERE seen + 3 > '2000-01-01'", ErrorCode.SQL_TYPE, "seen + 3"),
        (
            "SELECT COUNT(*) AS n FROM people WHERE born + INTERVAL (age) DAY > '2000-01-01'",
            ErrorCode.SQL_TYPE,
            "age",
        ),
        (
            "SELECT COUNT(*) AS n FROM people WHERE born + INTERVAL 99999 YEAR > '2000-01-01'",
            ErrorCode.SQL_TYPE,
            "born",
        ),
        (
            "SELECT COUNT(*) AS n FROM people WHERE born + age * 99999 > '2000-01-01'",
            ErrorCode.OVERFLOW_POSSIBLE,
            "born + age * 99999",
        ),
        (
            "SELECT COUNT(*) AS n FROM people JOIN visits ON id = pid WHERE born + level > '2000-01-01'",
            ErrorCode.BOUNDS_MISSING,
            "born + level",
        ),
        ("SELECT COUNT(*) AS n FROM people WHERE (age, grp) IN ((1, 'a'), (2))", None, ""),
    ],
)
def test_what_cannot_be_moved_is_refused(sql: str, code: ErrorCode | None, text: str) -> None:
    with pytest.raises(SandboxError) as refused:
        rewritten(sql, published())
    if code is not None:
        assert refused.value.code is code
        assert refused.value.place is not None
        assert refused.value.place.text == text
