"""An answer as Arrow, pandas and Polars."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

import pyarrow as pa
import pytest

from tests.client.test_page import an_answer


def test_error_columns_stand_beside_their_values() -> None:
    answer = an_answer(
        ["male", "n", "age"], [[0, 1], [10, 20], [50.5, 51.5]], {1: [3.0, 3.0], 2: [0.5, None]}
    )
    names = ["male", "n", "n__half_width", "age", "age__half_width"]
    assert answer.to_arrow(errors=True).column_names == names
    assert list(answer.to_pandas(errors=True).columns) == names
    assert answer.to_polars(errors=True).columns == names
    assert answer.to_arrow().column_names == list(answer.to_pandas().columns) == answer.to_polars().columns
    assert answer.to_polars(errors=True)["age__half_width"].to_list() == [0.5, None]
    assert answer.to_pandas()["n"].sum() == 30


def test_one_column_is_still_a_frame() -> None:
    assert an_answer(["n"], [[1]], {0: [1.0]}).to_polars().shape == (1, 1)


def test_names_that_would_clash_get_a_number() -> None:
    answer = an_answer(["n", "n", "n__half_width", "n_1"], [[1], [2], [3], [4]], {0: [1.0]})
    assert answer.to_arrow().column_names == ["n", "n_2", "n__half_width", "n_1"]
    names = answer.to_arrow(errors=True).column_names
    assert len(set(names)) == len(names)
    assert answer.to_polars(errors=True).columns == list(answer.to_pandas(errors=True).columns) == names
    assert answer.table.column_names == ["n", "n", "n__half_width", "n_1"]


def test_a_histogram_is_a_dict_and_is_said_with_its_half_width() -> None:
    cells = pa.array([[("<a>", 9331), ("b", None)], None], pa.map_(pa.string(), pa.int64()))
    answer = replace(an_answer(["h"], [[1, 2]], {0: [15.0, None]}), table=pa.table({"h": cells}))
    assert answer.to_pandas()["h"].tolist() == [{"<a>": 9331, "b": None}, None]
    assert answer.to_polars()["h"].to_list()[0] in (
        {"<a>": 9331, "b": None},
        [{"key": "<a>", "value": 9331}, {"key": "b", "value": None}],  # before Polars had maps
    )
    assert "{<a>=9331, b=NULL} ±15" in repr(answer)
    assert "{&lt;a&gt;=9331, b=NULL} ±15" in answer._repr_html_()
    with pytest.raises(ValueError, match="no column of numbers"):
        answer.plot("h")


def test_half_widths_of_days_and_times_are_in_days() -> None:
    days, times = [date(2004, 5, 6), None], [datetime(2004, 5, 6, 12), datetime(2004, 5, 8)]
    answer = an_answer(["day", "at"], [days, times], {0: [3.0, None], 1: [0.25, 2.0]})
    text = repr(answer)
    assert "2004-05-06 ±3 d" in text
    assert "2004-05-06 12:00:00 ±0.25 d" in text
    assert answer._repr_html_().count("<svg") == 3
