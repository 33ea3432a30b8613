"""Time limits of statements: one thread watches all of them, so that a limit costs no thread of its own.

A limit that does not pass costs two locks. An interrupt that comes between two stages of a statement is
lost, so a statement that is over its time is interrupted again and again until it has ended.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import duckdb

AGAIN_SECONDS = 0.02


class TimeLimits:
    """The statements that run under a limit. Threads share it."""

    def __init__(self) -> None:
        self._guard = threading.Condition()
        self._running: dict[object, tuple[float, duckdb.DuckDBPyConnection]] = {}
        self._wakes = math.inf
        self._watcher: threading.Thread | None = None

    @contextmanager
    def interrupted_after(self, cursor: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
        """Interrupt what `cursor` runs in the body when it takes longer than `seconds`; never after it."""
        mine = object()
        deadline = time.monotonic() + seconds
        with self._guard:
            self._running[mine] = (deadline, cursor)
            if self._watcher is None or not self._watcher.is_alive():
                self._watcher = threading.Thread(target=self._watch, name="time-limits", daemon=True)
                self._watcher.start()
            elif deadline < self._wakes:
                self._guard.notify()
        try:
            yield
        finally:
            with self._guard:
                del self._running[mine]

    def _watch(self) -> None:
        with self._guard:
            while True:
                pause = self._interrupt_late()
                self._guard.wait(None if math.isinf(pause) else min(pause, threading.TIMEOUT_MAX))

    def _interrupt_late(self) -> float:
        """Seconds until this has to be done again. It keeps no cursor: one keeps its engine alive."""
        now = time.monotonic()
        late = [cursor for deadline, cursor in self._running.values() if deadline <= now]
        for cursor in late:
            with suppress(duckdb.Error):
                cursor.interrupt()
        deadlines = [deadline for deadline, _ in self._running.values()]
        self._wakes = now + AGAIN_SECONDS if late else min(deadlines, default=math.inf)
        return self._wakes - now
