"""Real kernels in real rooms, started as a notebook server starts them, before a served instance."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import KernelProvisionerFactory

from sandbox.identity import Role
from tests.api.instance import Served
from tests.rooms.conftest import PARENT

PATIENCE = 120


@dataclass
class Ran:
    """What a cell gave back."""

    text: str = ""
    html: str = ""
    error: str = ""
    data: list[Mapping[str, Any]] = field(default_factory=list)


@dataclass
class Kernel:
    """A started kernel and the line to it."""

    manager: AsyncKernelManager
    client: AsyncKernelClient

    async def run(self, code: str, patience: float = PATIENCE) -> Ran:
        """Run a cell."""
        ran = Ran()

        def hear(message: Mapping[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                ran.text += content["text"]
            elif message["msg_type"] in ("execute_result", "display_data"):
                ran.data.append(content["data"])
                ran.text += content["data"].get("text/plain", "")
                ran.html += content["data"].get("text/html", "")
            elif message["msg_type"] == "error":
                ran.error += "\n".join(content["traceback"])

        await self.client.execute_interactive(code, output_hook=hear, timeout=patience)
        return ran


def environment(url: str, token: str) -> dict[str, str]:
    """What a trusted server knows and its kernels do not."""
    return {
        "SANDBOX_URL": url,
        "SANDBOX_TOKEN": token,
        "SANDBOX_ROOM_CGROUP": PARENT,
        "SANDBOX_ROOM_MEMORY_MB": "1024",
        "JUPYTER_DEFAULT_PROVISIONER_NAME": "sandbox-room",
    }


@asynccontextmanager
async def sealed(served: Served, person: str = "li", **also: str) -> AsyncIterator[Kernel]:
    """A sealed kernel of one person."""
    chosen = environment(served.url, served.token(person, Role.OPC)) | also
    before = {name: os.environ.get(name) for name in chosen}
    os.environ.update(chosen)
    KernelProvisionerFactory.clear_instance()
    try:
        manager = AsyncKernelManager(kernel_name="python3")
        await manager.start_kernel()
        client = manager.client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=PATIENCE)
            yield Kernel(manager, client)
        finally:
            client.stop_channels()
            await manager.shutdown_kernel(now=True)
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def asked(coroutine: Any) -> Any:
    """Run one asynchronous test."""
    return asyncio.run(asyncio.wait_for(coroutine, 300))
