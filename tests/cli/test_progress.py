"""How far a load has come, with rate and time left."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from sandbox.cli import terminal
from sandbox.query.steps import Step


@pytest.mark.parametrize(
    ("done", "total", "seconds", "says"),
    [
        (0, None, 1.0, "0 bytes, 0 bytes/s"),
        (50_000_000, 100_000_000, 5.0, "50 % of 100.0 MB, 10.0 MB/s, 0:00:05 left"),
        (100, 100, 1.0, "100 % of 100 bytes, 100 bytes/s, 0:00:00 left"),
        (150, 100, 1.0, "100 % of 100 bytes, 150 bytes/s, 0:00:00 left"),
        (0, 100, 1.0, "0 % of 100 bytes, 0 bytes/s"),
        (2_000, None, 2.0, "2.0 kB, 1.0 kB/s"),
        (5, 10, 0.0, "50 % of 10 bytes, 5.0 kB/s, 0:00:00 left"),
    ],
)
def test_pace(done, total, seconds, says):
    assert terminal.pace(done, total, seconds) == says


def test_lines_in_a_pipe(capsys, monkeypatch):
    monkeypatch.setattr(terminal, "SECONDS_BETWEEN_LINES", 0.0)
    with terminal.progress("Loading d.t", of_bytes=True) as steps:
        steps(50, 100)
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "Loading d.t …"
    assert said[1].startswith("Loading d.t: 50 % of 100 bytes")


def test_a_question_says_its_step_in_a_terminal(monkeypatch):
    seen = io.StringIO()
    monkeypatch.setattr(terminal, "stderr", lambda: Console(file=seen, force_terminal=True, width=80))
    with terminal.asking() as tell:
        for step in Step:
            tell(step, 3 if step is Step.NOISE else 0, 8)
    for words in ("Counting", "Adding noise 37 %", "Computing the answer"):
        assert words in seen.getvalue()


def test_a_question_says_nothing_in_a_pipe(capsys):
    with terminal.asking() as tell:
        tell("noise", 1, 2)
    assert capsys.readouterr() == ("", "")
