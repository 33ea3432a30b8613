"""Proving again: a process that serves compares its store with the log all along, not only at its start.

Rules
- The first time a while after the start, which has proved everything; each time what a home's opening does.
- What is altered meanwhile ends all writing: no question is charged or answered, nothing loaded or published,
  until an operator looks. Whoever starts the service again meets the same refusal.
- What keeps it from looking (a busy store) is no alteration: it looks again next time.
"""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import Self

from sandbox.errors import ErrorCode, SandboxError
from sandbox.service.home import Home
from sandbox.service.proof import check_against_log

LOG = logging.getLogger(__name__)
EVERY_SECONDS = 600.0
_ALTERED = frozenset({ErrorCode.LOG_CORRUPT, ErrorCode.STORAGE_CORRUPT})


class Proving:
    """Proves the store of a home in the background while this context is open."""

    def __init__(self, home: Home, every: float = EVERY_SECONDS) -> None:
        self._store = home.store
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proving", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            try:
                check_against_log(self._store)
            except SandboxError as error:
                if error.code in _ALTERED:
                    LOG.error("nothing is written any more: %s %s", error.message, error.hint)
                    self._store.refuse(error)
                    return
                LOG.warning("the store was not proved this time: %s", error.code.value)
            except Exception as error:  # as after a connection that broke
                LOG.warning("the store was not proved this time: %s", type(error).__name__)
