from __future__ import annotations

import gc
import weakref

import anyio
from starlette.types import Receive, Scope, Send

from sandbox.api.collector import ENOUGH, Tidied, collector_spared


class Node:
    """Knows itself, as a tree's nodes know their parents."""

    def __init__(self) -> None:
        self.me = self


def test_what_a_request_left_behind_is_freed_after_its_answer() -> None:
    seen: list[weakref.ref[Node]] = []
    alive: list[bool] = []

    async def answer(_scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.extend(weakref.ref(Node()) for _ in range(ENOUGH + 1))
        alive.append(seen[0]() is not None)

    async def call() -> None:
        await Tidied(answer)({}, None, None)  # type: ignore[arg-type]

    with collector_spared():
        anyio.run(call)
        assert alive == [True]
        assert all(one() is None for one in seen)


def test_thresholds_are_put_back() -> None:
    before = gc.get_threshold()
    with collector_spared():
        assert gc.get_threshold() != before
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
