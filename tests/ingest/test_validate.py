"""Casting to the policy's types, and what is set aside."""

from __future__ import annotations

import datetime as dt
import math
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.errors import ErrorCode
from sandbox.ingest.source import RawBatch
from sandbox.ingest.validate import Validator
from sandbox.policy.types import ColumnPolicy, Kind
from tests.ingest.conftest import refusal

INT = ColumnPolicy(type=Kind.INTEGER)
DEC = ColumnPolicy(type=Kind.DECIMAL, digits=6, decimals=1)
DOUBLE = ColumnPolicy(type=Kind.DOUBLE)
BOOL = ColumnPolicy(type=Kind.BOOLEAN)
DATE = ColumnPolicy(type=Kind.DATE)
TIME = ColumnPolicy(type=Kind.TIMESTAMP)
TEXT = ColumnPolicy(type=Kind.TEXT)
D = Decimal


def check(policy: ColumnPolicy, values: Any, kind: Any = None) -> tuple[list[Any], list[str], Validator]:
    rows = pa.RecordBatch.from_arrays([pa.array(values, kind)], names=["x"])
    validator = Validator({"x": policy})
    done = validator.check(RawBatch(rows, np.arange(1, rows.num_rows + 1), "p", 0))
    assert done.rows.schema == validator.schema
    assert done.rows.num_rows == len(done.records)
    done.rows.validate(full=True)
    return done.rows.column(0).to_pylist(), [bad.raw for bad in done.bad], validator


GOOD = [
    (INT, "5", 5),
    (INT, "-0", 0),
    (INT, "007", 7),
    (INT, " 5 ", 5),
    (INT, "+5", 5),
    (INT, "17850.0", 17850),
    (INT, "1e3", 1000),
    (INT, "-9223372036854775808", -(2**63)),
    (INT, None, None),
    (INT, "  ", None),
    (DEC, "1.5", D("1.5")),
    (DEC, "+.5", D("0.5")),
    (DEC, "5.", D("5.0")),
    (DEC, "12.25", D("12.2")),
    (DEC, "12.35", D("12.4")),
    (DEC, "0.05000000000000000000000000000001", D("0.1")),
    (DEC, "1e-7", D("0.0")),
    (DEC, "1e4", D("10000.0")),
    (DEC, "99999.94", D("99999.9")),
    (DEC, "0" * 40 + "7", D("7.0")),
    (DOUBLE, "1e-7", 1e-7),
    (DOUBLE, "-.5", -0.5),
    (BOOL, "TRUE", True),
    (BOOL, "0", False),
    (BOOL, "是", True),
    (DATE, "2020-02-29", dt.date(2020, 2, 29)),
    (DATE, "2020/2/9", dt.date(2020, 2, 9)),
    (DATE, "20200209", dt.date(2020, 2, 9)),
    (DATE, "2020年2月9日", dt.date(2020, 2, 9)),
    (DATE, "2020-02-09 00:00:00", dt.date(2020, 2, 9)),
    (TIME, "2020-02-09", dt.datetime(2020, 2, 9)),
    (TIME, "2020-02-09 12", dt.datetime(2020, 2, 9, 12)),
    (TIME, "2020/2/9 12:30", dt.datetime(2020, 2, 9, 12, 30)),
    (TIME, "2020-02-09T12:30:01.5", dt.datetime(2020, 2, 9, 12, 30, 1, 500000)),
    (TIME, "2020-02-09T12:30:01Z", dt.datetime(2020, 2, 9, 12, 30, 1)),
    (TIME, "2020-02-09T12:30:01+08:00", dt.datetime(2020, 2, 9, 4, 30, 1)),
    (TEXT, " e\u0301 ", " e\u0301 "),
    (TEXT, "", ""),
]
BAD = [
    (INT, "1,000"),
    (INT, "0x1F"),
    (INT, "5.5"),
    (INT, "9223372036854775808"),
    (INT, "1e999999999"),
    (INT, "１２"),
    (INT, "1_000"),
    (INT, "x"),
    (INT, "NA"),
    (DEC, "1,000.0"),
    (DEC, "100000"),
    (DEC, "99999.96"),
    (DEC, "nan"),
    (DEC, "Infinity"),
    (DEC, "1e40"),
    (DEC, "1e9999999999"),
    (DOUBLE, "nan"),
    (DOUBLE, "inf"),
    (DOUBLE, "1e999"),
    (DOUBLE, "1" * 400),
    (BOOL, "2"),
    (DATE, "2020-02-30"),
    (DATE, "0000-01-01"),
    (DATE, "01/02/2020"),
    (DATE, "2020-02-09 12:00:00"),
    (TIME, "2020-02-09 24:00:00"),
    (TIME, "2020-02-09 12:00:00.1234567"),
    (TIME, "0001-01-01T00:00:00+14:00"),
    (TEXT, "a\0b"),
]


@pytest.mark.parametrize(("policy", "text", "value"), GOOD, ids=repr)
@pytest.mark.parametrize("company", [[], ["no value at all"]], ids=["alone", "beside a bad one"])
def test_texts_that_fit(policy, text, value, company):
    if policy is TEXT:
        company = ["\0" + text for text in company]
    got, bad, _ = check(policy, [text, *company], pa.string())
    assert got == [value]
    assert len(bad) == len(company)


@pytest.mark.parametrize(("policy", "text"), BAD, ids=repr)
def test_texts_that_do_not_fit(policy, text):
    got, bad, _ = check(policy, [text, None], pa.string())
    assert got == [None]
    assert bad == [f'"{text}"' if "," in text else text]


@pytest.mark.parametrize(
    ("policy", "kind", "values", "expected", "bad"),
    [
        (INT, pa.uint64(), [5, 2**63], [5], 1),
        (INT, pa.int8(), [5, None], [5, None], 0),
        (INT, pa.float64(), [5.0, 5.5, math.nan, math.inf, 1e300], [5, None], 3),
        (
            DEC,
            pa.float64(),
            [2.675, 0.25, 0.35, math.nan, -math.inf, 1e5],
            [D("2.7"), D("0.2"), D("0.4"), None],
            2,
        ),
        (DEC, pa.float32(), [0.1], [D("0.1")], 0),
        (DEC, pa.decimal128(10, 3), [D("1.250"), D("1.350")], [D("1.2"), D("1.4")], 0),
        (DEC, pa.int64(), [5, 100000], [D("5.0")], 1),
        (DOUBLE, pa.float32(), [0.5, math.nan, math.inf], [0.5, None], 1),
        (DOUBLE, pa.decimal128(5, 2), [D("0.25")], [0.25], 0),
        (BOOL, pa.bool_(), [True, None], [True, None], 0),
        (BOOL, pa.int64(), [1, 0, 2], [True, False], 1),
        (DATE, pa.date64(), [dt.date(2020, 1, 1)], [dt.date(2020, 1, 1)], 0),
        (
            DATE,
            pa.timestamp("ns"),
            [dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 1, 1)],
            [dt.date(2020, 1, 1)],
            1,
        ),
        (TIME, pa.date32(), [dt.date(2020, 1, 1)], [dt.datetime(2020, 1, 1)], 0),
        (
            TIME,
            pa.timestamp("ns", "Asia/Shanghai"),
            [dt.datetime(2020, 1, 1, 8, tzinfo=dt.timezone(dt.timedelta(hours=8)))],
            [dt.datetime(2020, 1, 1)],
            0,
        ),
        (TEXT, pa.int64(), [5], ["5"], 0),
        (TEXT, pa.binary(), [b"ok", b"\xff", None], ["ok", None], 1),
        (TEXT, pa.large_string(), ["王"], ["王"], 0),
        (TEXT, pa.dictionary(pa.int8(), pa.string()), ["王", None, "王"], ["王", None, "王"], 0),
    ],
)
def test_typed_columns(policy, kind, values, expected, bad):
    got, wrong, _ = check(policy, values, kind)
    assert got == expected
    assert len(wrong) == bad


@pytest.mark.parametrize(
    ("policy", "column"),
    [
        (DATE, pa.array([2**31 - 1, -(2**31)], pa.int32()).cast(pa.date32())),
        (TIME, pa.array([2**63 - 1, -(2**63) + 1]).cast(pa.timestamp("s"))),
        (TIME, pa.array([2**63 - 1, -(2**63) + 1]).cast(pa.timestamp("us"))),
        (DATE, pa.array([2**63 - 1, -(2**63) + 1]).cast(pa.timestamp("ms"))),
        (TIME, pa.array([dt.time(12), dt.time(1)])),
        (INT, pa.array([Decimal(10) ** 70, Decimal(10) ** 19], pa.decimal256(76, 0))),
        (TEXT, pa.array([b"\xff", b"ok\0"]).cast(pa.string(), safe=False)),
        (INT, pa.array([b"\xff", b"x"])),
        (DOUBLE, pa.array([math.inf, -math.inf], pa.float32())),
    ],
    ids=str,
)
def test_extreme_values_are_set_aside(policy, column):
    got, bad, _ = check(policy, column)
    assert (got, len(bad)) == ([], 2)


@pytest.mark.parametrize("policy", [INT, DEC, DOUBLE, BOOL, DATE, TIME, TEXT])
def test_columns_of_nulls_and_of_nothing(policy):
    assert check(policy, pa.nulls(2))[:2] == ([None, None], [])
    assert check(policy, pa.array([], pa.string()))[:2] == ([], [])
    assert check(policy, pa.array([], pa.float64()))[:2] == ([], [])


def test_a_type_without_text_is_refused():
    error = refusal(ErrorCode.LOAD_REFUSED, lambda: check(INT, [[1]], pa.list_(pa.int64())))
    assert "Column x" in error.message


def test_rounding_is_counted_once_for_each_value():
    _, bad, validator = check(
        DEC, ["1.25", "1.25", "1.20", "0.12345678901234567890123", "x", None], pa.string()
    )
    assert len(bad) == 1
    assert validator.tally.rounded["x"] == 3
    assert check(DEC, [2.675, 1.5], pa.float64())[2].tally.rounded["x"] == 1


def test_nulls_and_first_column_at_fault():
    validator = Validator({"b": INT, "a": ColumnPolicy(type=Kind.INTEGER, nullable=False)})
    rows = pa.RecordBatch.from_pydict({"a": ["1", "x", None, "4"], "b": ["1", "y", "3", "z"]})
    done = validator.check(RawBatch(rows, np.array([2, 3, 5, 9]), "p", 0))
    assert done.records.tolist() == [2]
    assert sorted((bad.record, bad.column, bad.reason, bad.raw) for bad in done.bad) == [
        (3, "b", "not of type integer", "x,y"),
        (5, "a", "null, but the column is not nullable", ",3"),
        (9, "b", "not of type integer", "4,z"),
    ]


def test_bounds_and_keys_set_nothing_aside():
    policy = ColumnPolicy(type=Kind.INTEGER, between=(0, 1), values=(0, 1))
    assert check(policy, ["7"], pa.string())[0] == [7]


def test_slices_of_a_batch():
    column = pa.array(["0x1F", "1", "2", "x\0"]).slice(1, 2)
    assert check(INT, column)[0] == [1, 2]
    assert check(TEXT, column)[0] == ["1", "2"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.decimals(-20000, 20000, allow_nan=False, places=4), min_size=1, max_size=8), st.booleans())
def test_decimals_are_exact_half_even(numbers, beside_bad):
    texts = [str(number) for number in numbers] + ["x"] * beside_bad
    rounded = [number.quantize(D("0.1"), ROUND_HALF_EVEN) for number in numbers]
    got, bad, validator = check(DEC, texts, pa.string())
    assert got == [value for value in rounded if abs(value) < 100000]
    assert validator.tally.rounded["x"] == sum(a != b for a, b in zip(numbers, rounded, strict=True))
    assert len(bad) == beside_bad


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([INT, DEC, DOUBLE, BOOL, DATE, TIME]),
    st.lists(st.text("0123456789+-.eExX:/ TZ年naif", max_size=12), min_size=1, max_size=6),
)
def test_a_text_means_the_same_in_any_company(policy, texts):
    alone = [check(policy, [text], pa.string())[:2] for text in texts]
    together = check(policy, texts, pa.string())[:2]
    assert together == ([v for values, _ in alone for v in values], [b for _, bad in alone for b in bad])
