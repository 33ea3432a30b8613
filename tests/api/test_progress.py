"""How far a question has come is told while it runs, to the person who asks it."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from sandbox.api import routes
from sandbox.api.running import Running
from sandbox.identity import Role
from sandbox.query.steps import Step
from tests.api.instance import Served

BY_SEX = "SELECT male, count(*) AS n FROM nafld.people WHERE futime >= {} GROUP BY male"
SECONDS = 120
WORDS = {
    Step.COUNT: "counting",
    Step.NOISE: "adding noise 100 %",
    Step.ANSWER: "computing the answer",
}


def _held(monkeypatch: pytest.MonkeyPatch, at: Step) -> tuple[threading.Event, threading.Event]:
    """The service as it is, but that a question stops at a step until it is let go."""
    reached, go, ask = threading.Event(), threading.Event(), routes.opc.ask

    def held(*given: Any) -> Any:
        *others, tell = given

        def telling(step: Step, done: int, total: int) -> None:
            tell(step, done, total)
            if step is at:
                reached.set()
                assert go.wait(SECONDS)

        return ask(*others, telling)

    monkeypatch.setattr(routes.opc, "ask", held)
    return reached, go


def _running(http: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = http.get("/v1/progress").json()["questions"]
    return found


def _assert_ends(http: httpx.Client) -> None:
    """Questions of earlier tests, whose callers hung up, may still run."""
    last = time.monotonic() + SECONDS
    while _running(http):
        assert time.monotonic() < last
        time.sleep(0.1)


@pytest.mark.parametrize(("step", "done"), [(Step.COUNT, 0), (Step.NOISE, 2), (Step.ANSWER, 2)])
def test_a_running_question_tells_its_step(
    served: Served, monkeypatch: pytest.MonkeyPatch, step: Step, done: int
) -> None:
    reached, go = _held(monkeypatch, step)
    question = {"sql": BY_SEX.format(100 + list(Step).index(step)), "grant": "plenty", "epsilon": "0.1"}
    with served.http() as http, ThreadPoolExecutor() as pool:
        _assert_ends(http)
        answer = pool.submit(lambda: served.http().post("/v1/questions", json=question))
        assert reached.wait(SECONDS)
        assert _running(http) == [{"step": step, "done": done, "total": 2}]
        with served.sandbox() as client:
            assert client._step() == WORDS[step]
        with served.http("zhao", Role.AUDITOR) as other:
            assert _running(other) == [], "nobody else is told"
        go.set()
        assert answer.result().status_code == 200
        _assert_ends(http)


def test_a_refused_question_runs_no_longer(served: Served) -> None:
    with served.http() as http:
        assert http.post("/v1/questions", json={"sql": "SELECT 1 +", "grant": "plenty"}).status_code != 200
        _assert_ends(http)


def test_a_question_of_which_nothing_is_told_runs_without_a_step() -> None:
    """So it is where only the data names the groups; and each person has their own."""
    running = Running()
    with running.question("li") as tell, running.question("sun"), running.question("li"):
        tell(Step.NOISE, 1, 2)
        assert [(p.step, p.done, p.total) for p in running.of("li")] == [("noise", 1, 2), (None, 0, 0)]
        assert [p.step for p in running.of("sun")] == [None]
    assert running.of("li") == running.of("sun") == ()
