"""Where the milliseconds of a question go: planning, each step of a warm grouped count, and the API.

python -m benchmarks question
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from benchmarks import api_latency
from benchmarks.report import Goal, Report
from benchmarks.scale import Scale
from benchmarks.steps import WHOLE, watched
from sandbox.identity import Via
from sandbox.service import home as homes
from sandbox.service import opc
from sandbox.service.home import Home
from sandbox.settings import Settings
from tests.query.fixtures import REWRITES, WORLD, read
from tests.query.world import rewritten

PLANNING_GOAL_MS = 15.0
LARGEST = {
    "a correlation": "SELECT CORR(age, score) AS c FROM people",
    "a regression, by group": "SELECT grp, REGR_R2(age, score) AS r FROM people GROUP BY grp",
}  # whose half-widths are the longest
EPSILON = Decimal("0.001")


def run(scale: Scale) -> list[Report]:
    """Measure planning, the steps, and the API."""
    return [_planning(scale), *_asking(scale)]


def _planning(scale: Scale) -> Report:
    """From text to rewritten SQL, for every question of the fixtures that is answered."""

    def planned(sql: str) -> float:
        times = []
        for _ in range(scale.rounds + 1):
            began = time.perf_counter()
            rewritten(sql, WORLD)
            times.append(1000 * (time.perf_counter() - began))
        return statistics.median(times[1:])

    medians = sorted((planned(block.statements[0]), block.title) for block in read(REWRITES))
    typical, slowest = statistics.median(t for t, _ in medians), medians[-1]
    return Report(
        f"Planning, from text to rewritten SQL, {len(medians)} questions of the fixtures",
        ("", "ms"),
        (
            ("median question", typical),
            (f"slowest: {slowest[1]}", slowest[0]),
            *((f"beside them: {name}", planned(sql)) for name, sql in LARGEST.items()),
        ),
        (
            Goal("planning, median question, ms", typical, PLANNING_GOAL_MS),
            Goal("planning, slowest question, ms", slowest[0], PLANNING_GOAL_MS),
        ),
    )


def _asking(scale: Scale) -> list[Report]:
    with TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / "home", listen=f"127.0.0.1:{api_latency.free_port()}")
        token = api_latency.prepare(settings, Path(folder))
        home = homes.open_home(settings, api_latency.PASSPHRASE)
        try:
            steps = _steps(home, scale.questions)
        finally:
            homes.close(home)
        return [steps, _api(settings, token, scale.questions)]


def _steps(home: Home, count: int) -> Report:
    """Milliseconds of each step of a grouped count, new literals each time."""
    li = homes.actor(home, "li", Via.CLI)

    def ask(at: int) -> None:
        sql = f"SELECT male, count(*) AS n FROM nafld.people WHERE futime >= -{at} GROUP BY male"
        opc.ask(home, li, sql, api_latency.GRANT, EPSILON)

    ask(1)  # decrypts the columns
    with watched() as spent:
        whole = spent.timed(WHOLE, ask)
        for at in range(2, count + 2):
            whole(at)
    # The steps come in the order in which they first ended, the whole question last.
    rows = tuple((name, *_percentiles([1000 * t for t in times])) for name, times in spent.wall.items())
    return Report(f"A warm grouped count, step by step, {count} questions", ("", "p50 ms", "p95 ms"), rows)


def _api(settings: Settings, token: str, count: int) -> Report:
    server = multiprocessing.get_context("spawn").Process(target=api_latency.serve, args=(settings,))
    server.start()
    try:
        with httpx.Client(base_url=f"http://{settings.listen}", timeout=60) as http:
            http.headers["Authorization"] = f"Bearer {token}"
            api_latency.wait_for(http)
            measured = api_latency.measure(http, count)
    finally:
        server.terminate()
        server.join()
    first = statistics.median(measured[0][1])
    return Report(
        f"Through the API, one client, {count} requests of each kind, the ledger on disk",
        ("", "p50 ms", "p95 ms"),
        tuple((name, *_percentiles(times)) for name, times in measured),
        (Goal("p50 of a new grouped count, ms", first, api_latency.GOAL_MS),),
    )


def _percentiles(times: list[float]) -> tuple[float, float]:
    return statistics.median(times), statistics.quantiles(times, n=20)[-1]
