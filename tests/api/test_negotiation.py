from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.api.negotiation import ARROW, JSON, choose

BOTH = (JSON, ARROW)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (ARROW, ARROW),
        (ARROW.upper(), ARROW),
        (f"{ARROW}, {JSON};q=0.5", ARROW),
        (f"{ARROW};q=0.5, {JSON};q=0.9", JSON),
        (f"{ARROW}, */*;q=0.1", ARROW),
        (f"{JSON};q=0, */*", ARROW),
        ("text/html,application/xhtml+xml,*/*;q=0.8", JSON),
        ("text/html", None),
        ("application/jsonx", None),
        ("*/*;q=0", None),
        (f"{JSON};q=oops", None),
        (f"{JSON};q=nan", None),
        (f"{JSON};q=7", None),
        (f"{JSON}; charset=utf-8; q=1", JSON),
        (",;,=,", None),
    ],
)
def test_the_caller_gets_what_they_like_most(accept: str | None, chosen: str | None) -> None:
    assert choose(accept, BOTH) == chosen


def test_a_path_with_one_form_does_not_send_another() -> None:
    assert choose(ARROW, (JSON,)) is None


@given(st.text(max_size=200))
def test_no_header_breaks_the_choice(accept: str) -> None:
    assert choose(accept, BOTH) in (*BOTH, None)
