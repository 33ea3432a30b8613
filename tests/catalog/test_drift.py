"""How columns differ: added, dropped, retyped, and what was perhaps renamed."""

from __future__ import annotations

import pytest

from sandbox.catalog.drift import drift
from sandbox.catalog.model import SourceColumn


def columns(*named: str) -> list[SourceColumn]:
    """`name` or `name:type`."""
    return [SourceColumn(*one.split(":")) for one in named]


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (("a", "b"), ("b", "a"), "no difference"),
        (("a",), ("a", "b"), "added b"),
        (("a", "b", "c"), ("a", "c"), "dropped b"),
        (("a:int64",), ("a:string",), "retyped a (int64 to string)"),
        # A text file in the place of a typed one gives the same values of the declared types.
        (("a:int64",), ("a",), "no difference"),
        (("a",), ("a:int64",), "no difference"),
        # Alike by name.
        (
            ("id", "customer_name", "x"),
            ("x", "id", "customer_nm"),
            "added customer_nm; dropped customer_name; perhaps renamed customer_name to customer_nm",
        ),
        # At the same place between the same neighbours, whatever the name.
        (
            ("编号", "名称", "金额"),
            ("编号", "单位", "金额"),
            "added 单位; dropped 名称; perhaps renamed 名称 to 单位",
        ),
        # Each new name is given away once.
        (
            ("id", "size_a", "size_b"),
            ("size_c", "id"),
            "added size_c; dropped size_a, size_b; perhaps renamed size_a to size_c",
        ),
        (("id", "height"), ("colour", "id"), "added colour; dropped height"),
    ],
)
def test_a_difference_in_words(before: tuple[str, ...], after: tuple[str, ...], says: str) -> None:
    found = drift(columns(*before), columns(*after))
    assert str(found) == says
    assert bool(found) is (says != "no difference")
