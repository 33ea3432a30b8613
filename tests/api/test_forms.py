"""An answer in JSON and in Arrow, and read back by the client."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from sandbox.api import forms
from sandbox.client import answer as read
from sandbox.query.answer import Answer, AnswerColumn, BudgetState, Cost, Note, Share
from sandbox.service import documents

COST = Cost(
    epsilon=Decimal("0.4"),
    delta=Decimal("1E-7"),
    pure=None,
    rho=Decimal("0.08"),
    shares=(Share("count(*)", "gaussian", Decimal("0.4"), Decimal(1), 2.5, 4.9),),
)
STATE = BudgetState(
    "grant-dataset:liver-2026/nafld", *(Decimal(at) for at in ("4", "0.4", "3.6", "1E-6", "0"))
)


def an_answer(table: pa.Table, errors: pa.Table, noisy: set[str], cost: Cost | None = COST) -> Answer:
    columns = tuple(
        AnswerColumn(
            field.name, str(field.type), field.name in noisy, None, "laplace" if field.name in noisy else None
        )
        for field in table.schema
    )
    return Answer(
        question="q-1",
        table=table,
        errors=errors,
        columns=columns,
        cost=cost,
        budgets=(STATE,),
        repeated=False,
        notes=(Note("Groups below 10 are not shown.", "小于 10 的组不显示。"),),
        decided_by=("nafld@sha256:00",),
        attribution=("Mayo Clinic, LGPL-2.0-or-later",),
        receipt={"leaf": "e30=", "proof": ["aa"]},
    )


def strict(text: bytes) -> Any:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_json_has_values_and_half_widths_of_the_same_shape() -> None:
    table = pa.table(
        {
            "sex": pa.array(["男", "女", None]),
            "n": pa.array([10, 2**62, None], pa.int64()),
            "mean": pa.array([1.5, math.nan, math.inf]),
            "sum": pa.array([Decimal("1.50"), Decimal("-2.25"), None], pa.decimal128(38, 2)),
            "day": pa.array([date(2026, 1, 2), None, None]),
            "at": pa.array(
                [datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), None, None], pa.timestamp("us", "UTC")
            ),
        }
    )
    errors = pa.table({"n": pa.array([3.0, 3.0, None]), "mean": pa.array([0.1, math.inf, math.nan])})
    reply = strict(documents.answer_json(an_answer(table, errors, {"n", "mean", "sum"})))
    assert reply["rows"] == [
        ["男", 10, 1.5, "1.50", "2026-01-02", "2026-01-02T03:04:05Z"],
        ["女", 2**62, None, "-2.25", None, None],
        [None, None, None, None, None, None],
    ]
    assert reply["half_widths"] == [
        [None, 3.0, 0.1, None, None, None],
        [None, 3.0, None, None, None, None],
        [None, None, None, None, None, None],
    ]
    assert reply["cost"]["epsilon"] == "0.4"
    assert Decimal(reply["cost"]["delta"]) == Decimal("1e-7")
    TypeAdapter(forms.AnswerReply).validate_json(json.dumps(reply))


def test_an_empty_answer_keeps_its_columns() -> None:
    table = pa.table({"event": pa.array([], pa.string()), "n": pa.array([], pa.int64())})
    answer = an_answer(table, pa.table({"n": pa.array([], pa.float64())}), {"n"})
    reply = strict(documents.answer_json(answer))
    assert reply["rows"] == reply["half_widths"] == []
    assert [column["name"] for column in reply["columns"]] == ["event", "n"]
    back = read.read(documents.answer_arrow(answer))
    assert back.table.equals(table)
    assert back.half_widths.column_names == ["n"]


def test_error_columns_are_known_by_their_metadata_not_their_names() -> None:
    table = pa.table({"n": pa.array([1]), "n__half_width": pa.array(["not an error"])})
    back = read.read(documents.answer_arrow(an_answer(table, pa.table({"n": pa.array([2.5])}), {"n"})))
    assert back.table.equals(table)
    assert back.half_widths.to_pydict() == {"n": [2.5]}


def test_any_arrow_reader_can_read_the_stream() -> None:
    table = pa.table({"male": pa.array([0, 1]), "n": pa.array([5, 6])})
    stream = documents.answer_arrow(an_answer(table, pa.table({"n": pa.array([1.0, 1.0])}), {"n"}))
    whole = pa.ipc.open_stream(stream).read_all()
    assert whole.column_names == ["male", "n", "n__half_width"]
    about = strict(whole.schema.metadata[b"sandbox"])
    assert "rows" not in about
    assert about["receipt"] == {"leaf": "e30=", "proof": ["aa"]}


def test_an_answer_from_open_tables_costs_nothing() -> None:
    answer = an_answer(pa.table({"x": [1]}), pa.table({}), set(), cost=None)
    assert strict(documents.answer_json(answer))["cost"] is None
    assert read.read(documents.answer_arrow(answer)).cost is None


@given(
    names=st.lists(
        st.text(min_size=1, max_size=12).filter(lambda name: name.isprintable()), min_size=1, max_size=4
    ),
    rows=st.integers(0, 5),
    data=st.data(),
)
def test_what_the_client_reads_is_what_the_service_wrote(
    names: list[str], rows: int, data: st.DataObject
) -> None:
    names = list(dict.fromkeys(names))
    floats = st.lists(st.none() | st.floats(allow_nan=False), min_size=rows, max_size=rows)
    table = pa.table({name: pa.array(data.draw(floats), pa.float64()) for name in names})
    noisy = set(data.draw(st.lists(st.sampled_from(names))))
    errors = pa.table({name: pa.array(data.draw(floats), pa.float64()) for name in names if name in noisy})
    answer = an_answer(table, errors, noisy)
    back = read.read(documents.answer_arrow(answer))
    assert back.table.equals(table)
    assert set(back.half_widths.column_names) == noisy
    assert all(back.half_widths[name].equals(errors[name]) for name in noisy)
    assert back.cost is not None
    assert back.cost.delta == COST.delta
    assert back.budgets[0].epsilon_left == STATE.epsilon_left
    strict(documents.answer_json(answer))


@pytest.mark.parametrize("junk", [b"", b"<html>", b"\xff\xff\xff\xff\x00\x00\x00\x00", b"\xff" * 100])
def test_what_is_no_arrow_stream_is_refused_by_the_reader(junk: bytes) -> None:
    with pytest.raises((pa.ArrowInvalid, KeyError, OSError)):
        read.read(junk)
