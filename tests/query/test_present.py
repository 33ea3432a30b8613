"""Error bars: they cover what they say, for numbers as they are and for numbers that are computed."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest

from sandbox.privacy.ledger import Ledger
from sandbox.query import present
from sandbox.query.noise import Noised, noisy_table
from sandbox.query.postprocess import joined, post_process, split
from sandbox.query.price import Priced
from tests.query.pricing import answered, ledger, priced, world
from tests.query.world import Rows, engine, exact_tables, random_rows

ROWS = random_rows(3, 400, 4, clean=True)
TIMES = 2000
# P(less than 92 % of 2,000 independent answers) < 6e-9 where 95 % are meant: 6.2 standard deviations.
SLACK = 0.03


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    return ledger(tmp_path_factory.mktemp("books"))


def _repeated(asked: Priced) -> tuple[pa.Table, pa.Table]:
    """The exact table of the one boundary, and the noisy one, `TIMES` over (independent noise)."""
    with engine(ROWS) as connection:
        (exact,) = exact_tables(asked.rewritten, connection)
    many = pa.concat_tables([exact] * TIMES).combine_chunks()
    return many, noisy_table(asked.boundaries[0], many)


@pytest.mark.parametrize("epsilon", ["0.1", "1", "5"])
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(*) AS n FROM people",
        "SELECT SUM(age) AS n FROM people",
        "SELECT SUM(score) AS n FROM people",
        "SELECT COUNT(*) AS n, SUM(cost) AS c FROM visits",
        "SELECT "
        + ", ".join(f"SUM(CASE WHEN age > {i} THEN 1 END) AS s{i}" for i in range(30))
        + " FROM people",
    ],
    ids=["count", "sum", "decimals", "two", "gaussian"],
)
def test_the_half_width_of_a_noisy_number_covers_95_percent(books: Ledger, sql: str, epsilon: str) -> None:
    asked = priced(sql, world(), books, epsilon)
    exact, noisy = _repeated(asked)
    names = [m.name for m in asked.boundaries[0].boundary.measures]
    for column, share in list(zip(names, present.cost_of(asked).shares, strict=True))[:3]:
        truth, seen = (np.array(t.column(column).to_pylist(), float) for t in (exact, noisy))
        within = np.abs(seen - truth) <= share.half_width + 1e-9
        # Noise is on whole units: few of them fit within a narrow error bar, which then covers more.
        least = 0.95 - SLACK
        assert least <= within.mean(), (share, within.mean())
        if share.scale > 20 * 10.0**-6 and share.half_width > 20:
            assert within.mean() <= 0.95 + SLACK, (share, within.mean())


@pytest.mark.parametrize(
    ("sql", "least", "most"),
    [
        ("SELECT AVG(age) AS a FROM people", 0.95, 0.99),
        ("SELECT AVG(weight) AS a FROM people", 0.95, 0.99),
        ("SELECT SUM(weight) AS a FROM people", 0.95, 0.96),
        ("SELECT 100 * SUM(CASE WHEN member THEN 1 ELSE 0 END) / COUNT(*) AS p FROM people", 0.95, 0.99),
        ("SELECT SUM(days) / COUNT(*) AS m FROM visits", 0.95, 0.99),
        ("SELECT ROUND(AVG(age), 0) AS a FROM people", 0.90, 1.0),
        ("SELECT -2 * COUNT(*) + 7 AS n FROM people", 0.95, 0.96),
        ("SELECT SQRT(COUNT(*)) AS n FROM people", 0.95, 0.99),
        ("SELECT POW(COUNT(*) - 400, 2) AS n FROM people", 0.95, 1.0),
        ("SELECT ABS(COUNT(*) - 400) AS n FROM people", 0.95, 1.0),
        ("SELECT STDDEV_POP(age) AS s FROM people", 0.90, 1.0),
    ],
)
def test_error_propagation_covers_about_95_percent(
    books: Ledger, sql: str, least: float, most: float
) -> None:
    """Quotients of two Laplace numbers have thinner tails than their half-widths: never under 95 %."""
    asked = priced(sql, world(), books, "2")
    exact, noisy = _repeated(asked)
    truth = post_process(asked.rewritten, asked, Noised({"noisy_0": exact}), 30)
    got = post_process(asked.rewritten, asked, Noised({"noisy_0": noisy}), 30)
    value, width, goal = (
        np.array(t.column(0).to_pylist(), float) for t in (got.table, got.errors, truth.table)
    )
    covered = (np.abs(value - goal) <= width).mean()
    assert least - SLACK <= covered <= most + SLACK


def test_error_bars_are_for_numbers_alone(books: Ledger) -> None:
    sql = (
        "SELECT grp, COUNT(*) AS n, COUNT(*) > 5 AS many, CASE WHEN COUNT(*) > 5 THEN 'x' END AS word,"
        " AVG(age) AS a, 1 AS one FROM people GROUP BY grp"
    )
    with engine(ROWS) as connection:
        got = answered(priced(sql, world(), books), connection)
    assert got.errors.column_names == ["n", "a"]
    assert all(w is not None and w > 0 for w in got.errors.column("n").to_pylist())


def test_below_the_floor_neither_number_nor_error_bar_is_given(books: Ledger) -> None:
    sql = "SELECT grp, COUNT(*) AS n, AVG(age) AS a FROM people GROUP BY grp"
    with engine(Rows(ROWS.people[:12], ())) as connection:
        got = answered(priced(sql, world(minimum_group=900), books, "10"), connection)
    assert got.table.column("grp").to_pylist() == ["a", "b", "c", None]
    for column in (*got.table.columns[1:], *got.errors.columns):
        assert column.null_count == 4


def test_what_is_computed_from_several_answers_is_noisy_and_has_an_error_bar(books: Ledger) -> None:
    asked = priced(
        "SELECT a.n - b.n AS d, b.n AS n FROM (SELECT COUNT(*) AS n FROM people) AS a CROSS JOIN"
        " (SELECT COUNT(*) AS n FROM visits) AS b", world(), books,
    )  # fmt: skip
    with engine(ROWS) as connection:
        (bars,) = answered(asked, connection).errors.to_pylist()
    widths = [b.noise[0].half_width for b in asked.boundaries]
    assert bars == {"d": pytest.approx(math.hypot(*widths)), "n": widths[1]}
    estimate = present.estimate_of(asked.rewritten.analyzed, asked, books)
    assert [(c.noisy, c.mechanism, c.half_width) for c in estimate.columns] == [
        (True, "derived", None),
        (True, "laplace", widths[1]),
    ]


def test_an_estimate_names_columns_with_their_half_widths(books: Ledger) -> None:
    asked = priced("SELECT grp, COUNT(*) AS n, AVG(age) AS a FROM people GROUP BY grp", world(), books)
    estimate = present.estimate_of(asked.rewritten.analyzed, asked, books)
    grp, n, a = estimate.columns
    assert (grp.noisy, grp.mechanism) == (False, None)
    assert (n.noisy, n.mechanism) == (True, "laplace")
    shares = {s.measure: s for s in estimate.cost.shares}
    assert n.half_width == shares["units"].half_width
    assert (a.noisy, a.mechanism, a.half_width) == (True, "derived", None)
    assert estimate.affordable
    assert estimate.notes


def test_the_estimate_and_the_answer_speak_of_the_same_error(books: Ledger) -> None:
    asked = priced("SELECT COUNT(*) AS n FROM people", world(), books)
    (column,) = present.estimate_of(asked.rewritten.analyzed, asked, books).columns
    with engine(ROWS) as connection:
        got = answered(asked, connection)
    assert got.errors.column("n").to_pylist() == [column.half_width]


def test_split_and_joined_are_inverse(books: Ledger) -> None:
    with engine(ROWS) as connection:
        got = answered(
            priced("SELECT grp, COUNT(*) AS n, AVG(age) AS a FROM people GROUP BY grp", world(), books),
            connection,
        )
    back = split(joined(got, ("grp", "n", "a")), ("grp", "n", "a"))
    assert back.table.equals(got.table)
    assert back.errors.equals(got.errors)
