"""A kernel in its room: it asks by its door, knows no token, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import tempfile
from pathlib import Path

import httpx
import pytest

from sandbox.rooms import cgroup
from sandbox.rooms.door import AT_ONCE, WAITING
from sandbox.rooms.kernel import KernelFolder
from tests.api.conftest import served
from tests.api.instance import COUNT, Served
from tests.rooms.conftest import PARENT
from tests.rooms.kernels import Kernel, asked, sealed

__all__ = ["served"]


def folder_of(kernel: Kernel) -> Path:
    """The folder of a kernel's sockets."""
    return Path(kernel.manager.connection_file).parent


def door_of(kernel: Kernel) -> str:
    """The socket of a kernel's door, by the path that its server uses."""
    return str(KernelFolder(folder_of(kernel)).socket)


ASKED_INSIDE = """
import os, sandbox.client as sb
print(len(sb.budget('plenty')), os.environ['SANDBOX_SOCKET'])
"""


def groups() -> list[Path]:
    return [
        folder
        for point in set(cgroup.hierarchies().values())
        if (point / PARENT).is_dir()
        for folder in (point / PARENT).glob("kernel-*")
    ]


def test_a_question_needs_no_configuration(served: Served) -> None:
    async def story() -> None:
        async with sealed(served) as kernel:
            await kernel.run("import sandbox.client as sb")
            first = await kernel.run(f"answer = sb.sql({COUNT!r}, grant='plenty', epsilon='0.5')\nanswer")
            assert not first.error
            assert "±" in first.text
            assert "<table" in first.html
            cell = await kernel.run(f"%%sandbox --grant plenty --epsilon 0.5 --into again\n{COUNT}")
            assert cell.error == cell.text == ""
            told = await kernel.run("print(again.repeated, again.question == answer.question)")
            assert told.text == "True True\n"
            price = await kernel.run(f"%%sandbox --grant plenty --estimate\n{COUNT}")
            assert "nothing was spent" in price.text
            no = await kernel.run("sb.sql('SELECT * FROM people', grant='plenty')")
            assert "SandboxRefused [raw-rows]" in no.error
            assert "Traceback" not in no.error
            names = await kernel.run("len(sb.datasets()), len(sb.budget('plenty'))")
            assert not names.error, names.error

    asked(story())


SLOW = """
import time
from sandbox.client import connection, progress
progress.SILENT_SECONDS = progress.EVERY_SECONDS = 0.1
with progress.waiting():
    time.sleep(1)
print("done")
"""


def test_a_long_question_says_below_its_cell_how_long_it_runs(served: Served) -> None:
    async def story() -> None:
        async with sealed(served) as kernel:
            said = await kernel.run(SLOW)
            assert not said.error
            assert said.text.endswith("done\n")
            assert said.data[0]["text/plain"].startswith("Asking …")

    asked(story())


def test_dummy_tables_lie_in_the_home(served: Served) -> None:
    async def story() -> None:
        async with sealed(served) as kernel:
            read = "import pandas; print(len(pandas.read_parquet('~/dummy/nafld.people.parquet')))"
            assert (await kernel.run(read)).text == "100\n"
            wrote = await kernel.run("open('/home/room/dummy/mine', 'w')")
            assert "Read-only file system" in wrote.error
            folder = folder_of(kernel)
            assert folder.with_name(f"{folder.name}-dummy").is_dir()
        assert not folder.with_name(f"{folder.name}-dummy").exists()

    asked(story())


def knock(path: str) -> None:
    """What the door lets through, and what not, whoever knocks."""
    transport = httpx.HTTPTransport(uds=path)
    with httpx.Client(transport=transport, base_url="http://door") as door:
        forged = {"Authorization": "Bearer sbx_forged", "Sandbox-Kernel": "another", "Cookie": "a=b"}
        assert door.get("/v1/datasets", headers=forged).status_code == 200
        assert door.get("/v1/log").status_code == 403
        for path in ("/", "/hub/api/users", "/v1/../hub/api", "/v1/%2e%2e/hub", "/v1//", "/openapi.json"):
            assert door.get(path).status_code == 404, path
        assert door.delete("/v1/datasets").status_code == 404
        assert door.get("http://169.254.169.254/v1/datasets").status_code == 200
        assert door.get("/v1/datasets", headers={"Host": "169.254.169.254"}).status_code == 200
        with contextlib.suppress(httpx.TransportError):
            assert door.post("/v1/questions", content=b"x" * (2 << 20)).status_code in (400, 413)


def test_the_kernel_holds_no_token_and_the_door_believes_none(served: Served) -> None:
    async def story() -> None:
        async with sealed(served) as kernel:
            found = await kernel.run(
                "import os, glob\n"
                "text = repr(dict(os.environ)) + ''.join(open(f).read() for f in "
                "glob.glob(os.path.dirname(os.environ['SANDBOX_SOCKET']) + '/*.json'))\n"
                "print('sbx_' in text, 'TOKEN' in text)"
            )
            assert found.text == "False False\n"
            await asyncio.to_thread(knock, door_of(kernel))

    asked(story())


def test_a_flood_at_the_door_is_sent_away_and_hurts_nobody_else(served: Served) -> None:
    async def story() -> None:
        async with sealed(served) as kernel, sealed(served, "sun") as other:
            flood = await kernel.run(
                "import os, socket\n"
                "lines = []\n"
                "try:\n"
                "    while len(lines) < 900:\n"
                "        line = socket.socket(socket.AF_UNIX)\n"
                "        line.settimeout(1)\n"
                "        line.connect(os.environ['SANDBOX_SOCKET'])\n"
                "        line.send(b'GET /v1/datasets HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')\n"
                "        lines.append(line)\n"
                "except OSError as error:\n"
                "    print(error)\n"
                "busy = sum(b'503' in line.recv(100) for line in lines[:200] if not line._closed)\n"
                "print(len(lines), busy)\n"
            )
            assert not flood.error, flood.error
            calm = await other.run("import sandbox.client as sb; print(len(sb.datasets()))")
            assert calm.text == "1\n"
            assert AT_ONCE + WAITING < 200

    asked(story())


def test_one_kernels_door_is_not_anothers(served: Served) -> None:
    async def story() -> None:
        async with sealed(served) as mine, sealed(served, "sun") as theirs:
            assert Path(door_of(theirs)).is_socket()
            path = os.path.relpath(folder_of(theirs) / "api.sock", "/home/room")
            tried = await mine.run(f"import socket; socket.socket(socket.AF_UNIX).connect({path!r})")
            assert "FileNotFoundError" in tried.error
            budget = await theirs.run("import sandbox.client as sb; print(len(sb.budget('suns')))")
            assert budget.text == "3\n"
            other = await mine.run("import sandbox.client as sb; sb.budget('suns')")
            assert "[grant-refused]" in other.error

    asked(story())


def test_a_kernel_that_ends_leaves_no_process_group_socket_or_file(served: Served) -> None:
    async def story() -> None:
        async with sealed(served) as kernel:
            folder = folder_of(kernel)
            assert groups()
            await kernel.run("import os; os.fork() or os.execv('/bin/sleep', ['sleep', '600'])", patience=60)
        assert not folder.exists()
        assert not groups()

    asked(story())


def test_a_killed_kernel_restarts_on_the_same_addresses(served: Served) -> None:
    async def story() -> None:
        async with sealed(served) as kernel:
            assert (await kernel.run("x = 1; print(x)")).text == "1\n"
            await kernel.manager.restart_kernel(now=True)
            await kernel.client.wait_for_ready(timeout=120)
            again = await kernel.run(
                "import sandbox.client as sb\nprint(len(sb.datasets()), 'x' in globals())"
            )
            assert again.text == "1 False\n"

    asked(story())


def test_an_interrupt_reaches_the_kernel(served: Served) -> None:
    async def story() -> None:
        async with sealed(served) as kernel:
            message = kernel.client.execute("import time\nprint('begun', flush=True)\ntime.sleep(600)")
            # A request that comes before the cell has begun stops the kernel's own code, not the cell.
            said = None
            while said is None or said["msg_type"] != "stream":
                said = await kernel.client.get_iopub_msg()
            kernel.client.control_channel.send(kernel.client.session.msg("interrupt_request", {}))
            reply = None
            while reply is None or reply["parent_header"].get("msg_id") != message:
                reply = await kernel.client.get_shell_msg()
            assert reply["content"]["ename"] == "KeyboardInterrupt"

    asked(story())


def test_a_server_that_knows_no_api_starts_no_kernel(served: Served) -> None:
    async def story(folder: str) -> None:
        async with sealed(served, SANDBOX_URL="", SANDBOX_ROOM_FOLDER=folder) as kernel:
            raise AssertionError(kernel)

    with tempfile.TemporaryDirectory(prefix="own-") as folder:
        with pytest.raises(Exception, match="does not know the sandbox's API"):
            asked(story(folder))
        assert not groups()
        assert not list(Path(folder).iterdir())


def test_without_a_wall_there_is_no_kernel_at_all(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup, "hierarchies", lambda mounts=None: {})

    async def story() -> None:
        async with sealed(served, SANDBOX_ROOM_CGROUP="sandbox-nowhere") as kernel:
            raise AssertionError(kernel)

    with pytest.raises(Exception, match="cannot seal a room"):
        asked(story())


def test_a_kernel_starts_again_where_the_folder_has_a_long_path(served: Served, tmp_path: Path) -> None:
    deep = tmp_path / "/".join(["a folder of the hub's state"] * 8)
    deep.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as line, pytest.raises(OSError, match="too long"):
        line.bind(str(deep / "room-12345678" / "api.sock"))

    async def story() -> None:
        async with sealed(served, SANDBOX_ROOM_FOLDER=str(deep)) as kernel:
            assert folder_of(kernel).is_relative_to(deep)
            assert (await kernel.run(ASKED_INSIDE)).text == "3 /run/room/api.sock\n"
            await kernel.manager.restart_kernel(now=True)
            await kernel.client.wait_for_ready(timeout=120)
            assert (await kernel.run(ASKED_INSIDE)).text == "3 /run/room/api.sock\n"
        assert not list(deep.iterdir())

    asked(story())


def test_the_short_path_of_a_folder_never_means_that_of_another(tmp_path: Path) -> None:
    above = tmp_path / "run"
    seen = set()
    for _ in range(3):
        above.mkdir()
        folders = [KernelFolder(above / name) for name in ("room-a", "room-b")]
        for folder in folders:
            folder.path.mkdir()
            assert folder.near.samefile(folder.path)
            assert len(str(folder.socket)) < 60
            seen.add(folder.near)
        for folder in folders:
            folder.clear()
            assert not folder.near.exists()
        above.rename(tmp_path / f"run-{len(seen)}")
    assert len(seen) == 6
