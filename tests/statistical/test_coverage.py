"""The half-widths that are stated cover the truth as often as they say, for every aggregate, by the service.

Two hundred cells of 300 units each. The truth is what plain DuckDB says of the file that was loaded. Each
comparison is of 2,000 answers or more: of a single noisy number, and of what is computed of several, the
half-width covers 95 +- 1 %, so far as that many answers can tell; of a quantile, which is read from whole
cells of a tree with the tails of one Laplace, at least 95 % (ADR 0003).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import duckdb
import numpy as np
import pytest
from scipy import stats

from sandbox.privacy.mechanisms import Gaussian, Laplace
from sandbox.service import home as homes
from sandbox.service.home import Home
from tests.statistical import unlikely
from tests.statistical.instance import asked, make

pytestmark = pytest.mark.long
CELLS, UNITS = 200, 300
CROWD = """
  crowd:
    unit: {name: person, column: id, when_null: drop}
    bounds: {rows_per_unit: 1}
    columns:
      id: {type: integer, use: join_only, nullable: false}
      cell: {type: integer, use: open, between: [0, 199], nullable: false}
      x: {type: integer, use: open, between: [0, 100], nullable: false}
      y: {type: integer, use: open, between: [0, 100], nullable: false}
      d: {type: decimal, digits: 6, decimals: 2, use: open, between: [-5, 5], nullable: false}
      w: {type: double, use: open, between: [0, 200], nullable: false}
      two: {type: integer, use: open, between: [0, 100], nullable: false}
      day: {type: date, use: open, between: [2000-01-01, 2000-12-31], nullable: false}
      moment: {type: timestamp, use: open, between: [2000-01-01 00:00:00, 2000-12-31 00:00:00]}
  many:
    unit: {name: person, column: id, when_null: drop}
    bounds: {rows_per_unit: 2}
    columns:
      id: {type: integer, use: join_only, nullable: false}
      cell: {type: integer, use: open, between: [0, 199], nullable: false}
      x: {type: integer, use: open, between: [0, 100], nullable: false}
"""
LITERALS = count()


@dataclass(frozen=True)
class Lab:
    """The instance, and the rows that are in it."""

    home: Home
    rows: duckdb.DuckDBPyConnection


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("crowd")
    r = np.random.default_rng(1)
    n = CELLS * UNITS
    cell = np.arange(n) % CELLS
    x = np.clip(r.gamma(4, 10, n).astype(int), 0, 100)
    y = np.clip(x + r.integers(-30, 31, n), 0, 100)
    d = np.clip(np.round(r.normal(0, 2, n), 2), -5, 5)
    w = np.clip(2 * x * r.uniform(0.5, 1, n), 0, 200)
    two = np.where(r.random(n) < 0.3, 5, 95)
    day = np.datetime64("2000-01-01") + (3 * x).astype("timedelta64[D]")
    moment = day.astype("datetime64[s]") + r.integers(0, 86_400, n).astype("timedelta64[s]")
    columns = [np.arange(n), cell, x, y, d, w, two, day.astype(str), moment.astype(str)]
    names = ("id", "cell", "x", "y", "d", "w", "two", "day", "moment")
    crowd = names, list(zip(*(c.tolist() for c in columns), strict=True))
    many = (
        ("id", "cell", "x"),
        [(i, c, v) for i, c, v in zip(*(c.tolist() for c in columns[:3]), strict=True)] * 2,
    )
    home = make(folder, CROWD, {"crowd": crowd, "many": many})
    with duckdb.connect() as rows:
        for table in ("crowd", "many"):
            rows.execute(f"CREATE TABLE {table} AS FROM read_csv('{folder / table}.csv')")
        yield Lab(home, rows)
    homes.close(home)


def covered(lab: Lab, table: str, calls: list[str], epsilon: str, times: int) -> list[tuple[int, int]]:
    """How many half-widths reach the truth, of how many, for each call."""
    sql = "SELECT cell, {} FROM {} WHERE x >= -{} GROUP BY cell ORDER BY cell"
    named = ", ".join(f"{call} AS a{i}" for i, call in enumerate(calls))
    truth = lab.rows.execute(sql.format(named, table, 1)).fetchall()
    hits = [[0, 0] for _ in calls]
    for _ in range(times):
        answer = asked(lab.home, sql.format(named, table, next(LITERALS)), Decimal(epsilon))
        for i in range(len(calls)):
            values, widths = (t.column(f"a{i}").to_pylist() for t in (answer.table, answer.errors))
            for value, width, exact in zip(values, widths, truth, strict=True):
                if value is None:  # noise left this cell no row to read a quantile from
                    continue
                hits[i][0] += distance(value, exact[i + 1]) <= width + 1e-9
                hits[i][1] += 1
    return [(hit, whole) for hit, whole in hits]


def distance(value: Any, exact: Any) -> float:
    """Of two numbers; of days and times in days."""
    if isinstance(value, date):
        return abs((value - exact) / timedelta(days=1))
    return abs(float(value) - float(exact))


def within(hit: int, whole: int, least: float, most: float) -> bool:
    """Whether so many may be seen where the share lies between `least` and `most`."""
    too_few = unlikely(stats.binom(whole, least).cdf(hit))
    return not (too_few or unlikely(stats.binom(whole, most).sf(hit - 1)))


# What is asked together; the epsilon; the tables; how often.
SINGLE = [
    (["COUNT(*)"], "0.1", "crowd", 25),
    (["COUNT_IF(x > 30)", "SUM(x)", "SUM(d)"], "0.3", "crowd", 25),
    (["COUNT(DISTINCT x)", "SUM(w)", "COUNT(y)"], "0.3", "crowd", 25),
    ([f"COUNT_IF(y > {i})" for i in range(20)], "1", "crowd", 10),  # Gaussian
    (["COUNT(*)", "SUM(x)", "COUNT(DISTINCT id)"], "0.5", "many", 25),
]
COMPUTED = [
    (["AVG(x)", "AVG(d)", "AVG(w)"], "4", "crowd", 15),
    (["VAR_POP(x)", "STDDEV(x)", "VAR_SAMP(x)"], "4", "crowd", 15),
    (["STDDEV_POP(d)", "SUM(x) / COUNT(*)"], "4", "crowd", 15),
    (["COVAR_POP(x, y)", "COVAR_SAMP(x, y)", "CORR(x, y)"], "6", "crowd", 12),
    (["REGR_SLOPE(y, x)", "REGR_INTERCEPT(y, x)"], "6", "crowd", 12),
    (["AVG(x)", "STDDEV(x)"], "6", "many", 15),
]


@pytest.mark.parametrize(("calls", "epsilon", "table", "times"), SINGLE, ids=lambda v: str(v)[:60])
def test_a_half_width_covers_95_percent(
    lab: Lab, calls: list[str], epsilon: str, table: str, times: int
) -> None:
    """Noise on few whole steps covers up to 96 %: a half-width is a whole step."""
    for call, (hit, whole) in zip(calls, covered(lab, table, calls, epsilon, times), strict=True):
        print(f"{call} of {table} at {epsilon}: {100 * hit / whole:.1f} % of {whole}")
        assert within(hit, whole, 0.94, 0.96), (call, hit, whole)


@pytest.mark.parametrize(("calls", "epsilon", "table", "times"), COMPUTED, ids=lambda v: str(v)[:60])
def test_what_is_computed_is_covered_as_often(
    lab: Lab, calls: list[str], epsilon: str, table: str, times: int
) -> None:
    for call, (hit, whole) in zip(calls, covered(lab, table, calls, epsilon, times), strict=True):
        print(f"{call} of {table} at {epsilon}: {100 * hit / whole:.1f} % of {whole}")
        assert within(hit, whole, 0.94, 0.96), (call, hit, whole)


@pytest.mark.parametrize(
    ("value", "epsilon"),
    [
        *((value, epsilon) for value in ("x", "d", "w", "two") for epsilon in ("0.05", "0.3", "1", "6")),
        *((value, epsilon) for value in ("day", "moment") for epsilon in ("0.3", "2")),
    ],
)
def test_the_half_width_of_a_quantile_covers_at_least_95_percent(lab: Lab, value: str, epsilon: str) -> None:
    """Seven fractions at once, for one price; 2,000 answers of each."""
    calls = [f"QUANTILE_CONT({value}, {f})" for f in (0.02, 0.25, 0.75, 0.9, 0.99)]
    calls += [f"MEDIAN({value})", f"QUANTILE_DISC({value}, 0.6)"]
    for call, (hit, whole) in zip(calls, covered(lab, "crowd", calls, epsilon, 10), strict=True):
        print(f"{call} at {epsilon}: {100 * hit / whole:.1f} % of {whole}")
        assert not unlikely(stats.binom(whole, 0.95).cdf(hit)), (call, hit, whole)


CELL = "(SELECT cell, SUM(w) AS s FROM crowd WHERE {} GROUP BY cell)"
BOTH = f"{CELL.format('x >= -{0}')} AS a JOIN {CELL.format('y > 30')} AS b ON a.cell = b.cell"


@pytest.mark.parametrize("value", ["b.s", "a.s - b.s", "b.s / a.s"])
def test_what_is_computed_of_joined_answers_is_covered_as_often(lab: Lab, value: str) -> None:
    sql = f"SELECT a.cell, {value} AS v FROM {BOTH} ORDER BY a.cell"
    truth = lab.rows.execute(sql.format(1)).fetchall()
    hit = whole = 0
    for _ in range(12):
        answer = asked(lab.home, sql.format(next(LITERALS)), Decimal(8))
        values, widths = (t.column("v").to_pylist() for t in (answer.table, answer.errors))
        for got, width, (_cell, exact) in zip(values, widths, truth, strict=True):
            hit += abs(got - exact) <= width + 1e-9
            whole += 1
    print(f"{value} of joined answers: {100 * hit / whole:.1f} % of {whole}")
    assert within(hit, whole, 0.94, 0.97), (value, hit, whole)


def test_half_widths_that_are_a_third_too_narrow_are_found_out(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in (Laplace, Gaussian):  # which of them is taken depends on what the accounts have paid before
        monkeypatch.setattr(kind, "half_width", lambda *of, real=kind.half_width: round(2 / 3 * real(*of)))
    ((hit, whole),) = covered(lab, "crowd", ["SUM(x)"], "0.2", 20)
    assert not within(hit, whole, 0.94, 0.96)
