"""Quantiles, MIN and MAX over units: what they are without noise, how far off with it, and what is told."""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from sandbox.errors import ErrorCode, SandboxError
from sandbox.privacy.ledger import Ledger
from sandbox.privacy.mechanisms import Laplace
from sandbox.privacy.trees import rank_error, shape_for
from sandbox.query import present
from sandbox.query.grids import MOST_NODES, leaves_for
from sandbox.query.noise import noisy_table
from sandbox.query.quantiles import most_groups
from sandbox.query.within import Goals, Width, goals
from tests.query.pricing import FLOOR, answered, ledger, priced, world
from tests.query.world import (
    POLICY,
    Rows,
    engine,
    exact_tables,
    published,
    random_rows,
    rank_tables,
    rewritten,
    silent_answer,
)

TIMES = "seen: {type: timestamp, use: open, between: [1980-01-01 00:00:00, 2030-01-01 00:00:00]}"
DATED = POLICY.replace(
    "born: {type: date, use: open}", "born: {type: date, use: open, between: [1985-01-01, 2025-12-31]}"
).replace("seen: {type: timestamp, use: open}", TIMES)
WIDE = published(64, 64, 64, DATED)
ROWS = random_rows(3, 900, 3, clean=True)


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    return ledger(tmp_path_factory.mktemp("books"))


@pytest.mark.parametrize(
    ("sql", "slack"),
    [
        ("SELECT MEDIAN(born) AS m, QUANTILE_DISC(born, 0.9) AS q, MAX(born) AS x FROM people", 0),
        ("SELECT member, MEDIAN(born) AS m, MIN(born) AS x FROM people GROUP BY member", 0),
        ("SELECT QUANTILE_DISC(score, 0.3) AS q, MIN(score) AS x, MAX(score) AS y FROM people", 0),
        ("SELECT QUANTILE_CONT(score, 0.3) AS q, MEDIAN(score) AS m FROM people", 0.01),
        ("SELECT MEDIAN(weight) AS m, QUANTILE_CONT(weight, 0.9) AS q, MIN(weight) AS x FROM people", 0.0123),
        ("SELECT MEDIAN(cost) AS m, QUANTILE_DISC(cost, 0.1) AS q FROM visits", 0.001),
        ("SELECT MEDIAN(seen) AS m, QUANTILE_DISC(seen, 0.2) AS q, MAX(seen) AS x FROM visits", 97_000),
        ("SELECT QUANTILE_CONT(age, [0.1, 0.9]) AS q FROM people", 0),
        ("SELECT PERCENTILE_CONT(0.75) WITHIN GROUP (ORDER BY age DESC) AS q FROM people", 0),
        ("SELECT place, MEDIAN(days) FILTER (WHERE cost > 2) AS m FROM visits GROUP BY place", 0),
        ("SELECT MEDIAN(age + days) AS m FROM people JOIN visits ON id = pid", 0),
        ("SELECT MEDIAN(age / 3) AS m, QUANTILE_CONT(weight * 2 - age, 0.1) AS q FROM people", 0.04),
    ],
)  # fmt: skip
def test_without_noise_a_quantile_is_that_of_plain_duckdb_to_its_cell(sql: str, slack: float) -> None:
    """`slack`: the width of a cell, in the value's own unit (seconds of a time)."""
    with engine(ROWS) as connection:
        ours = silent_answer(sql, WIDE, connection).table.to_pylist()
        plain = connection.sql(sql).to_arrow_table().to_pylist()
    keys = [k for k in plain[0] if k in ("member", "place")]
    found = {tuple(row[k] for k in keys): [v for k, v in row.items() if k not in keys] for row in ours}
    for row in plain:
        mine, theirs = found[tuple(row[k] for k in keys)], [v for k, v in row.items() if k not in keys]
        theirs = theirs[0] if isinstance(theirs[0], list) else theirs
        assert all(_distance(a, b) <= slack + 1e-9 for a, b in zip(mine, theirs, strict=True)), (mine, theirs)


def _distance(a: Any, b: Any) -> float:
    if isinstance(a, date):
        assert type(a) is type(b)
        return abs((a - b).total_seconds())
    return abs(float(a) - float(b))


def test_a_group_without_rows_has_no_quantile() -> None:
    with engine(Rows((), ())) as connection:
        table = silent_answer("SELECT grp, MEDIAN(age) AS m FROM people GROUP BY grp", WIDE, connection).table
        assert table.column("m").to_pylist() == [None] * 4
        nobody = silent_answer(
            "SELECT place, MEDIAN(days) AS m FROM visits GROUP BY 1", WIDE, connection
        ).table
        assert nobody.num_rows == 0
        alone = silent_answer("SELECT MEDIAN(age) AS m, MAX(born) AS x FROM people", WIDE, connection).table
    assert alone.to_pylist() == [{"m": None, "x": None}]


def test_values_outside_the_bounds_count_as_the_nearest_and_no_row_raises() -> None:
    wild = random_rows(5, 60, 6)
    with engine(wild) as connection:
        for value in (
            "age",
            "score",
            "weight",
            "born",
            "CAST(weight AS DECIMAL(18, 2))",
            "age * weight",
        ):
            sql = f"SELECT MIN({value}) AS a, MEDIAN({value}) AS m, MAX({value}) AS z FROM people"
            (row,) = silent_answer(sql, WIDE, connection).table.to_pylist()
            assert row["a"] <= row["z"], value
        (row,) = silent_answer(
            "SELECT MIN(age) AS a, MAX(age) AS z FROM people", WIDE, connection
        ).table.to_pylist()
        assert row == {"a": 0, "z": 100}
        assert math.isfinite(
            silent_answer("SELECT MAX(weight) AS z FROM people", WIDE, connection).table[0][0].as_py()
        )


def test_the_rows_of_a_unit_with_too_many_weigh_together_what_those_that_count_do() -> None:
    """One unit with 40 rows at 50 against 9 units with one at 1: it may hold three rows in a group."""
    many = tuple((1, 1, 50, "p", "u", Decimal(1), 1, None) for _ in range(40))
    others = tuple((u, u, 1, "p", "u", Decimal(1), 1, None) for u in range(2, 11))
    with engine(Rows((), many + others)) as connection:
        sql = (
            "SELECT kind, MEDIAN(days) AS m, QUANTILE_DISC(days, [0.74, 0.76]) AS q FROM visits GROUP BY kind"
        )
        row = silent_answer(sql, published(40, 2, 3), connection).table.to_pylist()[0]
        ranks = rank_tables(rewritten(sql, published(40, 2, 3)), connection)[0][0].to_pylist()[0]
    assert row == {"kind": "p", "m": 1.0, "q_p74": 1, "q_p76": 50}
    assert dict(zip(ranks["cell"], ranks["n"], strict=True)) == {100: 3_000_000, 51: 9_000_000}


def test_all_quantiles_of_a_value_are_one_vector_with_one_price(books: Ledger) -> None:
    one = priced("SELECT MEDIAN(age) AS m FROM people", world(), books)
    many = priced(
        "SELECT QUANTILE_CONT(age, [0.1, 0.5, 0.9]) AS q, MIN(age) AS a, MAX(age) AS z FROM people",
        world(),
        books,
    )
    assert len(many.boundaries[0].noise) == len(one.boundaries[0].noise) == 1
    assert many.boundaries[0].noise[0].mechanism == one.boundaries[0].noise[0].mechanism
    assert len(many.boundaries[0].boundary.points) == 5


@pytest.mark.parametrize(
    ("sql", "epsilon"),
    [
        ("SELECT MEDIAN(age) AS m FROM people", "1"),
        ("SELECT MEDIAN(age) AS m FROM people", "0.1"),
        ("SELECT QUANTILE_CONT(score, 0.9) AS m FROM people", "1"),
        ("SELECT grp, MEDIAN(age) AS m FROM people GROUP BY grp", "0.5"),
        ("SELECT QUANTILE_DISC(days, 0.25) AS m FROM visits", "2"),
    ],
)
def test_the_half_width_of_a_quantile_covers_it(books: Ledger, sql: str, epsilon: str) -> None:
    """At least 94 % of 300 answers or more; each holds with 99.2 % or more, so that P(fails) < 1e-10."""
    covered, cells = _covered(books, sql, epsilon, 300)
    assert covered >= 0.94 * cells


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT MEDIAN(born) AS m FROM people",
        "SELECT QUANTILE_DISC(born, 0.8) AS m FROM people",
        "SELECT QUANTILE_CONT(seen, 0.3) AS m FROM visits",
    ],
)
def test_the_half_width_of_a_day_or_time_covers_it(books: Ledger, sql: str) -> None:
    """At least 48 of 60 answers; each holds with 95 % at the very least, in fact 99.2 %: P(fails) < 1e-13."""
    covered, cells = _covered(books, sql, "1", 60)
    assert cells == 60
    assert covered >= 48


def _covered(books: Ledger, sql: str, epsilon: str, times: int) -> tuple[int, int]:
    """How many half-widths hold the quantile of the bounded rows, and how many there are."""
    of = published(6, 2, 3, DATED)
    asked = priced(sql, of, books, epsilon)
    (boundary,) = asked.boundaries
    (point,) = boundary.boundary.points
    with engine(ROWS) as connection:
        (exact,) = exact_tables(asked.rewritten, connection)
        (ranks,) = rank_tables(asked.rewritten, connection)
        truth = silent_answer(sql, of, connection).table.column("m").to_pylist()
    covered = 0
    for _ in range(times):
        table = noisy_table(boundary, exact, ranks)
        seen, widths = (table.column(n).to_pylist() for n in (point.name, f"__q_{point.name}"))
        covered += sum(
            _distance(a, b) / (86_400 if isinstance(a, date) else 1) <= w + 1e-9
            for a, b, w in zip(seen, truth, widths, strict=True)
            if a is not None
        )
    return covered, times * len(truth)


def test_the_rank_error_is_near_that_of_the_exponential_mechanism_and_serves_every_fraction() -> None:
    """Of one median at epsilon 1 that is off by 2 ln(cells / 0.05) in 1 of 20 (McSherry & Talwar 2007).

    Nine fractions cost it nine times as much; the tree answers them at the price of one.
    """
    for leaves, ratio in ((101, 0.9), (1_000, 1.25), (4_096, 1.4), (16_384, 1.6)):
        shape = shape_for(leaves)
        tree = rank_error(shape, Laplace(float(shape.levels)), 0.5)
        assert tree <= ratio * 2 * math.log(leaves / 0.05)


def test_an_extreme_is_the_value_that_the_note_says(books: Ledger) -> None:
    """MAX has about the rows above it that its note names, and lies below the true maximum."""
    sql = "SELECT MAX(score) AS z, MIN(score) AS a FROM people"
    asked = priced(sql, world(), books, "1")
    notes = " ".join(n.en for n in present.estimate_of(asked.rewritten.analyzed, asked, books).notes)
    assert "MAX is an extreme quantile of people.score" in notes
    with engine(ROWS) as connection:
        scores = np.array(
            [r[0] for r in connection.sql("SELECT score FROM people WHERE score IS NOT NULL").fetchall()],
            float,
        )
        seen = [answered(asked, connection).table.to_pylist()[0] for _ in range(20)]
    rows = float(notes.split("MAX is")[1].split("about ")[1].split(" ")[0])
    above = np.mean([(scores > float(s["z"])).sum() for s in seen])
    assert 0.5 * rows <= above <= 1.6 * rows
    assert all(scores.min() <= float(s["a"]) < float(s["z"]) <= scores.max() for s in seen)


def test_an_estimate_tells_the_error_of_a_rank(books: Ledger) -> None:
    asked = priced("SELECT MEDIAN(age) AS m FROM people", world(), books)
    estimate = present.estimate_of(asked.rewritten.analyzed, asked, books)
    (share,) = estimate.cost.shares
    assert share.measure == "ranks of people.age"
    assert share.half_width == math.ceil(rank_error(shape_for(101), Laplace(2.0), 0.5))
    assert estimate.columns[0].noisy
    assert any(f"{share.half_width:.0f} rows in rank" in n.en for n in estimate.notes)


def test_below_the_floor_no_quantile_is_given(books: Ledger) -> None:
    sql = "SELECT grp, MEDIAN(age) AS m, MAX(born) AS x FROM people GROUP BY grp"
    floored = published(6, 2, 3, DATED.replace(FLOOR, f"{FLOOR}\n  minimum_group: 5000"))
    with engine(ROWS) as connection:
        got = answered(priced(sql, floored, books, "10"), connection)
    assert [c.null_count for c in got.table.columns[1:]] == [4, 4]
    assert got.errors.column("m").null_count == 4


def test_an_error_bar_goes_through_arithmetic_and_is_in_days_of_days_and_times(books: Ledger) -> None:
    sql = (
        "SELECT MEDIAN(age) AS m, 2 * MEDIAN(age) AS twice, MAX(born) AS x, MEDIAN(born) AS y,"
        " YEAR(MAX(born)) AS z, MEDIAN(seen) AS t, MIN(born) AS first, MAX(born) - MIN(born) AS apart,"
        " DATE_DIFF('day', MIN(born), MAX(born)) AS days, DATE_DIFF('year', MIN(born), MAX(born)) AS years"
        " FROM people JOIN visits ON id = pid"
    )
    of = published(6, 2, 3, DATED)
    with engine(ROWS) as connection:
        got = answered(priced(sql, of, books, "9"), connection)
    (row,), errors = got.table.to_pylist(), got.errors
    (bars,) = errors.to_pylist()
    assert bars["twice"] == pytest.approx(2 * bars["m"])
    assert set(errors.column_names) == {"m", "twice", "x", "y", "t", "first", "apart", "days"}
    assert bars["apart"] == pytest.approx(bars["x"] + bars["first"])
    assert bars["days"] == pytest.approx(bars["apart"] + 1)
    assert isinstance(row["x"], date)
    assert not isinstance(row["x"], datetime)
    # Forty years of days: an error bar is some of them, and neither less than one nor all there are.
    for name in ("y", "t"):
        assert 1 <= bars[name] <= 50 * 366, bars
    assert errors.schema.field("t").type == pa.float64()


def test_a_wanted_error_of_a_day_is_a_number_of_days() -> None:
    analyzed = rewritten("SELECT MEDIAN(born) AS m, COUNT(*) AS n FROM people", WIDE).analyzed
    assert goals("5", analyzed) == Goals({1: Width(Decimal(5), False)}, {0: Width(Decimal(5), False)})
    assert set(goals("5%", analyzed).after) == {1}
    with pytest.raises(SandboxError) as refused:
        goals({"m": "5%"}, analyzed)
    assert refused.value.code is ErrorCode.SQL_UNSUPPORTED


def test_groups_that_the_data_names_have_quantiles_as_far_as_noise_is_drawn(
    books: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.query.quantiles.MOST_NODES", 60)
    sql = "SELECT place, MEDIAN(days) AS m FROM visits GROUP BY place"
    with engine(ROWS) as connection:
        asked = priced(sql, world(), books, "10")
        assert most_groups(asked.boundaries[0].boundary.trees[0]) == 2
        got = answered(asked, connection)
    assert got.table.num_rows == 6
    assert got.table.column("m").null_count == 4


@pytest.mark.parametrize("groups", [1, 2, 17, 100, 1_000, 4_000])
def test_many_groups_get_fewer_cells_and_too_many_are_refused(groups: int) -> None:
    leaves = leaves_for(groups, 10**6)
    assert leaves is not None
    assert groups * shape_for(leaves).nodes <= MOST_NODES
    assert leaves_for(50_000, 10**6) is None
    assert leaves_for(50_000, 2) == 2


def test_ten_thousand_answers_take_no_row_at_a_time(books: Ledger) -> None:
    """Many groups at once: every group's quantile is its own."""
    groups = 300
    asked = priced("SELECT age, MEDIAN(filter_only) AS m FROM people GROUP BY age", _open(), books, "100")
    exact = pa.table({"k0": list(range(101))})
    ranks = pa.table(
        {"k0": list(range(101)), "cell": [[i % 10] for i in range(101)], "n": [[groups] for _ in range(101)]}
    )
    table = noisy_table(asked.boundaries[0], exact, (ranks,))
    assert table.column("q0").to_pylist() == [float(i % 10) for i in range(101)]


def _open() -> Any:
    policy = POLICY.replace(
        "filter_only: {type: integer, use: filter", "filter_only: {type: integer, use: open"
    )
    return published(6, 2, 3, policy.replace("question: {epsilon: 10", "question: {epsilon: 100"))
