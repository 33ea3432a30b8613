"""What a person sees of an answer: noisy numbers beside their error bars, never more digits than known."""

from __future__ import annotations

import math
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.cli.answers import error_bar, rounded, scientific, short, show_answer, show_estimate
from sandbox.query.answer import AnswerColumn
from tests.cli.samples import answer, estimate


def test_a_noisy_column_has_its_error_bar_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    show_answer(answer())
    lines = capsys.readouterr().out.splitlines()
    header = [cell.strip() for cell in lines[0].strip("|").split("|")]
    assert header == ["test", "mean", "± 95 %", "n", "± 95 %"]
    first = [cell.strip() for cell in lines[2].strip("|").split("|")]
    assert first == ["chol", "201.23", "0.44", "1200", "15"]
    nulls = [cell.strip() for cell in lines[4].strip("|").split("|")]
    assert nulls == ["NULL", "NULL", "—", "-3", "15"]


def test_a_histogram_is_text_beside_the_error_bar_of_its_counts(capsys: pytest.CaptureFixture[str]) -> None:
    cells = pa.array([[(0, 9348), (1, None)], None], pa.map_(pa.int64(), pa.int64()))
    columns = (AnswerColumn("h", "map<int64, int64>", True, 5.0, "laplace"),)
    show_answer(answer(pa.table({"h": cells}), pa.table({"h": [5.0, None]}), columns))
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in capsys.readouterr().out.splitlines()
    ]
    assert rows[0] == ["h", "± 95 %"]
    assert rows[2] == ["{0=9348, 1=NULL}", "5"]
    assert rows[3] == ["NULL", "—"]


def test_an_answer_says_what_it_cost_and_what_decided(capsys: pytest.CaptureFixture[str]) -> None:
    show_answer(answer())
    out = capsys.readouterr().out
    assert "Cost ε 0.4, δ 1e-08" in out
    assert "0.400001" in out, "spent is rounded up"
    assert "3.599999 " in out, "left is rounded down"
    assert "Decided by nafld@sha256:" in out
    assert "Source: Cohort" in out
    assert "Question q-1" in out
    assert "\x1b" not in out, "no colours in a pipe"


def test_a_repeated_or_open_answer_is_said_to_be_free(capsys: pytest.CaptureFixture[str]) -> None:
    show_answer(answer(cost=None, repeated=True))
    assert "stored answer, free" in capsys.readouterr().out
    show_answer(answer(cost=None))
    assert "exact, and free" in capsys.readouterr().out


def test_no_rows_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    empty = answer().table.slice(0, 0)
    show_answer(answer(table=empty, errors=answer().errors.slice(0, 0)))
    assert "No rows." in capsys.readouterr().out


def test_an_estimate_says_accuracy_price_and_room(capsys: pytest.CaptureFixture[str]) -> None:
    show_estimate(estimate())
    out = capsys.readouterr().out
    assert "nothing spent" in out
    assert "differs by row" in out
    assert "have room" in out
    show_estimate(estimate(affordable=False))
    assert "no room" in capsys.readouterr().out


def test_what_lies_in_the_data_is_text_and_steers_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    names = pa.table({"[red]k[/red]": ["[bold]x[/bold]", "\x1b[31mred\x07", "=1+1"]})
    columns = (AnswerColumn("[red]k[/red]", "string", False, None, None),)
    show_answer(answer(table=names, errors=pa.table({}), columns=columns))
    out = capsys.readouterr().out
    assert "[bold]x[/bold]" in out
    assert "[red]k[/red]" in out
    assert "\x1b" not in out
    assert "\x07" not in out


@given(st.floats(min_value=1e-12, max_value=1e15))
def test_an_error_bar_is_never_shown_smaller_than_it_is(error: float) -> None:
    shown = float(error_bar(error))
    assert shown >= error * (1 - 1e-9)
    assert shown <= error * 1.1 + 1e-30


@given(st.floats(min_value=-1e12, max_value=1e12, allow_nan=False), st.floats(min_value=1e-6, max_value=1e9))
def test_rounding_hides_less_than_a_tenth_of_the_error(value: float, error: float) -> None:
    assert abs(float(rounded(value, error)) - value) <= error * 0.1 + abs(value) * 1e-12


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (None, "—"),
        (math.nan, "—"),
        (math.inf, "unbounded"),
        (0.0, "0"),
        (7.0, "7"),
        (6.98, "7.0"),
        (854, "860"),
    ],
)
def test_error_bars(error: float | None, shown: str) -> None:
    assert error_bar(error) == shown


def test_the_error_bar_of_a_day_is_in_days(capsys: pytest.CaptureFixture[str]) -> None:
    table = pa.table({"day": pa.array([date(2004, 5, 6), None], pa.date32())})
    columns = (AnswerColumn("day", "date32[day]", True, None, "derived"),)
    show_answer(answer(table=table, errors=pa.table({"day": [3.2, None]}), columns=columns))
    shown = capsys.readouterr().out
    assert "2004-05-06" in shown
    assert "3.2 d" in shown


def test_losses_are_rounded_up_and_deltas_are_short() -> None:
    assert short(Decimal("0.1234561")) == "0.123457"
    assert short(Decimal("Infinity")) == "unbounded"
    assert scientific(Decimal("1E-6")) == "1e-06"
    assert scientific(Decimal("0E-18")) == "0"
