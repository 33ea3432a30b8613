"""Bounds that WHERE states: they narrow clamps, whatever traps a condition holds, and change no value."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.errors import ErrorCode, SandboxError
from sandbox.query.boundary import Measures
from tests.query.test_neighbours import assert_bounded
from tests.query.world import Rows, engine, published, random_rows, rewritten, silent_answer

WORLD = published(1, 1, 1)  # one row of each unit counts: a measure's bounds are a value's, and 0


def bounds(sql: str) -> tuple[Decimal, Decimal]:
    (boundary,) = rewritten(sql, WORLD).analyzed.boundaries
    (m,) = (m for m in boundary.measures if m.kind is Measures.SUM)
    return Decimal(m.low).scaleb(-m.scale), Decimal(m.high).scaleb(-m.scale)


@pytest.mark.parametrize(
    ("value", "condition", "low", "high"),
    [
        ("age", "age BETWEEN 20 AND 30", "0", "30"),
        ("age", "age < 30", "0", "29"),
        ("age", "age <= 30", "0", "30"),
        ("age", "30 > age", "0", "29"),
        ("age", "age < 29.5", "0", "29"),
        ("age", "age < 30 AND (member OR age > 5)", "0", "29"),
        ("age - 100", "age > 30", "-69", "0"),
        ("age - 100", "age >= 30.5", "-69", "0"),
        ("age", "age IN (5, 7, 6)", "0", "7"),
        ("age", "age = 8", "0", "8"),
        ("age", "age <= '30'", "0", "30"),
        ("age", "age < 30 AND age < 20 AND age < 90", "0", "19"),
        ("score", "score > -2.505", "-2.5", "5"),
        ("score", "score > -2.5 AND score < 1.25", "-2.49", "1.24"),
        ("score", "score <= 4", "-5", "4"),
        ("weight", "weight < 33.5", "0", "33.5"),  # its own border, for a DOUBLE
        ("x", "x BETWEEN 0 AND 9", "0", "9"),
        # What says nothing of every row that is left, or nothing more than is known:
        ("age", "age < 30 OR member", "0", "100"),
        ("age", "NOT age > 30", "0", "100"),
        ("age", "NOT (age < 30 AND member)", "0", "100"),
        ("age", "age + 1 < 30", "0", "100"),
        ("age", "CAST(age AS DOUBLE) < 30", "0", "100"),
        ("age", "age < filter_only", "0", "100"),
        ("age", "age < NULL", "0", "100"),
        ("age", "age BETWEEN 30 AND NULL", "0", "100"),
        ("age", "NOT age IN (5, 6)", "0", "100"),
        ("age", "age <> 30", "0", "100"),
        ("age", "CASE WHEN age < 30 THEN TRUE ELSE member END", "0", "100"),
        ("age", "age < 500", "0", "100"),
        ("age", "age BETWEEN 200 AND 300", "0", "100"),  # the policy's bounds hold what is left
        ("age", "age BETWEEN 30 AND 20", "0", "100"),
        ("age", "age < 12345678901234567890123.5", "0", "100"),
        ("age", "COALESCE(age, 7) < 30", "0", "100"),
    ],
)  # fmt: skip
def test_what_a_condition_says_of_a_column_bounds_it(value: str, condition: str, low: str, high: str) -> None:
    source = "(SELECT level AS x FROM visits) AS v" if value == "x" else "people"
    assert bounds(f"SELECT SUM({value}) AS s FROM {source} WHERE {condition}") == (
        Decimal(low),
        Decimal(high),
    )


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT SUM(level) FROM visits WHERE level < 5",
        "SELECT SUM(level) FROM visits WHERE level BETWEEN 0 AND 5 OR days > 1",
        "SELECT SUM(level) FROM visits WHERE NOT (level < 0 OR level > 5)",
        "SELECT SUM(level) FILTER (WHERE level BETWEEN 0 AND 5) FROM visits",
        "SELECT SUM(level) FROM people LEFT JOIN visits ON id = pid AND level BETWEEN 0 AND 5",
        "SELECT SUM(a.level) FROM visits AS a JOIN visits AS b ON a.pid = b.pid WHERE b.level IN (0, 5)",
        "SELECT MEDIAN(seen) FROM visits WHERE seen < '2001-01-01'",
    ],
)
def test_without_both_ends_a_value_without_bounds_has_none(sql: str) -> None:
    with pytest.raises(SandboxError) as refused:
        rewritten(sql, WORLD)
    assert refused.value.code is ErrorCode.BOUNDS_MISSING


def test_bounds_reach_through_subqueries_joins_and_units() -> None:
    inner = "SELECT pid, level AS x FROM visits WHERE level >= 0 AND level < 8"
    assert bounds(f"SELECT SUM(x) AS s FROM ({inner}) AS q WHERE x <= 5 OR x > 6") == (0, 7)
    assert bounds(
        "SELECT SUM(level) AS s FROM people LEFT JOIN visits ON id = pid WHERE level IN (1, 4)"
    ) == (0, 4)
    assert bounds(
        f"SELECT SUM(m) AS s FROM (SELECT pid, MAX(x) AS m FROM ({inner}) AS q GROUP BY pid) AS u"
    ) == (0, 7)


@pytest.mark.parametrize(
    ("key", "condition", "keys"),
    [
        ("level", "level BETWEEN -1 AND 2", (-1, 0, 1, 2)),
        ("level", "level > -1 AND level < 2", (0, 1)),
        ("born", "born >= '2001-02-27' AND born < DATE '2001-03-02'",
         tuple(date(2001, m, d) for m, d in ((2, 27), (2, 28), (3, 1)))),
        ("date_trunc('month', seen)", "seen >= '2001-01-15' AND seen < '2001-03-01'",
         (datetime(2001, 1, 1), datetime(2001, 2, 1), None)),
        ("date_trunc('month', seen)", "seen BETWEEN '2001-01-15' AND TIMESTAMP '2001-03-01 00:00:00'",
         (datetime(2001, 1, 1), datetime(2001, 2, 1), datetime(2001, 3, 1), None)),
        # A list in the question is all that is left:
        ("place", "place IN ('u', 'no such place')", ("u", "no such place")),
        ("place", "'v' = place", ("v",)),
        ("place", "(place = 'u' OR (place = 'w' OR place IN ('u', 'x'))) AND days > 1", ("u", "w", "x")),
        ("kind", "kind IN ('s', 'q', 'z')", ("q", "s")),
        ("kind", "kind = 'z'", ("p", "q", "r", "s")),  # the policy's list holds what is left: nothing
        ("level", "level IN (5, -3, 5, 2.5)", (5, -3)),
        ("level", "(level = 1 OR level = 9) AND level < 4", (1,)),
        ("days", "days BETWEEN -1 AND 0", (-1, 0)),
        ("member", "member", (True,)),
        ("member", "NOT (member)", (False,)),
        ("member", "member = FALSE", (False,)),
        ("born", "born = '2001-02-27' OR born = '1999-01-01'", (date(2001, 2, 27), date(1999, 1, 1))),
        ("seen", "seen = '2001-01-15'", (datetime(2001, 1, 15),)),
    ],
)  # fmt: skip
def test_values_that_a_condition_leaves_are_public_keys(
    key: str, condition: str, keys: tuple[Any, ...]
) -> None:
    table = "people" if key in ("born", "member") else "visits"
    sql = f"SELECT {key} AS k, COUNT(*) AS n FROM {table} WHERE {condition} GROUP BY {key}"
    (boundary,) = rewritten(sql, WORLD).analyzed.boundaries
    assert boundary.domain == (keys,)


@pytest.mark.parametrize(
    ("column", "condition"),
    [
        ("born", "born >= TIMESTAMP '2001-01-01 12:00:00' AND born < '2001-03-01'"),
        ("born", "CAST(born AS TIMESTAMP) BETWEEN '2001-01-01' AND '2001-02-01'"),
        ("born", "born BETWEEN '2001-01-01' AND '2001-02-01' OR member"),
        ("born", "born >= '9999-12-31' AND born > '9999-12-31'"),
        ("born", "born > '2001-01-01'"),
    ],
)
def test_other_conditions_on_days_leave_their_keys_to_the_data(column: str, condition: str) -> None:
    sql = f"SELECT {column}, COUNT(*) AS n FROM people WHERE {condition} GROUP BY {column}"
    assert rewritten(sql, WORLD).analyzed.boundaries[0].selects


@pytest.mark.parametrize(
    "condition",
    [
        "place <> 'u'",
        "NOT place IN ('u', 'v')",
        "place IN ('u', NULL)",
        "place = 'u' OR days > 1",
        "place = 'u' OR kind = 'p'",
        "place = 'u' OR place LIKE 'v%'",
        "place = 'u' OR place = kind",
        "place >= 'u'",
        "UPPER(place) = 'U'",
    ],
)
def test_what_lists_no_values_leaves_the_keys_to_the_data(condition: str) -> None:
    sql = f"SELECT place, COUNT(*) AS n FROM visits WHERE {condition} GROUP BY place"
    assert rewritten(sql, WORLD).analyzed.boundaries[0].selects


def test_a_list_in_an_outer_join_or_a_filter_lists_nothing_of_the_rows() -> None:
    for sql in (
        "SELECT place, COUNT(*) FROM people LEFT JOIN visits ON id = pid AND place = 'u' GROUP BY place",
        "SELECT place, COUNT(*) FILTER (WHERE place = 'u') FROM visits GROUP BY place",
    ):
        assert rewritten(sql, WORLD).analyzed.boundaries[0].selects


def test_listed_groups_appear_also_when_empty_and_no_row_decides_which_do() -> None:
    sql = "SELECT place, COUNT(*) AS n FROM visits WHERE place IN ('u', 'nowhere') GROUP BY place"
    for rows in (random_rows(3, 40, 2), Rows((), ())):
        with engine(rows) as connection:
            answer = silent_answer(sql, published(6, 2, 3), connection).table
        assert answer.column("place").to_pylist() == ["u", "nowhere"]


COLUMNS = {"age": (0, 100), "score": (-5, 5), "weight": (0, 200)}


@st.composite
def conditions(draw: st.DrawFn, name: str) -> str:
    """What may be said of a column, and what may be said beside it."""
    low, high = COLUMNS[name]
    number = st.decimals(low - 3, high + 3, places=draw(st.integers(0, 3))).map(lambda d: f"{d:f}")
    if draw(st.integers(0, 3)) == 0:
        a, b = draw(number), draw(number)
        return f"{name} BETWEEN {a} AND {b}" if draw(st.booleans()) else f"{name} IN ({a}, {b})"
    sign = draw(st.sampled_from(["<", "<=", ">", ">=", "="]))
    text = f"{name} {sign} {draw(number)}" if draw(st.booleans()) else f"{draw(number)} {sign} {name}"
    wrapped = draw(st.sampled_from(["{}", "{}", "({})", "NOT {}", "({} OR member)", "({} AND NOT member)"]))
    return wrapped.format(text)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data(), st.sampled_from(sorted(COLUMNS)), st.integers(0, 500), st.booleans())
def test_narrowing_changes_no_answer_and_bounds_every_unit(
    data: st.DataObject, name: str, seed: int, clean: bool
) -> None:
    """Beside plain DuckDB over values held within the policy's bounds; and with a neighbour."""
    where = " AND ".join(data.draw(st.lists(conditions(name), min_size=1, max_size=3)))
    sql = f"SELECT SUM({name}) AS s, COUNT({name}) AS n, SUM({name} * 2) AS d FROM people WHERE {where}"
    rows = random_rows(seed, 40, 0, clean=clean)
    low, high = COLUMNS[name]
    held = f"CASE WHEN {name} < {low} THEN {low} WHEN {name} > {high} THEN {high} ELSE {name} END"
    with engine(rows) as connection:
        (ours,) = silent_answer(sql, WORLD, connection).table.to_pylist()
        (plain,) = connection.sql(
            f"SELECT COALESCE(SUM({held}), 0), COUNT({name}) FROM people WHERE __rank = 0 AND ({where})"
        ).fetchall()
    assert ours["n"] == plain[1], sql
    assert abs(float(ours["s"]) - float(plain[0])) <= 1e-4, sql  # of DOUBLE: forty roundings to 10**-6
    assert abs(float(ours["d"]) - 2 * float(plain[0])) <= 1e-4, sql
    if rows.units:
        assert_bounded(sql, rows, (1, 1, 1), data.draw(st.sampled_from(rows.units)))


def test_the_worst_unit_moves_a_narrowed_sum_by_its_bounds_and_no_more() -> None:
    sql = "SELECT SUM(age) AS s FROM people WHERE age > 20 AND age < 30.5"
    person = random_rows(1, 1, 0, clean=True).people[0]
    for age, counted in ((30, 30), (31, 0), (2**62, 0), (20, 0), (21, 21), (None, 0)):
        rows = Rows(((person[0], person[1], age, *person[3:]),), ())
        with engine(rows) as connection:
            assert silent_answer(sql, WORLD, connection).table.to_pylist() == [{"s": counted}]
        assert_bounded(sql, rows, (1, 1, 1), person[0])
