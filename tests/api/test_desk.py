"""Admission under load, with real threads."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable

import anyio
import anyio.to_thread
import pytest
from starlette.exceptions import HTTPException

from sandbox.api.desk import Desk


class Work:
    """Calls that block until released, and count how many run at once."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.running = 0
        self.most = 0
        self.begun = 0
        self._lock = threading.Lock()

    def __call__(self) -> str:
        with self._lock:
            self.begun += 1
            self.running += 1
            self.most = max(self.most, self.running)
        self.go.wait(120)
        with self._lock:
            self.running -= 1
        return "done"


def together(desk: Desk, callers: list[str], work: Work, *, release_after: float) -> list[str]:
    outcomes: list[str] = []

    async def one(person: str) -> None:
        try:
            outcomes.append(await desk.serve(person, work))
        except HTTPException as error:
            outcomes.append(f"{error.status_code}/{(error.headers or {})['Retry-After']}")

    async def all_of_them() -> None:
        async with anyio.create_task_group() as group:
            for person in callers:
                group.start_soon(one, person)
            await anyio.sleep(release_after)
            work.go.set()

    anyio.run(all_of_them)
    return outcomes


def test_few_run_at_once_and_the_others_wait_their_turn() -> None:
    work = Work()
    outcomes = together(Desk(2, 100, 60), ["li"] * 20, work, release_after=0.1)
    assert outcomes == ["done"] * 20
    assert work.most == 2


def test_beyond_the_queue_callers_are_sent_away_and_nothing_is_begun_for_them() -> None:
    work = Work()
    outcomes = together(Desk(2, 3, 60), [f"p{at}" for at in range(10)], work, release_after=0.1)
    assert sorted(outcomes) == ["503/2"] * 5 + ["done"] * 5
    assert work.begun == 5


def test_one_person_cannot_take_every_place() -> None:
    work = Work()
    outcomes = together(Desk(1, 10, 60), ["greedy"] * 50 + ["li"], work, release_after=0.1)
    assert outcomes.count("done") == 1 + 5 + 1
    assert work.begun == 7


def test_a_long_wait_ends_and_the_call_is_not_begun() -> None:
    work = Work()
    outcomes = together(Desk(1, 10, 0.1), ["li", "wang"], work, release_after=0.5)
    assert sorted(outcomes) == ["503/2", "done"]
    assert work.begun == 1


def test_a_call_that_began_before_its_patience_ended_is_not_cut_short() -> None:
    assert together(Desk(1, 10, 0.05), ["li"], Work(), release_after=0.3) == ["done"]


def test_places_are_given_back_also_after_errors() -> None:
    desk = Desk(1, 1, 60)

    def fail() -> str:
        raise ValueError("no")

    async def many(call: Callable[[], Awaitable[str]]) -> None:
        for _ in range(20):
            with pytest.raises(ValueError, match="no"):
                await call()

    anyio.run(many, lambda: desk.serve("li", fail))
    work = Work()
    work.go.set()
    assert together(desk, ["li", "li"], work, release_after=0) == ["done", "done"]


def test_a_caller_who_hangs_up_does_not_stop_what_was_begun() -> None:
    ended: list[str] = []
    begun, hung_up = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        assert hung_up.wait(120)
        ended.append("settled")

    async def hang_up() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(Desk(1, 1, 60).serve, "li", slow)
            await anyio.to_thread.run_sync(begun.wait, 120)
            group.cancel_scope.cancel()
            hung_up.set()

    anyio.run(hang_up)
    assert ended == ["settled"]
