"""The wall itself: it proves itself or refuses, its limits hold, and what is closed leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.errors import ErrorCode, SandboxError
from sandbox.rooms import bubblewrap, cgroup, drop, probe
from sandbox.rooms.bubblewrap import Bubblewrap
from sandbox.rooms.port import Capability, require
from sandbox.rooms.spec import MIB, Limits, RoomSpec, RunAs
from tests.rooms.conftest import PARENT
from tests.rooms.instance import kernel_like, run, running

SLEEP = "print('here', flush=True); import time; time.sleep(600)"


def groups() -> list[Path]:
    """Control groups of rooms that are there now."""
    return [
        folder
        for point in set(cgroup.hierarchies().values())
        if (point / PARENT).is_dir()
        for folder in (point / PARENT).glob("test-*")
    ]


def test_the_self_test_of_this_machine_finds_everything_to_hold(backend: Bubblewrap) -> None:
    found = backend.self_test()
    assert [each for each in found if not each.holds] == []
    assert {name for name, _ in probe.CHECKS} <= {each.name for each in found}


@pytest.mark.parametrize("name", [name for name, _ in probe.CHECKS])
def test_nothing_said_means_that_nothing_holds(name: str) -> None:
    for said in (None, {}, {"user": "?"}):
        assert not {each.name: each for each in probe.judge(said)}[name].holds


def test_a_probe_that_runs_without_a_wall_says_so(tmp_path: Path) -> None:
    with probe.Outside() as outside:
        code = probe.command(Path(sys.executable), outside)
        # The only folder that a room has and a machine may lack.
        text = code[4].replace("/home/room", str(tmp_path))
        done = subprocess.run([*code[:4], text, *code[5:]], capture_output=True, check=True, timeout=60)
    holds = {each.name: each.holds for each in probe.judge(json.loads(done.stdout))}
    reached = (
        "a network of its own",
        "no sockets of others",
        "files of others unseen",
        "an empty environment",
    )
    assert not any(holds[name] for name in (*reached, "processes of its own", "bounded scratch folders"))


def test_a_room_is_refused_when_one_thing_does_not_hold(
    backend: Bubblewrap, monkeypatch: pytest.MonkeyPatch
) -> None:
    holds = backend.self_test()
    bad = (*holds[:-1], replace(holds[-1], holds=False, detail="was reached"))
    monkeypatch.setattr(bubblewrap, "_tested", lambda parent: bad)
    with pytest.raises(SandboxError) as refused:
        backend.start(RoomSpec("test-refused", ("/bin/true",)))
    assert refused.value.code is ErrorCode.ROOM_UNAVAILABLE
    assert holds[-1].name in refused.value.message
    assert not groups()


def test_what_is_not_required_may_be_missing() -> None:
    require([Capability("a luxury", False, "not here", required=False)])


@pytest.mark.parametrize("missing", ["bwrap", "prlimit", "setpriv"])
def test_a_machine_without_a_program_is_told_which_package_has_it(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bubblewrap, "SEARCH", "/nowhere")
    found = {each.name: each for each in Bubblewrap(PARENT).capabilities()}
    assert not found[missing].holds
    assert "apt-get install" in found[missing].detail


def test_a_machine_without_control_groups_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup, "hierarchies", lambda mounts=None: {})
    with pytest.raises(SandboxError) as refused:
        Bubblewrap(PARENT).start_untested(RoomSpec("test-none", ("/bin/true",)), None)
    assert refused.value.code is ErrorCode.ROOM_UNAVAILABLE


def test_nobody_becomes_root() -> None:
    with pytest.raises(SandboxError):
        drop.chain(RunAs(0, 65534), ())


@pytest.mark.parametrize("name", ["", "UPPER", "a/b", "../x", "a b", "-a", "x" * 64])
def test_a_name_is_a_name(name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        RoomSpec(name, ("/bin/true",))


def test_both_kinds_of_control_group_are_found() -> None:
    options = {"memory": "memory", "pids": "pids", "c": "cpu,cpuacct"}
    one = "".join(f"cgroup /g/{name} cgroup rw,{those} 0 0\n" for name, those in options.items())
    assert cgroup.hierarchies(one) == {
        "memory": Path("/g/memory"),
        "pids": Path("/g/pids"),
        "cpu": Path("/g/c"),
    }
    assert cgroup.hierarchies("none /proc proc rw 0 0\n") == {}


def test_version_two_is_limited_by_its_own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    mounts = f"cgroup2 {tmp_path} cgroup2 rw 0 0\n"
    found = cgroup.hierarchies(mounts)
    assert set(found) == set(cgroup.NEEDED)
    monkeypatch.setattr(cgroup, "hierarchies", lambda mounts=None: found)
    (tmp_path / PARENT / "room").mkdir(parents=True)
    (tmp_path / PARENT / "room" / "memory.swap.max").write_text("max")
    made = cgroup.make("room", Limits(memory_bytes=64 * MIB, processes=7, cpus=0.5), PARENT)
    folder = tmp_path / PARENT / "room"
    assert made.folders == (folder,)
    said = {
        file: (folder / file).read_text() for file in ("memory.max", "memory.swap.max", "pids.max", "cpu.max")
    }
    assert said == {
        "memory.max": str(64 * MIB),
        "memory.swap.max": "0",
        "pids.max": "7",
        "cpu.max": "50000 100000",
    }


def test_all_rooms_together_weigh_as_much_as_the_cores(backend: Bubblewrap) -> None:
    with kernel_like("-c", SLEEP) as spec, running(backend, spec, "here"):
        folder = cgroup.hierarchies()["cpu"] / PARENT
        found = {name: folder / name for name in ("cpu.shares", "cpu.weight") if (folder / name).exists()}
        cores = len(os.sched_getaffinity(0))
        expected = {"cpu.shares": 1024 * cores, "cpu.weight": min(10_000, 100 * cores)}
        assert found
        assert all(int(path.read_text()) == expected[name] for name, path in found.items())


def test_a_closed_room_leaves_no_process_and_no_group(backend: Bubblewrap) -> None:
    with kernel_like("-c", SLEEP) as spec, running(backend, spec, "here") as room:
        members = room.groups.members()
        assert len(members) >= 2
        room.close()
        room.close()
        assert not groups()
        _gone(members)


def test_a_room_whose_starter_is_killed_dies_with_it(backend: Bubblewrap, tmp_path: Path) -> None:
    program = (
        "import os, sys, time\n"
        "from sandbox.rooms.bubblewrap import Bubblewrap\n"
        "from sandbox.rooms.spec import RoomSpec\n"
        "spec = RoomSpec('test-orphan', ('/bin/sleep', '600'))\n"
        f"room = Bubblewrap({PARENT!r}).start_untested(spec, None)\n"
        "while len(room.groups.members()) < 3: time.sleep(0.02)\n"
        "print(*room.groups.members(), flush=True)\n"
        "time.sleep(600)\n"
    )
    starter = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert starter.stdout is not None
    members = [int(pid) for pid in starter.stdout.readline().split()]
    assert members
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    _gone(members)
    cgroup.sweep(PARENT)
    assert not [folder for folder in groups() if folder.name == "test-orphan"]


def _gone(members: Iterable[int]) -> None:
    """A process that ends leaves its group a moment before it is called dead."""
    last = time.monotonic() + 30
    while any(_alive(pid) for pid in members) and time.monotonic() < last:
        time.sleep(0.02)
    assert not any(_alive(pid) for pid in members)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


FORK_BOMB = """
import os, time
kept = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(60)
        kept += 1
except OSError as error:
    print("stopped", error.errno, kept, flush=True)
os._exit(0)
"""
MEMORY_BOMB = """
kept = []
print("began", flush=True)
while True:
    kept.append(bytearray(8 << 20))
"""
FILE_BOMB = """
import os
try:
    with open("/home/room/work/big", "wb", buffering=0) as file:
        while True:
            file.write(b"0" * (1 << 20))
except OSError as error:
    print("stopped", error.errno, os.path.getsize("/home/room/work/big"), flush=True)
"""


def test_a_fork_bomb_stops_at_the_limit(backend: Bubblewrap) -> None:
    with kernel_like("-c", FORK_BOMB, room_processes=32) as spec:
        told = run(backend, spec)
    word, number, kept = told.text.split()
    assert (word, number) == ("stopped", "11")
    assert int(kept) < 32


def test_a_memory_bomb_ends_its_own_room_only(backend: Bubblewrap) -> None:
    with (
        kernel_like("-c", SLEEP) as neighbour,
        running(backend, neighbour, "here") as other,
        kernel_like("-c", MEMORY_BOMB, room_memory_mb=128) as spec,
    ):
        told = run(backend, spec)
        assert told.text == "began\n"
        assert told.code not in (0, None)
        assert other.process.poll() is None


def test_a_file_ends_at_the_limit(backend: Bubblewrap, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for above in tmp_path.parents[:3]:
        above.chmod(0o755)
    with kernel_like("-c", FILE_BOMB, room_work=tmp_path, room_work_mb=2) as spec:
        told = run(backend, spec)
    assert told.text == f"stopped 27 {2 * MIB}\n"
