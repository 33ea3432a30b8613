"""Shows that a question still runs: in a notebook below its cell, in a terminal on one line.

What is shown is how long one has waited, and nothing that the data could change: the service tells no more.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from typing import Any

SILENT_SECONDS = 1.5
EVERY_SECONDS = 1.0
Show = Callable[[str], None]


@contextmanager
def waiting() -> Iterator[None]:
    """Show the time that passes inside, once it is long enough to be noticed; take it away at the end."""
    show = _below_the_cell() or _in_a_line()
    if show is None:
        yield
        return
    ended, began = threading.Event(), time.monotonic()

    def tick() -> None:
        pause = SILENT_SECONDS
        while not ended.wait(pause):
            pause = EVERY_SECONDS
            show(f"Asking … {time.monotonic() - began:.0f} s")

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
