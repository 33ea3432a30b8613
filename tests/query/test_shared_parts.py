"""Parts that are computed once give what they gave where they stood."""

from __future__ import annotations

import math
from typing import Any

import duckdb
import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from sandbox.query.shared_parts import PREFIX, shared
from tests.query.world import published, rewritten

NUMBERS = ("m0", "m1", "m2")
MEAN = "(CAST(noisy_0.m0 AS DOUBLE) / NULLIF(CAST(noisy_0.m1 AS DOUBLE), CAST('0' AS DOUBLE)))"


@st.composite
def values(draw: st.DrawFn, depth: int = 4) -> str:
    """An expression, some of whose parts are likely to be the same."""
    if depth == 0 or draw(st.integers(0, 4)) == 0:
        return draw(
            st.sampled_from([*(f"CAST(noisy_0.{m} AS DOUBLE)" for m in NUMBERS), "CAST('2' AS DOUBLE)"])
        )
    a, b = draw(values(depth - 1)), draw(values(depth - 1))
    form = draw(
        st.sampled_from(
            [
                "({a} + {b})",
                "({a} - {a})",
                "({a} * {b})",
                "({a} / NULLIF({b}, CAST('0' AS DOUBLE)))",
                "GREATEST({a}, {b})",
                "LEAST(({a} + {b}), ({a} + {b}))",
                "CASE WHEN {a} > 0 THEN SQRT({a}) END",
                "SQRT(GREATEST({a}, CAST('0' AS DOUBLE)))",
                "CASE WHEN {a} > 1 THEN {b} END",
                "CASE WHEN {a} > {b} THEN ({a} - {b}) ELSE ({a} - {b}) END",
                "CAST(({a} + {b}) AS DOUBLE)",
            ]
        )
    )
    return str(form.format(a=a, b=b))


def select(*outputs: str, more: str = "") -> exp.Select:
    tree = sqlglot.parse_one(f"SELECT {', '.join(outputs)} FROM noisy_0 {more}", read="duckdb")
    assert isinstance(tree, exp.Select)
    return tree


@given(
    st.lists(values(), min_size=1, max_size=3),
    st.lists(st.tuples(*(st.none() | st.integers(-3, 3) for _ in NUMBERS)), min_size=1, max_size=4),
)
def test_the_answer_is_the_same(outputs: list[str], rows: list[tuple[int | None, ...]]) -> None:
    tree = select("noisy_0.k AS k", *(f"{value} AS o{i}" for i, value in enumerate(outputs)))
    before = tree.sql("duckdb")
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE noisy_0 (k VARCHAR, m0 BIGINT, m1 BIGINT, m2 BIGINT)")
        connection.executemany("INSERT INTO noisy_0 VALUES ('a key', ?, ?, ?)", rows)
        plain = connection.sql(before).fetchall()
        assert _same(connection.sql(shared(tree, NUMBERS).sql("duckdb")).fetchall(), plain)
    assert tree.sql("duckdb") == before


def _same(ours: list[tuple[Any, ...]], plain: list[tuple[Any, ...]]) -> bool:
    def told(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        return [tuple("nan" if isinstance(v, float) and math.isnan(v) else v for v in row) for row in rows]

    return told(ours) == told(plain)


def test_what_is_written_twice_is_computed_once() -> None:
    made = shared(select(f"{MEAN} * {MEAN} AS a", f"{MEAN} AS b"), NUMBERS).sql("duckdb")
    assert made.count("NULLIF") == 1
    assert made.count(f'"{PREFIX}0"') == 4  # where it is made, and three uses


@pytest.mark.parametrize(
    "part",
    [
        "SQRT(noisy_0.m0)",  # raises below 0
        "(noisy_0.m0 * noisy_0.m1)",  # whole numbers overflow
        "LENGTH(noisy_0.k)",
        "(CAST(noisy_0.k AS DOUBLE) + CAST('1' AS DOUBLE))",  # a text may be no number
        "(CAST(noisy_0.m0 AS DOUBLE) / CAST(noisy_0.m1 AS DOUBLE))",
        "(CAST(other.m0 AS DOUBLE) + CAST('1' AS DOUBLE))",
    ],
)
def test_what_may_raise_stays_where_its_guard_is(part: str) -> None:
    tree = select(f"CASE WHEN noisy_0.m0 > 0 THEN {part} + {part} END AS a")
    assert shared(tree, NUMBERS) is tree


@pytest.mark.parametrize("more", ["JOIN noisy_1 ON noisy_1.k = noisy_0.k", ", noisy_1"])
def test_several_tables_are_left_alone(more: str) -> None:
    tree = select(f"{MEAN} * {MEAN} AS a", more=more)
    assert shared(tree, NUMBERS) is tree


def test_parts_of_a_subquery_are_not_parts_of_what_is_around_it() -> None:
    inner = f"(SELECT MAX({MEAN} * {MEAN}) FROM noisy_0)"
    tree = select(f"{inner} AS a", f"{inner} AS b")
    assert shared(tree, NUMBERS) is tree


def test_a_correlation_has_a_text_that_a_person_could_read() -> None:
    assert len(rewritten("SELECT CORR(age, score) AS c FROM people", published()).post.text) < 15_000


@pytest.mark.parametrize(
    ("part", "named"),
    [
        (f"CASE WHEN CAST(noisy_0.m1 AS DOUBLE) > 1 THEN {MEAN} END", True),
        (f"CASE WHEN {MEAN} > {MEAN} THEN {MEAN} ELSE CAST('0' AS DOUBLE) END", True),
        (f"GREATEST(SQRT(GREATEST({MEAN}, CAST('0' AS DOUBLE))), CAST('0' AS DOUBLE))", True),
        ("CASE WHEN noisy_0.k > 1 THEN CAST('1' AS DOUBLE) END", False),  # a text may be no number
        (f"CASE WHEN {MEAN} > 'a' THEN {MEAN} END", False),
        ("CASE WHEN CAST(noisy_0.m1 AS DOUBLE) > 1 THEN noisy_0.m0 * noisy_0.m0 END", False),
        ("(SQRT(CAST(noisy_0.m0 AS DOUBLE)) + CAST('1' AS DOUBLE))", False),
        ("(SQRT(GREATEST(noisy_0.m0, CAST('0' AS DOUBLE))) + CAST('1' AS DOUBLE))", False),
    ],
)
def test_choices_and_roots_that_cannot_raise_are_computed_once(part: str, named: bool) -> None:
    made = shared(select(f"{part} AS a", f"{part} AS b"), NUMBERS)
    outputs = [p.unalias() for p in made.selects]
    assert all(isinstance(o, exp.Column) and o.name.startswith(PREFIX) for o in outputs) is named
