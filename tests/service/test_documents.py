"""Answers as JSON, Arrow and CSV: nothing exact is lost, and a spreadsheet runs nothing."""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import date
from decimal import Decimal

import pyarrow as pa

from sandbox.query.answer import AnswerColumn
from sandbox.service.documents import answer_arrow, answer_csv, answer_json, plain
from tests.cli.samples import answer


def test_json_has_half_widths_in_the_shape_of_the_rows() -> None:
    said = json.loads(answer_json(answer()))
    assert said["rows"] == [["chol", 201.23456, 1200], ["hdl", 52.1, 7], [None, None, -3]]
    assert said["half_widths"] == [[None, 0.4321, 15.0], [None, 8.0, 15.0], [None, None, 15.0]]
    assert said["cost"]["epsilon"] == "0.4"
    assert said["receipt"] == {"index": 3, "proof": ["00"]}


def test_json_is_strict_and_exact() -> None:
    table = pa.table(
        {
            "d": pa.array([Decimal("12345678901234.1")], pa.decimal128(18, 1)),
            "f": [math.nan],
            "day": [date(2026, 1, 31)],
        }
    )
    columns = tuple(AnswerColumn(name, "", False, None, None) for name in table.column_names)
    text = answer_json(answer(table=table, errors=pa.table({}), columns=columns))
    assert b"NaN" not in text
    assert json.loads(text)["rows"] == [["12345678901234.1", None, "2026-01-31"]]


def test_arrow_has_half_widths_that_name_their_column() -> None:
    table = pa.ipc.open_stream(answer_arrow(answer())).read_all()
    assert table.column_names == ["test", "mean", "n", "mean__half_width", "n__half_width"]
    assert table.schema.field("n__half_width").metadata == {b"sandbox.half_width_of": b"2"}
    about = json.loads(table.schema.metadata[b"sandbox"])
    assert about["question"] == "q-1"
    assert "rows" not in about


def test_csv_has_half_widths_beside_and_no_formulas() -> None:
    evil = ["=cmd|' /C calc'!A0", "+1", "-1", "@x", "\tx", 'plain, "quoted"\nline']
    table = pa.table({"=k": evil, "n": [1, 2, 3, 4, 5, -6]})
    columns = (
        AnswerColumn("=k", "string", False, None, None),
        AnswerColumn("n", "int64", True, 1.0, "laplace"),
    )
    errors = pa.table({"n": [1.5] * 6})
    read = list(csv.reader(io.StringIO(answer_csv(answer(table, errors, columns)).decode())))
    assert read[0] == ["'=k", "n", "n__half_width"]
    assert [row[0] for row in read[1:]] == ["'" + text for text in evil[:5]] + [evil[5]]
    assert read[6][1:] == ["-6", "1.5"]


def test_a_map_is_an_object_a_map_or_text() -> None:
    """Every count of a cell has the one half-width beside it."""
    kinds = {
        "h": pa.array([[("a, b", 12), ("=1", None)], None], pa.map_(pa.string(), pa.int64())),
        "b": pa.array([[(False, 3), (True, -1)], []], pa.map_(pa.bool_(), pa.int64())),
        "d": pa.array([[(Decimal("1.50"), 3)], [(Decimal(2), 3)]], pa.map_(pa.decimal128(9, 2), pa.int64())),
        "t": pa.array([[(date(2026, 1, 31), 3)], [(date.max, 3)]], pa.map_(pa.date32(), pa.int64())),
        "f": pa.array([[(0.5, 3), (math.inf, 3)], []], pa.map_(pa.float64(), pa.int64())),
    }
    table = pa.table(kinds)
    columns = tuple(AnswerColumn(name, "map", name == "h", 2.0, "laplace") for name in kinds)
    given = answer(table, pa.table({"h": [2.0, None]}), columns)
    said = json.loads(answer_json(given))
    first = [{"a, b": 12, "=1": None}, {"false": 3, "true": -1}, {"1.5": 3}, {"2026-01-31": 3}]
    assert said["rows"][0] == [*first, {"0.5": 3, "inf": 3}]
    assert said["rows"][1] == [None, {}, {"2": 3}, {"9999-12-31": 3}, {}]
    assert said["half_widths"] == [[2.0, None, None, None, None], [None] * 5]
    read = list(csv.reader(io.StringIO(answer_csv(given).decode())))
    texts = ["{a, b=12, =1=NULL}", "2.0", "{false=3, true=-1}", "{1.5=3}", "{2026-01-31=3}", "{0.5=3, inf=3}"]
    assert read[1] == texts
    assert pa.ipc.open_stream(answer_arrow(given)).read_all().column("h").equals(table.column("h"))


def test_plain_decimals_have_no_exponent() -> None:
    assert plain(Decimal("1E-7")) == "0.0000001"
    assert plain(Decimal("4.000")) == "4"
    assert plain(Decimal("1E+3")) == "1000"
