"""What a kernel's room consists of: its spec, from the settings, the environment and the kernel's folder."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM
from socket import socket as Socket

from sandbox.rooms.bubblewrap import HOME
from sandbox.rooms.environment import SDK, Environment, sdk
from sandbox.rooms.inside import start_kernel
from sandbox.rooms.spec import MIB, Limits, Mount, RoomSpec, RunAs
from sandbox.settings import Settings

NOTEBOOKS = HOME / "notebooks"
WORK = HOME / "work"
START = SDK / "start_kernel.py"
BACKLOG = 64
SOCKET = "api.sock"
CONNECTION = "connection.json"


@dataclass(frozen=True, slots=True)
class KernelFolder:
    """The folder of one kernel outside: its sockets and its connection file. Inside it can only be read.

    Attributes:
        path: short enough for the path of a socket.

    """

    path: Path

    @property
    def address(self) -> str:
        """What jupyter_client calls the ip of the ipc transport."""
        return str(self.path / "zmq")

    @property
    def socket(self) -> Path:
        """The door."""
        return self.path / SOCKET

    @property
    def connection_file(self) -> Path:
        """Ports and key of the kernel's messages."""
        return self.path / CONNECTION

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
        """Remove the folder and what is in it."""
        if self.path.is_dir():
            for file in self.path.iterdir():
                file.unlink(missing_ok=True)
            self.path.rmdir()


def limits(settings: Settings) -> Limits:
    """What every dev room of this instance may use up."""
    return Limits(
        memory_bytes=settings.room_memory_mb * MIB,
        processes=settings.room_processes,
        cpus=settings.room_cpus,
        file_bytes=settings.room_work_mb * MIB,
        scratch_bytes=settings.room_scratch_mb * MIB,
    )


def kernel_spec(
    name: str,
    folder: KernelFolder,
    listeners: dict[str, Socket],
    settings: Settings,
    seen: Environment,
    run_as: RunAs | None,
) -> RoomSpec:
    """The room of one kernel."""
    mounts = [
        *seen.mounts,
        *sdk(),
        Mount(Path(start_kernel.__file__), START),
        Mount(folder.path, folder.path),
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
            str(folder.connection_file),
            "--HistoryManager.enabled=False",
            "--MagicsManager.lazy_magics=sandbox=sandbox.client.notebook",
            "--IPKernelApp.quiet=True",
        ),
        environment=_variables(folder, listeners, settings, seen),
        mounts=tuple(mounts),
        folder=WORK if settings.room_work is not None else HOME,
        listeners=tuple(listener.fileno() for listener in listeners.values()),
        limits=limits(settings),
        run_as=run_as,
    )


def _variables(
    folder: KernelFolder, listeners: dict[str, Socket], settings: Settings, seen: Environment
) -> dict[str, str]:
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
        "SANDBOX_SOCKET": str(folder.socket),
        "TMPDIR": "/tmp",  # noqa: S108 -- inside the room
    }
