"""Run an iterator ahead in a thread of its own: reading overlaps checking, sorting overlaps writing."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar

T = TypeVar("T")

_POLL_SECONDS = 0.1


def ahead(
    items: Iterable[T], depth: int = 2, stop: threading.Event | None = None
) -> Generator[T, None, None]:
    """The same items in the same order, at most `depth` of them made before they are asked for.

    What the iterator raises is raised here. Leaving this generator, in whatever way, sets `stop` (an
    iterator that works long for one item should look at it) and closes the iterator.
    """
    waiting: queue.Queue[tuple[T] | BaseException | None] = queue.Queue(depth)
    stop = stop or threading.Event()

    def put(item: tuple[T] | BaseException | None) -> bool:
        while not stop.is_set():
            try:
                waiting.put(item, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False

    def run() -> None:
        end: BaseException | None = None
        iterator = iter(items)
        try:
            for item in iterator:
                if not put((item,)):
                    break
        except BaseException as error:
            end = error
        finally:
            if isinstance(iterator, Generator):
                iterator.close()
        put(end)

    thread = threading.Thread(target=run, name="ahead", daemon=True)
    thread.start()
    try:
        while (item := _next(waiting)) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item[0]
    finally:
        stop.set()
        thread.join()


def _next(waiting: queue.Queue[tuple[T] | BaseException | None]) -> tuple[T] | BaseException | None:
    # Without a timeout, Ctrl-C waits as long as this does wherever some library made signals restart calls.
    while True:
        try:
            return waiting.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            continue
