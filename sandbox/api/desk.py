"""Admission: how many calls of the service run at once, and how many may wait.

Rules
- A call that is sent away was not begun: nothing was reserved or charged, so it is safe to try again.
  Its reply says so by Retry-After, which no other reply has.
- One person holds at most half of the waiting places, so that nobody can lock the others out.
- A call that has begun is never abandoned, also when its caller hangs up: its charge is settled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TypeVar

import anyio
from anyio.to_thread import run_sync
from starlette.exceptions import HTTPException

Result = TypeVar("Result")

RETRY_SECONDS = 2


class Desk:
    """A counter with a few clerks (threads) and a queue of limited length.

    Args:
        at_once: calls that run at the same time.
        waiting: calls that may wait beyond these.
        patience: longest wait, in seconds.

    """

    def __init__(self, at_once: int, waiting: int, patience: float) -> None:
        self._turn = anyio.Semaphore(at_once)
        self._threads = anyio.CapacityLimiter(at_once)
        self._places = at_once + waiting
        self._places_each = at_once + max(1, waiting // 2)
        self._patience = patience
        self._present: Counter[str] = Counter()

    async def serve(self, person: str, call: Callable[[], Result]) -> Result:
        """Run `call` in a thread when a clerk is free, and return what it returns.

        Raises:
            HTTPException: 503 with Retry-After: the queue is full, or the wait too long; `call` was not
                begun.

        """
        if self._present.total() >= self._places or self._present[person] >= self._places_each:
            raise _busy()
        self._present[person] += 1
        try:
            with anyio.move_on_after(self._patience) as wait:
                await self._turn.acquire()
            if wait.cancelled_caught:
                raise _busy()
            try:
                return await run_sync(call, limiter=self._threads)
            finally:
                self._turn.release()
        finally:
            self._present[person] -= 1
            if not self._present[person]:
                del self._present[person]


def _busy() -> HTTPException:
    return HTTPException(503, headers={"Retry-After": str(RETRY_SECONDS)})
