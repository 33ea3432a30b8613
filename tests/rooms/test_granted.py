"""Grants say how much a kernel may use up, settings say how much at most; dummy tables lie beside it."""

from __future__ import annotations

import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

from sandbox.identity import Via
from sandbox.rooms import server
from sandbox.rooms.kernel import LEAST_MEMORY_MB, LEAST_PROCESSES, Granted, limits
from sandbox.rooms.spec import MIB
from sandbox.service import home as homes
from sandbox.service import hub, steward
from sandbox.service.home import Home
from tests.api.instance import GRANT, make
from tests.rooms.instance import settings


def test_what_was_granted_holds_up_to_what_the_settings_say() -> None:
    here = settings(room_memory_mb=1024, room_processes=128, room_cpus=2.0)
    assert limits(here) == limits(here, Granted())
    less = limits(here, Granted(memory_mb=512, processes=64, cpus=0.5))
    assert (less.memory_bytes, less.processes, less.cpus) == (512 * MIB, 64, 0.5)
    assert limits(here, Granted(memory_mb=4096, processes=9999, cpus=64.0)) == limits(here)
    least = limits(here, Granted(memory_mb=1, processes=1))
    assert (least.memory_bytes, least.processes) == (LEAST_MEMORY_MB * MIB, LEAST_PROCESSES)


def test_the_reply_of_the_service_is_read() -> None:
    assert Granted.read({"memory_mb": None, "cpus": None, "processes": None, "work_mb": 3}) == Granted()
    assert Granted.read({"memory_mb": 7, "cpus": "0.5", "processes": 9}) == Granted(7, 9, 0.5)


def publish(home: Home, folder: Path, name: str, people: str, more: str) -> None:
    """Publish one more grant."""
    path = folder / "policies" / "grants" / f"{name}.yaml"
    path.write_text(GRANT.format(name=name, people=people, epsilon=1) + more, "utf-8")
    steward.publish(home, homes.actor(home, "wang", Via.CLI), path)


def test_the_most_of_the_current_grants_counts_and_a_silent_one_leaves_it_open(tmp_path: Path) -> None:
    home = make(tmp_path)
    try:
        nothing = hub.Allowed(None, None, None, None)
        assert hub.allowed(home, "nobody") == nothing
        assert hub.allowed(home, "li") == nothing
        publish(
            home, tmp_path, "a", "[wu]", "compute: {memory_gb: 1, cpus: 0.5, processes: 50, disk_gb: 2}\n"
        )
        assert hub.allowed(home, "wu") == hub.Allowed(953, Decimal("0.5"), 50, 1907)
        publish(
            home, tmp_path, "b", "[wu]", "compute: {memory_gb: 2, cpus: 0.25, processes: 60, disk_gb: 1}\n"
        )
        assert hub.allowed(home, "wu") == hub.Allowed(1907, Decimal("0.5"), 60, 1907)
        publish(home, tmp_path, "c", "[wu]", "compute: {memory_gb: 2, processes: 10}\n")
        assert hub.allowed(home, "wu") == hub.Allowed(1907, None, 60, None)
    finally:
        homes.close(home)


def blocks(disk: Path) -> int:
    """Bytes of the file system in an image."""
    said = subprocess.run(["/usr/sbin/dumpe2fs", "-h", str(disk)], capture_output=True, text=True, check=True)
    found = dict(line.split(":", 1) for line in said.stdout.splitlines() if ":" in line)
    return int(found["Block count"]) * int(found["Block size"])


def test_a_disk_grows_with_its_grant_and_never_shrinks(tmp_path: Path) -> None:
    disk = tmp_path / server.DISK
    for size, has in ((8, 8), (16, 16), (8, 16), (16, 16)):
        server._sized(disk, size * MIB)
        assert blocks(disk) == disk.stat().st_size == has * MIB


def test_a_disk_that_is_none_is_not_taken(tmp_path: Path) -> None:
    disk = tmp_path / server.DISK
    disk.write_bytes(b"0" * MIB)
    with pytest.raises(subprocess.CalledProcessError):
        server._sized(disk, 8 * MIB)
