"""`sandbox serve`: where it listens, and how it stops."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from sandbox.api.server import address, run
from sandbox.errors import ErrorCode, SandboxError
from sandbox.service import home as homes
from sandbox.settings import Settings
from tests.api.instance import PASSPHRASE, make
from tests.house.tree import ROOT
from tests.ports import free_port


@pytest.mark.parametrize(
    ("listen", "where"),
    [
        ("127.0.0.1:8765", ("127.0.0.1", 8765)),
        ("127.9.9.9:1", ("127.9.9.9", 1)),
        ("localhost:80", ("localhost", 80)),
        ("[::1]:8765", ("::1", 8765)),
    ],
)
def test_loopback_is_where_it_listens(listen: str, where: tuple[str, int]) -> None:
    assert address(Settings(listen=listen)) == where


@pytest.mark.parametrize(
    "listen", ["0.0.0.0:8765", "[::]:8765", "10.0.0.1:80", "sandbox.example:80", "localhost.evil.example:80"]
)
def test_beyond_loopback_only_behind_a_proxy(listen: str) -> None:
    with pytest.raises(SandboxError, match="in the clear") as refused:
        address(Settings(listen=listen))
    assert refused.value.code is ErrorCode.ARGUMENT
    host, port = address(Settings(listen=listen, behind_proxy=True))
    assert listen in (f"{host}:{port}", f"[{host}]:{port}")


@pytest.mark.parametrize(
    "listen", ["", "127.0.0.1", ":80", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:-1"]
)
def test_what_is_no_address_is_refused(listen: str) -> None:
    with pytest.raises(SandboxError, match="not an address") as refused:
        address(Settings(listen=listen))
    assert refused.value.code is ErrorCode.ARGUMENT


def test_a_port_that_is_taken_is_a_coded_error(tmp_path: Path) -> None:
    home = make(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = home.settings.model_copy(update={"listen": f"127.0.0.1:{taken.getsockname()[1]}"})
        with pytest.raises(SandboxError, match="cannot listen") as refused:
            run(settings, home)
    assert refused.value.code is ErrorCode.ARGUMENT
    homes.close(home)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_closes_the_instance(tmp_path: Path, stop: signal.Signals) -> None:
    homes.close(make(tmp_path))
    listen = f"127.0.0.1:{free_port()}"
    environment = {
        **{name: os.environ[name] for name in ("PATH", "TMPDIR", "HOME") if name in os.environ},
        "SANDBOX_HOME": str(tmp_path / "home"),
        "SANDBOX_LISTEN": listen,
        "SANDBOX_PASSPHRASE": PASSPHRASE,
    }
    program = (
        "from sandbox.settings import Settings\n"
        "from sandbox.service import home as homes\n"
        "from sandbox.api import server\n"
        "instance = homes.open_home(Settings())\n"
        "server.run(instance.settings, instance)\n"
        "homes.close(instance)\n"
        "print('closed')\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        for _ in range(1200):
            try:
                assert httpx.get(f"http://{listen}/v1/health", timeout=120).status_code == 200
                break
            except httpx.ConnectError:
                assert server.poll() is None, server.communicate()
                time.sleep(0.1)
        server.send_signal(stop)
        said, complained = server.communicate(timeout=120)
    assert (server.returncode, said.strip()) == (0, "closed"), complained
    assert "Traceback" not in complained
