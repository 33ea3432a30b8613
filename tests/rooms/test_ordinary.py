"""An ordinary user, and control groups that cannot be written: a clear no, never an unsealed kernel."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.identity import Role
from sandbox.rooms import cgroup, drop
from sandbox.rooms.bubblewrap import nobody
from tests.api.conftest import served
from tests.api.instance import Served
from tests.house.tree import ROOT
from tests.rooms.conftest import PARENT
from tests.rooms.kernels import environment

__all__ = ["served"]

NO_GROUPS = "Control groups for memory, pids and cpu must be writable"
HANDED = f"{PARENT}/ordinary"
READABLE = (Path(sys.prefix), Path(sys.base_prefix), ROOT)


def told_once(done: subprocess.CompletedProcess[str]) -> bool:
    """Whether a program ended with the one message: what is wrong, and what to do."""
    lines = done.stderr.splitlines()
    return (
        (done.returncode, len(lines)) == (1, 2) and "[room-unavailable]" in lines[0] and NO_GROUPS in lines[1]
    )


def as_nobody(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run this Python as a user who may do nothing special."""
    chain = drop.chain(nobody(), READABLE)
    known = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [*chain, sys.executable, *command],
        env=known | variables,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def handed() -> Iterator[str]:
    """A control group that root handed over."""
    cgroup.hand_over(HANDED, nobody().uid, nobody().gid)
    yield HANDED
    cgroup.sweep(HANDED)
    cgroup.sweep(PARENT)


@pytest.mark.parametrize("module", ["sandbox.rooms", "hub_config"])
def test_without_a_control_group_it_is_one_clear_message(module: str, tmp_path: Path) -> None:
    hub = {"SANDBOX_HOME": str(tmp_path / "home"), "SANDBOX_HUB_PROXY": f"{sys.prefix}/proxy"}
    done = as_nobody("-m", module, **hub)
    assert told_once(done), done
    assert done.stdout == ""
    assert not list(tmp_path.iterdir())


ROOM = f"""
import os, sys
from sandbox.rooms.bubblewrap import Bubblewrap
from sandbox.rooms.port import require
from sandbox.rooms.spec import RoomSpec
backend = Bubblewrap({HANDED!r})
require(backend.self_test())
reader, writer = os.pipe()
room = backend.start_untested(RoomSpec("test-ordinary", ("/usr/bin/id", "-u")), writer)
os.close(writer)
print(os.getuid(), os.read(reader, 100).decode().strip())
room.close()
"""


def test_with_one_that_was_handed_over_an_ordinary_user_has_rooms(handed: str) -> None:
    done = as_nobody("-m", "sandbox.rooms", SANDBOX_ROOM_CGROUP=handed)
    assert (done.returncode, done.stderr) == (0, "")
    assert as_nobody("-c", ROOM).stdout == f"{nobody().uid} 1000\n"


KERNEL = """
import asyncio, os
from pathlib import Path
from jupyter_client.manager import AsyncKernelManager
from sandbox.errors import SandboxError

async def start():
    try:
        await AsyncKernelManager(kernel_name="python3").start_kernel()
    except SandboxError as error:
        return error.code.value
    return "started"

said = asyncio.run(start())
with_its_folder = []
for path in Path("/proc").glob("[0-9]*"):
    try:
        if os.environ["TMPDIR"] + "/room-" in (path / "cmdline").read_text():
            with_its_folder.append(path)
    except OSError:
        continue
print(said, len(with_its_folder))
"""


def test_no_kernel_starts_unsealed(served: Served, tmp_path: Path) -> None:
    known = environment(served.url, served.token("li", Role.OPC))
    known["SANDBOX_ROOM_CGROUP"] = "sandbox-not-handed"
    shared = tmp_path.parent
    for above in (tmp_path, shared, shared.parent):
        above.chmod(above.stat().st_mode | 0o011)
    tmp_path.chmod(0o777)
    folders = {name: str(tmp_path) for name in ("HOME", "TMPDIR", "JUPYTER_RUNTIME_DIR")}
    done = as_nobody("-c", KERNEL, **known, **folders)
    assert done.stdout == "room-unavailable 0\n", done.stderr
    assert not list(tmp_path.glob("room-*"))


@pytest.mark.parametrize("change", ["umount -l {}", "mount -o remount,bind,ro {}"])
def test_root_without_writable_control_groups_starts_nothing(change: str) -> None:
    points = sorted({str(point) for point in cgroup.hierarchies().values()})
    script = "\n".join([*(change.format(point) for point in points), 'exec "$@"'])
    alone = [drop.where("unshare"), "--mount", "--propagation", "private"]
    program = ["/bin/sh", "-ec", script, "without", sys.executable, "-m", "sandbox.rooms"]
    done = subprocess.run([*alone, *program], capture_output=True, text=True, check=False, timeout=120)
    assert told_once(done), done


def test_the_doctor_says_it_as_well() -> None:
    done = as_nobody(f"{sys.prefix}/bin/sandbox", "doctor", "--home", "/nowhere")
    (line,) = [line for line in done.stdout.splitlines() if "rooms: control groups" in line]
    assert " ok " not in line
    assert NO_GROUPS in line
    assert "Traceback" not in done.stderr
