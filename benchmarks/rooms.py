"""Sealed kernels: start and memory against plain ones, many at once, beside bombs, a question from inside.

Needs what a room needs (`sandbox doctor` says): root, or a control group that was handed over. Kernels are
started by the provisioner that a notebook server uses; the service runs in a process of its own.

    python -m benchmarks rooms
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import httpx
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import KernelProvisionerFactory

from benchmarks import hub_login
from benchmarks.api_latency import GRANT, free_port, prepare, serve, wait_for
from benchmarks.report import Goal, Report
from benchmarks.scale import Scale
from sandbox.client import Sandbox
from sandbox.settings import Settings

PLAIN, SEALED = "local-provisioner", "sandbox-room"
PATIENCE = 300
ASK = """
import time
import sandbox.client as sb
times = []
for at in range({first}, {last}):
    began = time.perf_counter()
    sql = f"SELECT male, COUNT(*) AS n FROM nafld.people WHERE futime >= {{at}} GROUP BY male"
    sb.sql(sql, epsilon="0.005")
    times.append(time.perf_counter() - began)
print(*times)
"""
WORK = "sum(range(3_000_000))"
BOMBS = {
    "processes": "import os\nwhile True:\n try:\n  os.fork()\n except OSError:\n  pass",
    "memory": "while True:\n  kept = bytearray(1 << 30)",
    "files": "while True:\n  with open('/tmp/bomb', 'wb', buffering=0) as file:\n"
    "    for _ in range(200): file.write(bytes(1 << 20))",
    "output": "while True:\n  print('x' * 10_000)",
    "questions": "import threading, sandbox.client as sb\n"
    "def ask():\n  while True:\n    try: sb.datasets()\n    except Exception: pass\n"
    "for _ in range(32): threading.Thread(target=ask).start()\nwhile True: pass",
}


def run(scale: Scale) -> list[Report]:
    """Measure everything; the hub only where it is asked for, because it takes longest."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / "home", listen=f"127.0.0.1:{free_port()}")
        token = prepare(settings, Path(folder))
        server = multiprocessing.get_context("spawn").Process(target=serve, args=(settings,))
        server.start()
        before = {name: os.environ.get(name) for name in ("SANDBOX_URL", "SANDBOX_TOKEN")}
        try:
            url = f"http://{settings.listen}"
            with httpx.Client(base_url=url) as http:
                wait_for(http)
            os.environ.update(SANDBOX_URL=url, SANDBOX_TOKEN=token)
            found = asyncio.run(measured(scale, Sandbox(url, token, grant=GRANT)))
        finally:
            server.terminate()
            server.join()
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value
    return [*found, *([hub_login.report(scale.logins)] if scale.logins else [])]


async def measured(scale: Scale, direct: Sandbox) -> list[Report]:
    """The reports about kernels."""
    return [
        await starting(scale.rounds),
        await many(scale.kernels),
        await beside_bombs(scale.bombs, scale.cells),
        await asking(direct, scale.questions // 5 + 2),
    ]


async def starting(rounds: int) -> Report:
    """Sealed and plain take turns; the first round does not count."""
    taken: dict[str, list[tuple[float, float]]] = {PLAIN: [], SEALED: []}
    for _ in range(rounds + 1):
        for name, seen in taken.items():
            seen.append(await started(name))
    pairs = list(zip(taken[SEALED], taken[PLAIN], strict=True))[1:]
    ratio = statistics.median(sealed[0] / plain[0] for sealed, plain in pairs)
    sealed, plain = (statistics.median(one[at][1] for one in pairs) for at in (0, 1))
    rows = [
        (name, *(statistics.median(one[at] for one in seen[1:]) for at in (0, 1)))
        for name, seen in taken.items()
    ]
    goals = (
        Goal("ready, sealed / plain", ratio, 1.15),
        Goal("memory, sealed, MB (plain and 10)", sealed, plain + 10),
    )
    return Report("Start of a kernel", ("kernel", "ready after s", "memory MB"), tuple(rows), goals)


async def many(count: int) -> Report:
    """All at once, as when a class begins."""
    began = time.perf_counter()
    tries = await asyncio.gather(*(opened(SEALED, began) for _ in range(count)), return_exceptions=True)
    ready = [each for each in tries if not isinstance(each, BaseException)]
    answered = time.perf_counter()
    await asyncio.gather(*(ran(client, WORK) for _, client, _ in ready))
    working = time.perf_counter() - answered
    memory = sum(sum(map(private, manager.provisioner.room.groups.members())) for manager, _, _ in ready)
    await asyncio.gather(*(closed(manager, client) for manager, client, _ in ready))
    alone = await opened(SEALED, time.perf_counter())
    await closed(*alone[:2])
    rows = (
        ("asked for, ready", f"{count}, {len(ready)}"),
        ("one alone: ready after s", alone[2]),
        ("the first ready after s", min(each[2] for each in ready)),
        ("the last ready after s", max(each[2] for each in ready)),
        ("a cell in all of them at once, s", working),
        ("memory of all, MB", memory),
    )
    return Report("Kernels at once", ("", "seen"), rows, (Goal("ready", len(ready), count, at_most=False),))


async def beside_bombs(bombs: int, cells: int) -> Report:
    """How long a cell takes before, during and after a bomb in a kernel of another person's server."""
    calm, line, _ = await opened(SEALED, time.perf_counter())
    rows, worst = [], 0.0
    for name, bomb in list(BOMBS.items())[:bombs]:
        without = await latencies(line, cells)
        with hostile(bomb):
            during = await latencies(line, cells)
        without += await latencies(line, cells)
        ratio = statistics.median(during) / statistics.median(without)
        worst = max(worst, ratio)
        rows.append((name, 1000 * statistics.median(without), 1000 * statistics.median(during), ratio))
    await closed(calm, line)
    columns = ("bomb of", "a cell, ms", "beside the bomb, ms", "ratio")
    return Report("A neighbour's cell", columns, tuple(rows), (Goal("the worst ratio", worst, 2),))


@contextmanager
def hostile(bomb: str) -> Iterator[None]:
    """Another server, with a kernel in which a bomb goes off."""
    context = multiprocessing.get_context("spawn")
    went_off, over = context.Event(), context.Event()
    server = context.Process(target=another_server, args=(bomb, went_off, over))
    server.start()
    if not went_off.wait(PATIENCE):
        raise RuntimeError("the bomb did not go off")
    try:
        yield
    finally:
        over.set()
        server.join()


def another_server(bomb: str, went_off: Event, over: Event) -> None:
    """In a process of its own: start a kernel, set the bomb off, end it when it is over."""

    async def story() -> None:
        manager, client, _ = await opened(SEALED, time.perf_counter())
        client.execute(bomb)
        await asyncio.sleep(2)
        went_off.set()
        await asyncio.to_thread(over.wait)
        await closed(manager, client)

    asyncio.run(story())


async def asking(direct: Sandbox, count: int) -> Report:
    """The same kind of question from a kernel and directly; the first ones do not count."""
    manager, client, _ = await opened(SEALED, time.perf_counter())
    said = await ran(client, ASK.format(first=20, last=20 + count))
    await closed(manager, client)
    inside = [float(word) for word in said.split()]
    outside = []
    for at in range(200, 200 + count):
        sql = f"SELECT male, COUNT(*) AS n FROM nafld.people WHERE futime >= {at} GROUP BY male"
        began = time.perf_counter()
        direct.sql(sql, epsilon="0.005")
        outside.append(time.perf_counter() - began)
    skip = count // 4
    within, without = (1000 * statistics.median(times[skip:]) for times in (inside, outside))
    rows = (("from a kernel", within), ("directly", without))
    return Report("A question", ("", "ms"), rows, (Goal("kernel / direct", within / without, 1.2),))


async def started(name: str) -> tuple[float, float]:
    """Seconds until a kernel is ready, and its memory in MB."""
    manager, client, ready = await opened(name, time.perf_counter())
    room = getattr(manager.provisioner, "room", None)
    pids = room.groups.members() if room is not None else {manager.provisioner.pid}
    memory = sum(private(pid) for pid in pids)
    await closed(manager, client)
    return ready, memory


async def opened(name: str, began: float) -> tuple[Any, Any, float]:
    """A kernel that is ready, the line to it, and the seconds since `began`."""
    os.environ["JUPYTER_DEFAULT_PROVISIONER_NAME"] = name
    KernelProvisionerFactory.clear_instance()
    manager = AsyncKernelManager(kernel_name="python3")
    await manager.start_kernel()
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=PATIENCE)
    return manager, client, time.perf_counter() - began


async def closed(manager: Any, client: Any) -> None:
    """End a kernel."""
    client.stop_channels()
    await manager.shutdown_kernel(now=True)


async def ran(client: Any, code: str) -> str:
    """What a cell printed."""
    said: list[str] = []

    def hear(message: Mapping[str, Any]) -> None:
        if message["msg_type"] == "stream":
            said.append(message["content"]["text"])

    await client.execute_interactive(code, output_hook=hear, timeout=PATIENCE)
    return "".join(said)


async def latencies(client: Any, count: int) -> list[float]:
    """Seconds of cells, one after the other."""
    times = []
    for _ in range(count):
        began = time.perf_counter()
        await ran(client, WORK)
        times.append(time.perf_counter() - began)
    return times


def private(pid: int) -> float:
    """Memory of a process in MB, shared pages by their share."""
    with suppress(OSError):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1000
    return 0.0
