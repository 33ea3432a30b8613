"""Other spellings of what is supported mean what their standard says."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.errors import ErrorCode, SandboxError
from sandbox.query.parse import parse
from sandbox.query.spellings import MOST_BUCKETS
from tests.query.world import Rows, engine, published, rewritten, silent_answer

TENTHS = st.integers(-400, 400).map(lambda n: Decimal(n) / 10)


@given(
    st.lists(TENTHS, min_size=1, max_size=20), TENTHS, st.integers(1, 400).map(lambda n: Decimal(n) / 10),
    st.integers(1, 30),
)  # fmt: skip
def test_buckets_are_those_of_the_standard(
    values: list[Decimal], low: Decimal, width: Decimal, count: int
) -> None:
    high = low + width
    tree = parse(f"SELECT x, WIDTH_BUCKET(x, {low}, {high}, {count}) AS b FROM t", 10_000).tree
    with duckdb.connect() as plain:
        plain.execute("CREATE TABLE t (x DECIMAL(6, 1))")
        plain.executemany("INSERT INTO t VALUES (?)", [(v,) for v in values])
        plain.execute("INSERT INTO t VALUES (NULL)")
        found = plain.sql(tree.sql("duckdb")).fetchall()
    for value, bucket in found:
        if value is None:
            assert bucket is None
        elif value < low:
            assert bucket == 0
        elif value >= high:
            assert bucket == count + 1
        else:
            at = Fraction(value - low) * count / Fraction(high - low)
            assert bucket == math.floor(at) + 1


def test_every_bucket_is_a_public_key() -> None:
    question = "SELECT WIDTH_BUCKET(age, 0, 100, 4) AS b, COUNT(*) AS n FROM people GROUP BY b"
    with engine(Rows((), ())) as connection:
        answer = silent_answer(question, published(), connection).table
    assert sorted(b for b in answer.column("b").to_pylist() if b is not None) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "call",
    [
        "WIDTH_BUCKET(age, 5, 5, 3)",
        "WIDTH_BUCKET(age, 9, 5, 3)",
        "WIDTH_BUCKET(age, 0, age, 3)",
        "WIDTH_BUCKET(age, 0, 10, 0)",
        "WIDTH_BUCKET(age, 0, 10, 2.5)",
        f"WIDTH_BUCKET(age, 0, 10, {MOST_BUCKETS + 1})",
        "WIDTH_BUCKET(age, '0', 10, 3)",
        "WIDTH_BUCKET(age, 0, 1e999, 3)",
        "WIDTH_BUCKET(age, 0, 10)",
    ],
)
def test_another_form_is_refused_and_the_right_one_is_shown(call: str) -> None:
    with pytest.raises(SandboxError) as refused:
        rewritten(f"SELECT {call} AS b, COUNT(*) AS n FROM people GROUP BY 1", published())
    assert refused.value.code is ErrorCode.SQL_FUNCTION_UNKNOWN
    assert "WIDTH_BUCKET(x, 20, 100, 8)" in refused.value.hint


def test_an_approximate_count_of_distinct_values_is_the_count() -> None:
    exact, other = (
        rewritten(f"SELECT {call} AS n FROM visits", published())
        for call in ("COUNT(DISTINCT kind)", "APPROX_COUNT_DISTINCT(kind)")
    )
    assert exact.fingerprint == other.fingerprint


@pytest.mark.parametrize(
    "call",
    [
        "APPROX_COUNT_DISTINCT()",
        "APPROX_COUNT_DISTINCT(*)",
        "APPROX_COUNT_DISTINCT(age, 0.1)",
        "WIDTH_BUCKET()",
    ],
)
def test_a_call_without_its_argument_is_refused(call: str) -> None:
    with pytest.raises(SandboxError):
        rewritten(f"SELECT {call} AS n FROM people", published())


def test_a_text_that_is_in_no_list_is_held_to_the_list_s_longest() -> None:
    """The list of `kind` has texts of one letter: a row with another text adds one, not its length."""
    row = (1, 1, 1, "a text of no list", "u", Decimal(1), 1, None)
    with engine(Rows((), (row,))) as connection:
        answer = silent_answer("SELECT SUM(LENGTH(kind)) AS n FROM visits", published(), connection).table
    assert answer.column("n").to_pylist() == [1]
