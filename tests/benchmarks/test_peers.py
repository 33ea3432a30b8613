"""The comparison with peers: its measures, and that the sandbox answers every question of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.peers import ours
from benchmarks.peers.__main__ import SANDBOX, compared, nafld, truths
from benchmarks.peers.answers import Given, error, kept
from benchmarks.peers.questions import QUESTIONS


def test_the_error_is_that_of_the_middle_figure_and_rows_are_told_by_their_keys() -> None:
    truth = [("a", 100), ("b", 200), ("c", 0)]
    given = Given("", (1.0,), ((("b", 220), ("a", 100), ("d", 5), ("c", 3)),))
    assert error(given, truth, 1) == pytest.approx(5.0)  # 0 % and 10 %; nothing is relative to 0
    assert kept(given, truth, 1) == 1.0
    few = Given("", (1.0, 2.0), ((("a", 90),), ()))
    assert error(few, truth, 1) == pytest.approx(55.0)
    assert kept(few, truth, 1) == pytest.approx(1 / 6)


def test_keys_are_the_same_as_numbers_and_as_text() -> None:
    assert error(Given("", (1.0,), ((("1", 5.0),),)), [(1, 10)], 1) == pytest.approx(50.0)


def test_the_sandbox_answers_every_question(tmp_path: Path) -> None:
    data = nafld(tmp_path)
    exact = truths(data)
    given = ours.answers(QUESTIONS, data, 1.0, 1)
    assert {q: g.refused for q, g in given.items() if g.refused} == {}
    refused = {q.name: Given("not that") for q in QUESTIONS}
    table = compared({SANDBOX: given, "other": refused}, exact)
    assert table.rows[-1][0] == "answered"
    assert table.rows[-1][-1] == f"0 of {len(QUESTIONS)}"
    assert all(row[-1] == "no answer" for row in table.rows[:-1])
