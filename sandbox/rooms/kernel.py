"""What a kernel's room consists of: its spec, from the settings, the environment and the kernel's folder."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM
from socket import socket as Socket
from typing import Any

from sandbox.rooms.bubblewrap import HOME
from sandbox.rooms.environment import SDK, Environment, sdk
from sandbox.rooms.inside import start_kernel
from sandbox.rooms.spec import MIB, Limits, Mount, RoomSpec, RunAs
from sandbox.settings import Settings

NOTEBOOKS = HOME / "notebooks"
WORK = HOME / "work"
DUMMY = HOME / "dummy"
# With less, a kernel does not start.
LEAST_MEMORY_MB = 192
LEAST_PROCESSES = 24
START = SDK / "start_kernel.py"
INSIDE = Path("/run/room")
BACKLOG = 64
SOCKET = "api.sock"
CONNECTION = "connection.json"


@dataclass(frozen=True, slots=True)
class KernelFolder:
    """The folder of one kernel outside: its sockets and its connection file. Inside it can only be read.

    The path of a socket has at most 107 bytes, wherever the home of a sandbox lies: this process, which
    listens and talks to the kernel, names sockets by a descriptor of the folder above.

    Attributes:
        path: of the folder, however long.

    """

    path: Path

    @property
    def near(self) -> Path:
        """The folder by a short path that only this process can follow."""
        above = self.path.parent
        at = above.stat()
        return Path(f"/proc/self/fd/{_held(above, at.st_dev, at.st_ino)}", self.path.name)

    @property
    def address(self) -> str:
        """What jupyter_client calls the ip of the ipc transport."""
        return str(self.near / "zmq")

    @property
    def socket(self) -> Path:
        """The door."""
        return self.near / SOCKET

    @property
    def connection_file(self) -> Path:
        """Ports and key of the kernel's messages."""
        return self.path / CONNECTION

    @property
    def dummy(self) -> Path:
        """Where dummy tables are put for it: beside, for what is closed to others hides what is in it."""
        return self.path.with_name(f"{self.path.name}-dummy")

    def listen(self, ports: Sequence[int]) -> dict[str, Socket]:
        """Bind one listening socket for each port, by its ZMQ address."""
        found = {}
        for port in ports:
            path = f"{self.address}-{port}"
            Path(path).unlink(missing_ok=True)
            listener = Socket(AF_UNIX, SOCK_STREAM)
            listener.bind(path)
            listener.listen(BACKLOG)
            listener.setblocking(False)
            found[f"ipc://{path}"] = listener
        return found

    def clear(self) -> None:
        """Remove the folder, the one beside it, and what is in them."""
        for folder in (self.path, self.dummy):
            shutil.rmtree(folder, ignore_errors=True)


@cache
def _held(folder: Path, device: int, inode: int) -> int:  # noqa: ARG001 -- another folder may get its path
    """A descriptor of a folder, never closed: its number must not come to mean the folder of others."""
    return os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


@dataclass(frozen=True, slots=True)
class Granted:
    """What the grants of a person say that one kernel may use up. None: as the settings say.

    Attributes:
        memory_mb: memory, in MiB.
        processes: processes and threads at once.
        cpus: processor time, in cores.

    """

    memory_mb: int | None = None
    processes: int | None = None
    cpus: float | None = None

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Granted:
        """From the API's reply."""
        cpus = said.get("cpus")
        return cls(said.get("memory_mb"), said.get("processes"), None if cpus is None else float(cpus))


def limits(settings: Settings, granted: Granted = Granted()) -> Limits:
    """What one dev room may use up: what was granted, and at most what the settings say."""
    return Limits(
        memory_bytes=_least(settings.room_memory_mb, granted.memory_mb, LEAST_MEMORY_MB) * MIB,
        processes=_least(settings.room_processes, granted.processes, LEAST_PROCESSES),
        cpus=min(settings.room_cpus, granted.cpus or settings.room_cpus),
        file_bytes=settings.room_work_mb * MIB,
        scratch_bytes=settings.room_scratch_mb * MIB,
    )


def _least(most: int, granted: int | None, least: int) -> int:
    """What was granted, within what a kernel needs to start and what the settings say."""
    return most if granted is None else min(most, max(least, granted))


def kernel_spec(
    name: str,
    folder: KernelFolder,
    listeners: dict[str, Socket],
    settings: Settings,
    seen: Environment,
    run_as: RunAs | None,
    granted: Granted = Granted(),
) -> RoomSpec:
    """The room of one kernel."""
    mounts = [
        *seen.mounts,
        *sdk(),
        Mount(Path(start_kernel.__file__), START),
        Mount(folder.path, INSIDE),
        Mount(folder.dummy, DUMMY),
    ]
    if settings.room_notebooks is not None:
        mounts.append(Mount(settings.room_notebooks.absolute(), NOTEBOOKS))
    if settings.room_work is not None:
        mounts.append(Mount(settings.room_work.absolute(), WORK, writable=True))
    return RoomSpec(
        name=name,
        command=(
            str(seen.interpreter),
            "-P",
            str(START),
            "-f",
            str(INSIDE / CONNECTION),
            "--HistoryManager.enabled=False",
            "--MagicsManager.lazy_magics=sandbox=sandbox.client.notebook",
            "--IPKernelApp.quiet=True",
        ),
        environment=_variables(listeners, settings, seen),
        mounts=tuple(mounts),
        folder=WORK if settings.room_work is not None else HOME,
        listeners=tuple(listener.fileno() for listener in listeners.values()),
        limits=limits(settings, granted),
        run_as=run_as,
    )


def _variables(listeners: dict[str, Socket], settings: Settings, seen: Environment) -> dict[str, str]:
    threads = str(max(1, int(settings.room_cpus)))
    return {
        "HOME": str(HOME),
        "LANG": "C.UTF-8",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "PATH": os.pathsep.join((str(seen.interpreter.parent), "/usr/bin", "/bin")),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONPATH": str(SDK),
        "ROOM_LISTENERS": json.dumps({address: one.fileno() for address, one in listeners.items()}),
        "SANDBOX_SOCKET": str(INSIDE / SOCKET),
        "TMPDIR": "/tmp",  # noqa: S108 -- inside the room
    }
