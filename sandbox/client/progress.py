"""Shows that a question still runs: in a notebook below its cell, in a terminal on one line.

What is shown is how long one has waited, and at which step the question is, as far as the service tells: of
what the data could change it tells nothing.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import copy_context
from typing import Any

SILENT_SECONDS = 1.5
EVERY_SECONDS = 1.0
LOOK_SECONDS = 1.0
"""The longest wait to be told the step: an answer that comes meanwhile waits for it."""

Show = Callable[[str], None]
Step = Callable[[], str]
_STEPS = {"count": "counting", "noise": "adding noise", "answer": "computing the answer"}


def step_of(questions: Sequence[Mapping[str, Any]]) -> str:
    """The step of the one question that runs, in words; of several nobody knows which is meant."""
    if len(questions) != 1 or questions[0]["step"] not in _STEPS:
        return ""
    step, done, total = (questions[0][name] for name in ("step", "done", "total"))
    share = f" {100 * done // total} %" if step == "noise" and total else ""
    return _STEPS[step] + share


def nothing() -> str:
    """No step is told."""
    return ""


@contextmanager
def waiting(step: Step = nothing) -> Iterator[None]:
    """Show the time that passes inside, once it is long enough to be noticed; take it away at the end.

    `step` is asked each time for the step that the question is at; what it raises is not shown.
    """
    show = _below_the_cell() or _in_a_line()
    if show is None:
        yield
        return
    ended, began = threading.Event(), time.monotonic()

    def tick() -> None:
        pause = SILENT_SECONDS
        while not ended.wait(pause):
            pause = EVERY_SECONDS
            words = _quietly_told(step)
            if not ended.is_set():
                show(f"Asking … {time.monotonic() - began:.0f} s" + (f", {words}" if words else ""))

    # In the caller's context: there a notebook finds the cell that the words belong to.
    ticking = threading.Thread(target=copy_context().run, args=(_quietly, tick), daemon=True)
    ticking.start()
    try:
        yield
    finally:
        ended.set()
        ticking.join()
        with suppress(Exception):
            show("")


def _quietly_told(step: Step) -> str:
    with suppress(Exception):
        return step()
    return ""


def _quietly(tick: Callable[[], None]) -> None:
    """What cannot be shown, as in a closed terminal, does not stop a question."""
    with suppress(Exception):
        tick()


def _below_the_cell() -> Show | None:
    """How to show words in a notebook; None outside of one."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if getattr(shell, "kernel", None) is None:
        return None
    shown: list[Any] = []

    def show(words: str) -> None:
        from IPython.display import display  # noqa: PLC0415

        data = {"text/plain": words}
        if shown:
            shown[0].update(data, raw=True)
        elif words:
            # IPython says no types.
            shown.append(display(data, raw=True, display_id=True))  # type: ignore[no-untyped-call]

    return show


def _in_a_line() -> Show | None:
    """How to show words in a terminal; None where nobody looks."""
    if sys.stderr is None or not sys.stderr.isatty():
        return None
    widest = 0

    def show(words: str) -> None:
        nonlocal widest
        sys.stderr.write(f"\r{words:<{widest}}" if words else f"\r{'':<{widest}}\r" if widest else "")
        sys.stderr.flush()
        widest = max(widest, len(words))

    return show
