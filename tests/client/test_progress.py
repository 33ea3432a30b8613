"""A question that takes long says so: in a terminal on one line, in a notebook below its cell."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading

import pytest

from sandbox.client import progress

PROGRAM = """
import time
from sandbox.client import progress
progress.SILENT_SECONDS = progress.EVERY_SECONDS = 0.05
with progress.waiting():
    time.sleep({seconds})
print("done")
"""


def run(seconds: float, terminal: int | None) -> tuple[str, str]:
    """What a program that waits prints: on standard output, and on standard error when that is a pipe."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(seconds=seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if terminal is None else terminal,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout, done.stderr or ""


def test_in_a_terminal_the_time_is_shown_and_taken_away() -> None:
    mine, theirs = pty.openpty()
    said, _ = run(0.6, theirs)
    os.close(theirs)
    shown = os.read(mine, 65536).decode()
    os.close(mine)
    assert said == "done\n"
    assert "\rAsking … 0 s" in shown
    assert shown.endswith(" \r")


def test_in_a_pipe_nothing_is_shown() -> None:
    assert run(0.3, None) == ("done\n", "")


def test_what_is_quick_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(progress, "SILENT_SECONDS", 600.0)
    monkeypatch.setattr(progress, "_in_a_line", lambda: shown.append)
    before = threading.active_count()
    with progress.waiting():
        pass
    assert shown == [""]
    assert threading.active_count() == before


def test_a_terminal_that_is_gone_stops_no_question(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = threading.Event()

    def gone(words: str) -> None:
        tried.set()
        raise OSError(words)

    monkeypatch.setattr(progress, "SILENT_SECONDS", 0.01)
    monkeypatch.setattr(progress, "_in_a_line", lambda: gone)
    with progress.waiting():
        assert tried.wait(30)


def test_the_step_is_shown_beside_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, twice = list[str](), threading.Event()

    def show(words: str) -> None:
        shown.append(words)
        if len(shown) > 1:
            twice.set()

    def step() -> str:
        if not shown:
            raise OSError("nobody answers")
        return "adding noise 45 %"

    monkeypatch.setattr(progress, "SILENT_SECONDS", 0.01)
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.01)
    monkeypatch.setattr(progress, "_in_a_line", lambda: show)
    with progress.waiting(step):
        assert twice.wait(60)
    assert shown[0].endswith(" s")
    assert shown[1].endswith(" s, adding noise 45 %")


@pytest.mark.parametrize(
    ("questions", "said"),
    [
        ([], ""),
        ([{"step": None, "done": 0, "total": 0}], ""),
        ([{"step": "count", "done": 0, "total": 8}], "counting"),
        ([{"step": "noise", "done": 3, "total": 8}], "adding noise 37 %"),
        ([{"step": "answer", "done": 8, "total": 8}], "computing the answer"),
        ([{"step": "dancing", "done": 8, "total": 8}], ""),
        ([{"step": "count", "done": 0, "total": 8}] * 2, ""),
    ],
)
def test_steps_in_words(questions: list[dict[str, object]], said: str) -> None:
    assert progress.step_of(questions) == said
