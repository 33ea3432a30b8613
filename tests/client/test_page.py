"""What a notebook and a terminal show of hostile values."""

from __future__ import annotations

from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.client import Answer, BudgetState, Column, Cost, Note, page

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</td></tr></table><iframe src=//evil>",
    "' onmouseover='alert(1)",
    "&lt;script&gt;",
    "\x1b[31mred\x1b[0m\x07",
    "\u202egnp.exe",
    "a\nb\r\tc",
    "{{7*7}} $x^2$ `code`",
]


def an_answer(
    names: list[str], values: list[list[Any]], widths: dict[int, list[float | None]], text: str = ""
) -> Answer:
    table = pa.Table.from_arrays([pa.array(column) for column in values], names=names)
    return Answer(
        question=text or "q-1",
        table=table,
        half_widths=pa.Table.from_arrays(
            [pa.array(column, pa.float64()) for column in widths.values()], names=[names[at] for at in widths]
        ),
        columns=tuple(Column(name, "x", at in widths, None, None) for at, name in enumerate(names)),
        cost=Cost(Decimal("0.4"), Decimal("1e-7"), Decimal("0.4"), Decimal("0.08"), ()),
        budgets=(BudgetState(text or "a", *[Decimal(1)] * 5),),
        repeated=False,
        notes=(Note(text or "A note.", ""),),
        decided_by=(),
        attribution=(text,) if text else (),
        receipt={},
    )


class Tags(HTMLParser):
    """Collects the tags and attributes that a browser would see, and the text between them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.said: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.said.append(data)


OURS = {"table", "thead", "tbody", "tr", "th", "td", "div", "br", "svg", "path", "circle"}
OUR_ATTRIBUTES = {
    *(
        "class",
        "style",
        "width",
        "height",
        "viewbox",
        "role",
        "aria-label",
        "d",
        "stroke",
        "opacity",
        "cx",
        "cy",
        "r",
        "fill",
    )
}


def seen(markup: str) -> Tags:
    tags = Tags()
    tags.feed(markup)
    tags.close()
    return tags


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_values_and_notes_are_text(text: str) -> None:
    answer = an_answer([text, "n"], [[text], [3]], {1: [1.5]}, text)
    tags = seen(answer._repr_html_())
    assert tags.tags <= OURS
    assert tags.attributes <= OUR_ATTRIBUTES
    assert not set("\x1b\x07\u202e\r\t") & set(repr(answer) + answer._repr_html_())


@given(name=st.text(min_size=1), value=st.text(), at=st.floats(), width=st.floats(min_value=0) | st.none())
def test_no_text_and_no_number_becomes_markup(name: str, value: str, at: float, width: float | None) -> None:
    name = name.encode("utf-8", "replace").decode() + "."
    answer = an_answer([name, "n"], [[value.encode("utf-8", "replace").decode()], [at]], {1: [width]})
    tags = seen(answer._repr_html_())
    assert tags.tags <= OURS
    assert tags.attributes <= OUR_ATTRIBUTES
    assert len(repr(answer).splitlines()) == 3 + 5


@pytest.mark.parametrize(
    ("value", "width", "said"),
    [
        (1234.5678, 12.34, "1,235 ±12"),
        (1234.5678, 0.1234, "1,234.57 ±0.12"),
        (52.8, 1.26, "52.8 ±1.3"),
        (17549, 7.5, "17,549 ±7.5"),
        (17549, 3.0, "17,549 ±3"),
        (52.37, 1.0, "52.4 ±1.0"),
        (17549, 75.0, "17,549 ±75"),
        (-3, 2e6, "-3 ±2,000,000"),
        (1.0, None, "1 ±?"),
        (1.0, float("nan"), "1 ±?"),
        (float("nan"), 1.0, "nan ±1.0"),
        (Decimal("10.50"), 0.05, "10.500 ±0.050"),
        (None, 1.0, "NULL"),
        (5, 0.0, "5 ±0"),
    ],
)
def test_values_are_rounded_to_what_their_error_lets_them_say(
    value: Any, width: float | None, said: str
) -> None:
    assert said in repr(an_answer(["x"], [[value]], {0: [width]})).splitlines()[2]


@pytest.mark.parametrize(
    ("value", "said"), [(2020, "2020"), (0.1, "0.1"), (True, "True"), (Decimal("1.50"), "1.50")]
)
def test_exact_values_are_shown_as_they_are(value: Any, said: str) -> None:
    assert repr(an_answer(["x"], [[value]], {})).splitlines()[2].strip() == said


def test_every_noisy_value_has_an_error_bar_on_the_scale_of_its_column() -> None:
    markup = an_answer(["k", "n"], [["a", "b", "c"], [10, 20, None]], {1: [2.0, 4.0, 2.0]})._repr_html_()
    assert markup.count("<svg") == 2
    assert 'd="M0.0 5H24.0' in markup
    assert "H96.0" in markup


def test_a_long_answer_is_cut_and_says_so() -> None:
    answer = an_answer(["n"], [list(range(1000))], {0: [1.0] * 1000})
    assert "960 more rows" in repr(answer)
    assert answer._repr_html_().count("<tr>") == 41
    assert answer.to_arrow().num_rows == 1000


def test_a_table_with_chinese_in_it_is_aligned() -> None:
    shown = page.text_table(["性别", "n"], [["男", "1"], ["female", "2"]]).splitlines()
    assert shown[0] == "性别    n"
    assert shown[2] == "男      1"


@pytest.mark.parametrize(
    ("value", "said"),
    [("0.400000000000", "0.4"), ("0", "0"), ("1E-7", "1e-7"), ("20", "20"), ("0.00012", "0.00012")],
)
def test_amounts_of_privacy_loss_are_short(value: str, said: str) -> None:
    assert page.amount(Decimal(value)) == said
