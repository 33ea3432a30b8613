"""Control groups, version 1 and 2: what a room may use up, all its processes together.

Rules
- Every controller of `NEEDED` limits, or the machine cannot seal a room.
- A group stands below the group named by SANDBOX_ROOM_CGROUP (which root handed to an unprivileged
  server), or below `sandbox` at the top where the process may make it.
- All rooms together weigh as much as one process for each core, so that on a busy machine a room that
  uses what it may leaves its neighbours theirs, and the service keeps its share beside them.
- Ending a group kills until nobody is left, then removes it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sandbox.rooms.spec import Limits

NEEDED = ("memory", "pids", "cpu")
TOP = "sandbox"
PERIOD_MICROSECONDS = 100_000
PATIENCE_SECONDS = 5.0


def hierarchies(mounts: str | None = None) -> Mapping[str, Path]:
    """Where each needed controller is mounted; for version 2, all at one place. Empty where nothing is."""
    text = Path("/proc/mounts").read_text("utf-8") if mounts is None else mounts
    found: dict[str, Path] = {}
    unified: Path | None = None
    for line in text.splitlines():
        _, point, kind, options, *_ = line.split(" ")
        if kind == "cgroup":
            for name in set(options.split(",")) & set(NEEDED):
                found.setdefault(name, Path(point))
        elif kind == "cgroup2":
            unified = unified or Path(point)
    if unified is not None:
        with suppress(OSError):
            for name in (unified / "cgroup.controllers").read_text("utf-8").split():
                if name in NEEDED:
                    found.setdefault(name, unified)
    return found


def _is_unified(point: Path) -> bool:
    return (point / "cgroup.controllers").exists()


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups of one room: one folder for version 2, one for each controller for version 1."""

    folders: tuple[Path, ...]

    @property
    def doors(self) -> tuple[Path, ...]:
        """Files into which a process writes 0 to enter."""
        return tuple(folder / "cgroup.procs" for folder in self.folders)

    def members(self) -> set[int]:
        """Processes inside, as the machine numbers them."""
        found: set[int] = set()
        for door in self.doors:
            with suppress(OSError):
                found |= {int(line) for line in door.read_text("utf-8").split()}
        return found

    def end(self) -> None:
        """Kill every member and remove the groups. Nothing happens when they are gone."""
        last = time.monotonic() + PATIENCE_SECONDS
        while (members := self.members()) and time.monotonic() < last:
            for pid in members:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        for folder in self.folders:
            _remove(folder, last)


def make(name: str, limits: Limits, parent: str) -> Groups:
    """Make the groups of a room, limits set.

    Args:
        name: of the room.
        limits: what all its processes may use up together.
        parent: path of the group above, in every hierarchy, as `sandbox` or `sandbox/li`.

    Raises:
        OSError: the process may not, or a controller is not there.

    """
    points = hierarchies()
    missing = [controller for controller in NEEDED if controller not in points]
    if missing:
        raise FileNotFoundError(f"no control group limits {', '.join(missing)}")
    groups = Groups(tuple(dict.fromkeys(points[each] / parent / name for each in NEEDED)))
    try:
        for point in dict.fromkeys(points.values()):
            if _is_unified(point):
                _delegate(point, parent)
            (point / parent / name).mkdir(parents=True, exist_ok=True)
        weigh(parent)
        for controller in NEEDED:
            folder = points[controller] / parent / name
            for file, value in _values(controller, limits, unified=_is_unified(points[controller])):
                _write(folder / file, value)
    except OSError:
        groups.end()
        raise
    return groups


def hand_over(parent: str, uid: int, gid: int) -> None:
    """Let an unprivileged user make groups below `parent`. Only root may.

    Raises:
        OSError: the process may not.

    """
    for point in dict.fromkeys(hierarchies().values()):
        folder = point / parent
        folder.mkdir(parents=True, exist_ok=True)
        if _is_unified(point):
            _delegate(point, parent)
        os.chown(folder, uid, gid)
        for name in ("cgroup.procs", "cgroup.subtree_control", "cgroup.threads", "tasks"):
            with suppress(FileNotFoundError):
                os.chown(folder / name, uid, gid)


def weigh(parent: str) -> None:
    """Let what is below `parent` weigh as much as one process for each core. Whoever may not leaves it."""
    point = hierarchies().get("cpu")
    if point is None:
        return
    cores = len(os.sched_getaffinity(0))
    file, value = (
        ("cpu.weight", min(10_000, 100 * cores)) if _is_unified(point) else ("cpu.shares", 1024 * cores)
    )
    with suppress(OSError):
        _write(point / parent / file, str(value))


def sweep(parent: str) -> int:
    """Remove groups below `parent` that nobody is in: their server died without a word. Returns how many."""
    removed = 0
    for point in dict.fromkeys(hierarchies().values()):
        with suppress(OSError):
            for folder in (point / parent).iterdir():
                if folder.is_dir() and not (folder / "cgroup.procs").read_text("utf-8").strip():
                    with suppress(OSError):
                        folder.rmdir()
                        removed += 1
    return removed


def _values(controller: str, limits: Limits, *, unified: bool) -> tuple[tuple[str, str], ...]:
    quota = int(limits.cpus * PERIOD_MICROSECONDS)
    if controller == "memory":
        if unified:
            return (("memory.max", str(limits.memory_bytes)), ("memory.swap.max", "0"))
        return (("memory.limit_in_bytes", str(limits.memory_bytes)),)
    if controller == "pids":
        return (("pids.max", str(limits.processes)),)
    if unified:
        return (("cpu.max", f"{quota} {PERIOD_MICROSECONDS}"),)
    return (("cpu.cfs_period_us", str(PERIOD_MICROSECONDS)), ("cpu.cfs_quota_us", str(quota)))


def _write(file: Path, value: str) -> None:
    if file.name == "memory.swap.max" and not file.exists():
        return  # a kernel without swap accounting has no such file, and nothing to limit
    file.write_text(value, "utf-8")


def _delegate(point: Path, parent: str) -> None:
    """Version 2: controllers are switched on from the top down to the children of `parent`."""
    folder = point
    for part in ("", *Path(parent).parts):
        folder = folder / part
        folder.mkdir(exist_ok=True)
        with suppress(OSError):
            (folder / "cgroup.subtree_control").write_text(" ".join(f"+{each}" for each in NEEDED), "utf-8")


def _remove(folder: Path, last: float) -> None:
    while True:
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > last:
                return
            time.sleep(0.01)
        else:
            return
