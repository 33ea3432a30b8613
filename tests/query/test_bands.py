"""Bands and periods as group keys: their values follow from public bounds, cost no delta, and all appear."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from sandbox.query.public_keys import periods, truncated
from tests.query.equivalence import assert_rows
from tests.query.test_quantiles import DATED, WIDE
from tests.query.world import Rows, engine, published, random_rows, rewritten, silent_answer

ROWS = random_rows(3, 300, 3, clean=True)


@pytest.mark.parametrize(
    ("key", "table", "groups"),
    [
        ("FLOOR(age / 10) * 10", "people", 12),
        ("age // 10", "people", 12),
        ("age % 7", "people", 8),
        ("age - 18", "people", 102),
        ("CEIL(weight / 25)", "people", 10),
        ("CAST(score AS INT)", "people", 12),
        ("YEAR(born)", "people", 42),
        ("date_trunc('year', born)", "people", 42),
        ("date_trunc('quarter', born)", "people", 165),
        ("FLOOR(cost / 0.5) * 0.5", "visits", 22),
        ("days // 7", "visits", 16),
        ("date_trunc('month', seen)", "visits", 602),
    ],
)
def test_bands_and_periods_have_public_values(key: str, table: str, groups: int) -> None:
    """`groups`: all there are, and one for NULL."""
    sql = f"SELECT {key} AS k, COUNT(*) AS n FROM {table} GROUP BY k"
    (boundary,) = rewritten(sql, WIDE).analyzed.boundaries
    assert not boundary.selects
    assert [len(values) for values in boundary.domain or ()] == [groups]
    with engine(ROWS) as connection:
        assert_rows(sql, silent_answer(sql, WIDE, connection).table, connection)


@pytest.mark.parametrize(
    "key", ["date_trunc('day', born)", "born", "LENGTH(city)", "age * 100 - days", "city"]
)
def test_too_many_values_and_those_without_bounds_are_named_by_the_data(key: str) -> None:
    sql = f"SELECT {key} AS k, COUNT(*) AS n FROM people JOIN visits ON id = pid GROUP BY k"
    assert rewritten(sql, WIDE).analyzed.boundaries[0].selects


def test_a_day_outside_the_bounds_is_in_no_period() -> None:
    policy = DATED.replace("[1985-01-01, 2025-12-31]", "[2000-01-01, 2001-12-31]")
    with engine(ROWS) as connection:
        sql = "SELECT YEAR(born) AS y, COUNT(*) AS n FROM people GROUP BY y ORDER BY y"
        years = silent_answer(sql, published(6, 2, 3, policy), connection).table
        seen = connection.sql(sql).fetchall()
    assert years.column("y").to_pylist() == [2000, 2001, None]
    assert years.to_pylist() == [{"y": y, "n": n} for y, n in seen if y in (2000, 2001, None)]


@pytest.mark.parametrize("unit", ["YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR"])
def test_periods_are_those_of_duckdb(unit: str) -> None:
    first, last = datetime(2019, 12, 30, 5, 6), datetime(2020, 1, 27, 3, 6)
    with engine(Rows((), ())) as connection:
        seen = connection.sql(
            f"SELECT DISTINCT date_trunc('{unit}', t) AS p FROM generate_series(TIMESTAMP '{first}',"
            f" TIMESTAMP '{last}', INTERVAL '10 minutes') AS s(t) ORDER BY p"
        ).fetchall()
    assert periods((first, last), unit) == tuple(p for (p,) in seen)
    assert truncated(date(2020, 2, 29), "WEEK") == datetime(2020, 2, 24)
    assert periods((date(1, 1, 1), date(9999, 12, 31)), "DAY") is None
