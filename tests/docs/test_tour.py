"""The README's tour runs, command by command, and prints what the README says."""

from __future__ import annotations

from tests.docs.tour import fits, shape


def test_shape_forgets_noise_and_keeps_words() -> None:
    assert shape("| hdl  |   51.3 | 0.27 |") == shape("| hdl |  9.1 | 12 |")
    assert shape("|------|------:|") == shape("|---|---:|")
    assert shape("nafld@sha256:0a1b2c3d4e5f6789") == shape("nafld@sha256:ffffffff00000000")
    assert shape("error[column-hidden]") != shape("error[column-use]")
    assert shape("ε 0.5") == "ε #"


def test_a_line_of_dots_stands_for_any_lines() -> None:
    assert fits(("a 1", "…", "z"), ["a 2", "b", "c", "z"])
    assert fits(("a 1", "…", "z"), ["a 2", "z"])
    assert not fits(("a 1", "z"), ["a 2", "b", "z"])
    assert not fits(("a",), ["a", "b"])
    assert not fits(("a",), [])
