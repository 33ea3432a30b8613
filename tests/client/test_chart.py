"""A chart says what the table says, with its error bars, and hostile text in it is text."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from tests.client.test_page import an_answer

SVG = "{http://www.w3.org/2000/svg}"


def test_there_is_a_bar_for_each_row_and_an_error_bar_where_there_is_noise() -> None:
    answer = an_answer(
        ["male", "n", "age"], [["no", "yes"], [10, 20], [50.5, 51.5]], {1: [3.0, 3.0], 2: [0.5, None]}
    )
    drawn = ET.fromstring(answer.plot().svg)
    assert len(drawn.findall(f"{SVG}rect")) == 3
    assert len(drawn.findall(f"{SVG}path")) == 3
    texts = [text.text for text in drawn.findall(f"{SVG}text")]
    assert texts == ["n", "no", "10 ±3", "yes", "20 ±3"]
    assert "50.5" in repr(answer.plot("age"))
    assert len(ET.fromstring(answer.plot("age").svg).findall(f"{SVG}path")) == 2


def test_values_below_zero_stay_in_the_picture() -> None:
    drawn = ET.fromstring(an_answer(["k", "n"], [["a", "b"], [-4, 8]], {1: [5.0, 5.0]}).plot().svg)
    rects = drawn.findall(f"{SVG}rect")[1:]
    assert all(150 <= float(rect.get("x", "")) <= 510 for rect in rects)
    assert all(float(rect.get("width", "")) >= 0 for rect in rects)


def test_hostile_names_and_values_are_text() -> None:
    hostile = '</text><script>alert(1)</script>"'
    svg = an_answer([hostile, hostile], [[hostile], [3]], {1: [1.0]}).plot().svg
    assert "<script" not in svg
    assert [each.tag for each in ET.fromstring(svg).iter() if "script" in each.tag] == []


def test_what_cannot_be_drawn_is_said() -> None:
    with pytest.raises(ValueError, match="no such column"):
        an_answer(["a", "n"], [["x"], [1]], {1: [1.0]}).plot("other")
    with pytest.raises(ValueError, match="no column of numbers"):
        an_answer(["a", "n"], [["x"], [1]], {1: [1.0]}).plot("a")
    with pytest.raises(ValueError, match="no row"):
        an_answer(["a", "n"], [["x"], [None]], {1: [None]}).plot()
    with pytest.raises(ValueError, match="bars"):
        an_answer(["a", "n"], [list(range(99)), list(range(99))], {1: [1.0] * 99}).plot()
