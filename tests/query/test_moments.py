"""Sums that several aggregates of a question read are measured once, where they are the same sum."""

from __future__ import annotations

from typing import Any

import pytest

from tests.query.test_neighbours import assert_bounded
from tests.query.world import POLICY, Rows, engine, published, random_rows, rewritten, silent_answer

AGE = "age: {type: integer, use: open, between: [0, 100]}"
SCORE = "score: {type: decimal, digits: 9, decimals: 2, use: open, between: [-5, 5]}"
DAYS = "days: {type: integer, use: open, between: [-50, 50]}"
COST = "cost: {type: decimal, digits: 12, decimals: 3, use: open, between: [0, 10]}"


def world(*sure: str) -> Any:
    """The small world, in which these columns are never NULL."""
    policy = POLICY
    for column in sure:
        policy = policy.replace(column, column.replace("}", ", nullable: false}"))
    assert policy.count("nullable: false}") == POLICY.count("nullable: false}") + len(sure)
    return published(policy=policy)


def measures(sql: str, *sure: str) -> int:
    (boundary,) = rewritten(sql, world(*sure)).analyzed.boundaries
    return len(boundary.measures)


@pytest.mark.parametrize(
    ("calls", "separate", "shared"),
    [
        ("AVG(age) AS a, AVG(score) AS b, COVAR_POP(age, score) AS c", 8, 4),
        ("VAR_POP(age) AS a, STDDEV(score) AS b, CORR(age, score) AS c, COUNT(*) AS n", 13, 6),
        ("AVG(age) FILTER (WHERE member) AS a, REGR_SLOPE(score, age) FILTER (WHERE member) AS b", 7, 6),
        ("CORR(age, score) AS a, REGR_R2(score, age) AS b, REGR_COUNT(age, score) AS n", 8, 7),
    ],
)
def test_a_sum_is_measured_once_where_no_value_is_null(calls: str, separate: int, shared: int) -> None:
    sql = f"SELECT {calls} FROM people"
    assert (measures(sql), measures(sql, AGE, SCORE)) == (separate, shared)


def test_only_what_the_other_value_leaves_out_makes_another_sum() -> None:
    """AVG(age) is over all rows, COVAR(age, score) over those with a score: the same if no score is NULL."""
    sql = "SELECT AVG(age) AS a, AVG(score) AS b, COVAR_POP(age, score) AS c FROM people"
    assert measures(sql, AGE) == measures(sql, SCORE) == 6


def _without_nulls(rows: Rows) -> Rows:
    """With 0 in the columns that `QUESTIONS` compute with: people's age and score, visits' days and cost."""

    def filled(table: tuple[tuple[Any, ...], ...], places: tuple[int, int]) -> tuple[tuple[Any, ...], ...]:
        return tuple(
            tuple(0 if value is None and at in places else value for at, value in enumerate(row))
            for row in table
        )

    return Rows(filled(rows.people, (2, 3)), filled(rows.visits, (2, 5)))


QUESTIONS = (
    "SELECT AVG(age) AS a, VAR_POP(score) AS b, CORR(age, score) AS c, REGR_INTERCEPT(age, score) AS d,"
    " REGR_SLOPE(age, score) FILTER (WHERE member) AS e, COUNT(*) AS n FROM people",
    "SELECT kind, AVG(days) AS a, COVAR_SAMP(cost, days) AS b, REGR_COUNT(cost, days) AS n FROM visits"
    " GROUP BY kind ORDER BY kind",
)


@pytest.mark.parametrize("sql", QUESTIONS)
@pytest.mark.parametrize("seed", range(3))
def test_a_unit_moves_shared_sums_within_their_sensitivity(sql: str, seed: int) -> None:
    """Whatever the rows, NULLs and values out of bounds among them: bounds never rest on what is declared."""
    rows = random_rows(seed, 7, 9)
    for unit in rows.units:
        assert_bounded(sql, rows, (6, 2, 3), unit, world=world(AGE, SCORE, DAYS, COST))


@pytest.mark.parametrize("seed", range(2))
def test_shared_sums_give_what_separate_ones_gave(seed: int) -> None:
    rows = _without_nulls(random_rows(seed, 40, 3, clean=True))
    for sql in QUESTIONS:
        with engine(rows) as connection:
            one, other = (
                silent_answer(sql, w, connection).table for w in (world(AGE, SCORE, DAYS, COST), world())
            )
        for left, right in zip(one.to_pylist(), other.to_pylist(), strict=True):
            assert left == {
                name: pytest.approx(value, rel=1e-9) if isinstance(value, float) else value
                for name, value in right.items()
            }
