"""Sealed kernels against plain ones: time until ready, memory, and a question through the door.

Needs what a room needs (`sandbox doctor` says): root, or a control group that was handed over.

    python -m benchmarks.rooms [ROUNDS]
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import KernelProvisionerFactory

from benchmarks.api_latency import GRANT, free_port, prepare, serve, wait_for
from sandbox.client import Sandbox
from sandbox.settings import Settings

PLAIN, SEALED = "local-provisioner", "sandbox-room"
PATIENCE = 120
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


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / "home", listen=f"127.0.0.1:{free_port()}")
        token = prepare(settings, Path(folder))
        server = multiprocessing.get_context("spawn").Process(target=serve, args=(settings,))
        server.start()
        try:
            url = f"http://{settings.listen}"
            with httpx.Client(base_url=url) as http:
                wait_for(http)
            os.environ.update(SANDBOX_URL=url, SANDBOX_TOKEN=token)
            asyncio.run(measure(rounds, Sandbox(url, token, grant=GRANT)))
        finally:
            server.terminate()
            server.join()


async def measure(rounds: int, direct: Sandbox) -> None:
    """Take turns; the first round does not count."""
    taken: dict[str, list[tuple[float, float]]] = {PLAIN: [], SEALED: []}
    for _ in range(rounds + 1):
        for name, seen in taken.items():
            seen.append(await started(name))
    pairs = list(zip(taken[SEALED], taken[PLAIN], strict=True))[1:]
    ratio = statistics.median(sealed[0] / plain[0] for sealed, plain in pairs)
    more = statistics.median(sealed[1] - plain[1] for sealed, plain in pairs)
    for name, seen in taken.items():
        ready = statistics.median(one[0] for one in seen[1:])
        print(f"{name:<20} ready after {ready:.2f} s, {statistics.median(one[1] for one in seen[1:]):.0f} MB")
    print(f"sealed / plain: {ratio:.2f} (goal 1.15); memory {more:+.0f} MB (goal +10)")
    inside = await from_inside(20, 60)
    outside = []
    for at in range(100, 140):
        sql = f"SELECT male, COUNT(*) AS n FROM nafld.people WHERE futime >= {at} GROUP BY male"
        began = time.perf_counter()
        direct.sql(sql, epsilon="0.005")
        outside.append(time.perf_counter() - began)
    within, without = 1000 * statistics.median(inside), 1000 * statistics.median(outside[10:])
    ratio = within / without
    print(f"a question: {within:.0f} ms from a kernel, {without:.0f} ms directly: {ratio:.2f} (goal 1.2)")


async def started(name: str) -> tuple[float, float]:
    """Seconds until a kernel is ready, and its memory in MB."""
    began = time.perf_counter()
    manager, client = await opened(name)
    ready = time.perf_counter() - began
    room = getattr(manager.provisioner, "room", None)
    pids = room.groups.members() if room is not None else {manager.provisioner.pid}
    memory = sum(private(pid) for pid in pids)
    client.stop_channels()
    await manager.shutdown_kernel(now=True)
    return ready, memory


async def opened(name: str) -> tuple[Any, Any]:
    """A kernel that is ready, and the line to it."""
    os.environ["JUPYTER_DEFAULT_PROVISIONER_NAME"] = name
    KernelProvisionerFactory.clear_instance()
    manager = AsyncKernelManager(kernel_name="python3")
    await manager.start_kernel()
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=PATIENCE)
    return manager, client


async def from_inside(first: int, last: int) -> list[float]:
    """Seconds of questions that a sealed kernel asks, the first ten left out."""
    manager, client = await opened(SEALED)
    said: list[str] = []

    def hear(message: Mapping[str, Any]) -> None:
        if message["msg_type"] == "stream":
            said.append(message["content"]["text"])

    await client.execute_interactive(ASK.format(first=first, last=last), output_hook=hear, timeout=PATIENCE)
    client.stop_channels()
    await manager.shutdown_kernel(now=True)
    return [float(word) for word in "".join(said).split()][10:]


def private(pid: int) -> float:
    """Memory of a process in MB, shared pages by their share."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1000


if __name__ == "__main__":
    main()
