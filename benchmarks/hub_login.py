"""From the login at the hub to the first executed cell, over HTTP and websockets as a browser goes."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.report import Goal, Report
from tests.hub.browser import Person
from tests.hub.instance import PASSWORD, running

GOAL_SECONDS = 8.0


def report(rounds: int) -> Report:
    """Log in, start the server, open a kernel, run a cell; the first round does not count."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as hub:
        hub.person("mo")
        taken = [once(hub.url) for _ in range(rounds + 1)][1:]
    steps = ("logged in", "server ready", "kernel open", "first cell executed")
    rows = tuple((name, statistics.median(one[at] for one in taken)) for at, name in enumerate(steps))
    goal = Goal("login to executed first cell, s", float(rows[-1][1]), GOAL_SECONDS)
    return Report("Login to first cell", ("step", "s since the start"), rows, (goal,))


def once(url: str) -> tuple[float, ...]:
    """Seconds since the start of each step; the server is stopped afterwards."""
    person = Person(url, "mo")
    began = time.perf_counter()
    person.log_in(PASSWORD.format("mo"))
    seen = [time.perf_counter() - began]
    person.start_server()
    seen.append(time.perf_counter() - began)
    kernel = person.open_kernel()
    seen.append(time.perf_counter() - began)
    if kernel.run("import sandbox.client as sb; print(1)") != "1\n":
        raise RuntimeError("the cell did not run")
    seen.append(time.perf_counter() - began)
    kernel.line.close()
    person.hub("DELETE", "/users/mo/server")
    while person.hub("GET", "/users/mo").json().get("server"):
        time.sleep(0.2)
    return tuple(seen)
