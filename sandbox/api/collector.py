"""When Python's garbage collector looks: between answers, not within a question.

Reading a question makes some ten thousand small objects at once, trees whose nodes know their parents, which
only the collector can free. By itself it would look in the midst of a question, and each time through all
that the libraries hold as well.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp, Receive, Scope, Send

ENOUGH = 20_000  # new objects, to be worth a look after an answer
NEW_OBJECTS = 500_000  # at most, between two looks at the youngest
OFTEN = 20  # looks at one generation for each look at the next


@contextmanager
def collector_spared() -> Iterator[None]:
    """Take what the process has loaded out of garbage collection, and let it come by itself in need only."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, OFTEN, OFTEN)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()  # or the engine complains, at the end, of what was not given back


def tidy() -> None:
    """Free what an answered question left behind, if it is much."""
    new, young, old = gc.get_count()
    if new > ENOUGH:
        gc.collect(2 if old >= OFTEN else 1 if young >= OFTEN else 0)


class Tidied:
    """An application that tidies up once its answer was sent."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self._app(scope, receive, send)
        tidy()
