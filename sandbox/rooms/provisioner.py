"""A Jupyter kernel provisioner that starts every kernel in a sealed room, or not at all."""

from __future__ import annotations

import asyncio
import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from jupyter_client.connect import KernelConnectionInfo, port_names
from jupyter_client.manager import KernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from sandbox.errors import ErrorCode, SandboxError
from sandbox.rooms import dummies
from sandbox.rooms.bubblewrap import Bubblewrap, BubblewrapRoom, nobody
from sandbox.rooms.door import Door
from sandbox.rooms.environment import environment
from sandbox.rooms.kernel import Granted, KernelFolder, kernel_spec
from sandbox.rooms.spec import RunAs
from sandbox.rooms.upstream import Upstream
from sandbox.settings import Settings

TELLING_SECONDS = 30.0


class RoomProvisioner(LocalProvisioner):
    """Starts ipykernel in a room, with a door to the API.

    The command of the kernel spec is not run: what runs is `sandbox.rooms.kernel`. Settings and the
    token come from the environment of the server, which is trusted; the kernel sees neither.
    """

    room: BubblewrapRoom | None = None
    door: Door | None = None
    folder: KernelFolder | None = None
    run_as: RunAs | None = None
    told: Upstream | None = None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Give the kernel its folder and its addresses.

        Raises:
            SandboxError: ROOM_UNAVAILABLE when the machine cannot seal a room.

        """
        manager = self.parent
        if not isinstance(manager, KernelManager):
            raise RuntimeError("a kernel without a manager has no addresses")
        self.run_as = nobody() if os.geteuid() == 0 else None
        if self.folder is None:
            self.folder = KernelFolder(_folder(Settings.model_validate({}).room_folder, self.run_as))
        manager.transport = "ipc"
        manager.cache_ports = False
        manager.ip = self.folder.address
        for port, name in enumerate(port_names, 1):
            setattr(manager, name, port)
        manager.connection_file = str(self.folder.connection_file)
        self.folder.connection_file.unlink(missing_ok=True)
        found: dict[str, Any] = await super().pre_launch(**kwargs)
        if self.run_as is not None:
            os.chown(self.folder.connection_file, self.run_as.uid, self.run_as.gid, follow_symlinks=False)
        return found

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Open the door, start the room. `cmd` is not used.

        Raises:
            SandboxError: ROOM_UNAVAILABLE.

        """
        del cmd, kwargs
        if self.folder is None:
            raise RuntimeError("the kernel has no folder: pre_launch was not called")
        await self._end()
        settings = Settings.model_validate({})
        listeners = self.folder.listen(range(1, len(port_names) + 1))
        try:
            name = f"kernel-{secrets.token_hex(8)}"
            upstream = _upstream()
            granted = Granted.read(await self._tell(upstream, "started"))
            seen = environment(settings.room_python)
            spec = kernel_spec(name, self.folder, listeners, settings, seen, self.run_as, granted)
            self.door = Door(self.folder.socket, upstream, self._owner())
            # Not in a thread: the room dies with the thread that started it.
            self.room = Bubblewrap(settings.room_cgroup).start(spec)
            # While it starts, beside it: the folder is in it already.
            await dummies.fill(self.folder.dummy, upstream)
        except BaseException:
            await self.cleanup()
            raise
        finally:
            for listener in listeners.values():
                listener.close()
        self.process = self.room.process
        self.pid = self.process.pid
        self.pgid = None
        info: KernelConnectionInfo = self.connection_info
        return info

    async def kill(self, restart: bool = False) -> None:  # noqa: ARG002
        """End every process of the room."""
        await self._end()

    async def terminate(self, restart: bool = False) -> None:  # noqa: ARG002
        """As `kill`: nothing inside is asked."""
        await self._end()

    async def send_signal(self, signum: int) -> None:
        """Interrupts come as messages; every other signal ends the room."""
        if signum not in (0, 2):
            await self._end()

    async def cleanup(self, restart: bool = False) -> None:
        """Leave nothing behind: no process, control group, socket or file."""
        await self._end()
        if not restart and self.folder is not None:
            self.folder.clear()
            self.folder = None

    async def _tell(self, upstream: Upstream, event: str) -> dict[str, Any]:
        """Tell the log of the kernel. One that the log does not know of does not start.

        The reply says what its person's grants let it use up.
        """
        async with upstream.line(TELLING_SECONDS) as line:
            reply = await line.post("v1/kernel-events", json={"event": event, "kernel": self.kernel_id})
        reply.raise_for_status()
        self.told = upstream if event == "started" else None
        found: dict[str, Any] = reply.json()
        return found

    async def _end(self) -> None:
        told, self.told = self.told, None
        if told is not None:
            with suppress(httpx.HTTPError):
                await self._tell(told, "ended")
        door, self.door = self.door, None
        if door is not None:
            await door.close()
        room, self.room = self.room, None
        if room is not None:
            await asyncio.to_thread(room.close)

    def _owner(self) -> tuple[int, int] | None:
        return None if self.run_as is None else (self.run_as.uid, self.run_as.gid)


def _folder(above: Path | None, run_as: RunAs | None) -> Path:
    """A new folder, for whoever the room belongs to alone."""
    path = Path(tempfile.mkdtemp(prefix="room-", dir=above))
    if run_as is not None:
        os.chown(path, run_as.uid, run_as.gid)
    KernelFolder(path).dummy.mkdir(mode=0o755)
    return path


def _upstream() -> Upstream:
    url = os.environ.get("SANDBOX_URL", "")
    token = os.environ.get("JUPYTERHUB_API_TOKEN") or os.environ.get("SANDBOX_TOKEN", "")
    if not url or not token:
        raise SandboxError(
            ErrorCode.ROOM_UNAVAILABLE,
            "The server of this kernel does not know the sandbox's API.",
            "Start it by `sandbox serve --hub`, or set SANDBOX_URL and SANDBOX_TOKEN for it.",
        )
    return Upstream(url, token)
