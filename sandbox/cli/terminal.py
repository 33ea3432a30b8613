"""How things look: in a terminal colours, boxes and bars; in a pipe plain text that is easy to cut."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol

from rich import box
from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

PIPED_WIDTH = 100_000
SECONDS_BETWEEN_LINES = 10.0


class Steps(Protocol):
    """Says how far long work has come. `total` is in the unit of `done`, or None when nobody knows."""

    def __call__(self, done: int, total: int | None) -> None:
        """`done` of `total` is done."""


def stdout() -> Console:
    """The console of results."""
    return _console(stderr=False)


def stderr() -> Console:
    """The console of errors, prompts and progress."""
    return _console(stderr=True)


def table(columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[object]]) -> Table:
    """A table; each column is (heading, justify). Cells are text, never markup, unless a `Text`."""
    made = Table(
        box=box.ROUNDED if stdout().is_terminal else box.MARKDOWN,
        header_style="bold",
    )
    for heading, justify in columns:
        made.add_column(
            escape(heading),
            justify="right" if justify == "right" else "left",
            overflow="fold",
        )
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else escape(printable(str(cell))) for cell in row))
    return made


def show(made: Table, title: str = "") -> None:
    """A table to stdout under its title; in a pipe without blank borders and trailing spaces."""
    console = stdout()
    if title:
        headline(title)
    if console.is_terminal:
        console.print(made)
        return
    with console.capture() as captured:
        console.print(made)
    for line in captured.get().splitlines():
        if line.strip():
            sys.stdout.write(line.rstrip() + "\n")


def headline(text: str) -> None:
    """One line to stdout, bold in a terminal."""
    stdout().print(Text(printable(text), style="bold"), soft_wrap=True)


def say(*lines: str) -> None:
    """Lines of plain text to stdout; never markup."""
    console = stdout()
    for line in lines:
        console.print(printable(line), markup=False, highlight=False, soft_wrap=True)


def complain(title: str, body: str, hint: str) -> None:
    """An error to stderr: a panel in a terminal, plain lines in a pipe."""
    console = stderr()
    title, body, hint = printable(title), printable(body), printable(hint)
    if console.is_terminal:
        text = Text(body)
        if hint:
            text.append("\n" + hint, style="cyan")
        console.print(Panel(text, title=Text(title), title_align="left", border_style="red", highlight=False))
        return
    lines = [f"error[{title}]: {body}"] + ([f"  {hint}"] if hint else [])
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def printable(text: str) -> str:
    """`text` without control characters (a data value or a file name must not steer a terminal)."""
    return "".join(c if c in "\n\t" or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


@contextmanager
def progress(what: str, *, of_bytes: bool = False) -> Iterator[Steps]:
    """A bar on stderr in a terminal, lines now and then in a pipe. Yields the function that moves it."""
    console = stderr()
    if not console.is_terminal:
        console.print(f"{what} …", markup=False, highlight=False, soft_wrap=True)
        yield _Lines(console, what) if of_bytes else _silent
        return
    from rich import progress as bars  # noqa: PLC0415

    columns: list[bars.ProgressColumn] = [
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.TimeElapsedColumn(),
    ]
    if of_bytes:
        columns += [bars.DownloadColumn(), bars.TransferSpeedColumn(), bars.TimeRemainingColumn()]
    with bars.Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(escape(what), total=None)

        def move(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total)

        yield move


@contextmanager
def asking() -> Iterator[Callable[[str, int, int], None]]:
    """Shows at which step a question is, in a terminal; in a pipe nothing. Yields the function to tell it."""
    console = stderr()
    if not console.is_terminal:
        yield _unseen
        return
    from rich import progress as bars  # noqa: PLC0415

    columns = (bars.TextColumn("{task.description}"), bars.BarColumn(), bars.TimeElapsedColumn())
    with bars.Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("Asking", total=None)

        def tell(step: str, done: int, total: int) -> None:
            noised = step == "noise" and total > 0
            words = f"{_STEPS[step]} {100 * done // total} %" if noised else _STEPS[step]
            bar.update(
                task,
                description=words,
                refresh=True,
                completed=done if noised else None,
                total=total if noised else None,
            )

        yield tell


_STEPS = {"count": "Counting", "noise": "Adding noise", "answer": "Computing the answer"}


def _unseen(step: str, done: int, total: int) -> None:
    """Nobody looks at a pipe."""


def pace(done: int, total: int | None, seconds: float) -> str:
    """How far and how fast: `45 % of 1.2 GB, 12.3 MB/s, 0:31 left`."""
    rate = done / max(seconds, 1e-3)
    speed = f"{decimal(int(rate))}/s"
    if not total:
        return f"{decimal(done)}, {speed}"
    far = f"{min(100, 100 * done // total)} % of {decimal(total)}, {speed}"
    return f"{far}, {timedelta(seconds=round(max(0, total - done) / rate))} left" if rate else far


class _Lines:
    """Says how far work has come every ten seconds."""

    def __init__(self, console: Console, what: str) -> None:
        self._console = console
        self._what = what
        self._started = self._said = time.monotonic()

    def __call__(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        if now - self._said >= SECONDS_BETWEEN_LINES:
            self._said = now
            text = f"{self._what}: {pace(done, total, now - self._started)}"
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def _silent(done: int, total: int | None) -> None:
    """A pipe has no bar to move."""


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    on_terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
    if on_terminal:
        return Console(stderr=stderr)
    return Console(stderr=stderr, width=PIPED_WIDTH, force_terminal=False, no_color=True)
