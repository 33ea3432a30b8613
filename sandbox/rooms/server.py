"""Start the notebook server of one person: `python -m sandbox.rooms.server --uid N … -- COMMAND`.

Rules
- Root prepares what only root can: a control group below which the person's rooms get theirs, and a disk of
  fixed size for notebooks and work. Then it becomes the person's own unprivileged user, for good.
- The disk is mounted in a mount namespace of the server, so that it goes when the server goes.
- An ordinary user starts the server as itself; it has no disk of fixed size, so its kernels get no work
  folder, and it needs a control group that somebody handed over.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from sandbox.errors import ErrorCode, SandboxError
from sandbox.rooms import cgroup, drop
from sandbox.rooms.environment import environment
from sandbox.rooms.spec import MIB, RunAs
from sandbox.settings import Settings

DISK = "disk.ext4"
NOTEBOOKS = "notebooks"
WORK = "work"
LEAST_WORK_MB = 8


def main(arguments: Sequence[str]) -> int:
    """Prepare, and become the server. Returns only when it cannot."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    own, command = arguments[:at], arguments[at + 1 :]
    parser = argparse.ArgumentParser(prog="python -m sandbox.rooms.server")
    parser.add_argument("--uid", type=int, required=True, help="the person's user on this machine")
    parser.add_argument("--folder", type=Path, required=True, help="the person's folder")
    parser.add_argument("--needs", type=Path, action="append", default=[], help="a folder to be readable")
    parser.add_argument("--starter", type=Path, help="a folder of notebooks for somebody who has none")
    parser.add_argument("--work-mb", type=int, help="size of the work folder, at most what the settings say")
    given = parser.parse_args(own)
    try:
        line = prepared(
            RunAs(given.uid, given.uid), given.folder, tuple(given.needs), given.starter, given.work_mb
        )
    except (SandboxError, OSError, subprocess.CalledProcessError) as error:
        print(f"The notebook server cannot start: {error}", file=sys.stderr)
        return 1
    if not command:
        parser.error("name the command of the server behind --")
    os.execvp((*line, *command)[0], [*line, *command])  # noqa: S606


def prepared(
    run_as: RunAs, folder: Path, needs: tuple[Path, ...], starter: Path | None, work_mb: int | None
) -> list[str]:
    """What to put before the command of the server, after everything is prepared; sets the environment.

    Raises:
        SandboxError: ROOM_UNAVAILABLE.
        OSError, subprocess.CalledProcessError: something of the preparation failed.

    """
    settings = Settings.model_validate({})
    notebooks, work = folder / NOTEBOOKS, folder / WORK
    os.environ.update(SANDBOX_ROOM_NOTEBOOKS=str(notebooks), HOME=str(folder))
    if os.geteuid() != 0:
        # A work folder that is set is one whose size somebody limits: as a pod's volume.
        for each in (notebooks, *([] if settings.room_work is None else [settings.room_work])):
            each.mkdir(parents=True, exist_ok=True)
        if starter is not None and not any(notebooks.iterdir()):
            shutil.copytree(starter, notebooks, dirs_exist_ok=True)
        return []
    group = f"{settings.room_cgroup}/{run_as.uid}"
    cgroup.hand_over(group, run_as.uid, run_as.gid)
    cgroup.weigh(settings.room_cgroup)
    cgroup.sweep(group)
    os.environ.update(SANDBOX_ROOM_CGROUP=group, SANDBOX_ROOM_WORK=str(work))
    runtime = folder / "run"
    shutil.rmtree(runtime, ignore_errors=True)
    for each in (folder, runtime, notebooks, work):
        each.mkdir(parents=True, exist_ok=True)
        os.chown(each, run_as.uid, run_as.gid)
        each.chmod(0o700)
    os.environ["SANDBOX_ROOM_FOLDER"] = str(runtime)
    disk = folder / DISK
    most = settings.room_work_mb
    _sized(disk, (most if work_mb is None else min(most, max(LEAST_WORK_MB, work_mb))) * MIB)
    mounted = _mounting(disk, (notebooks, work), starter, run_as)
    python = environment()
    readable = {folder, *needs, *(mount.source for mount in python.mounts), *_packages()}
    return [
        *(drop.where("unshare"), "--mount", "--propagation", "private"),
        *("/bin/sh", "-ec", mounted + '\nexec "$@"', "mounted"),
        *drop.chain(run_as, readable),
    ]


def _packages() -> set[Path]:
    """The folders of this project's packages, which may lie in a checkout."""
    found = (find_spec(name) for name in ("sandbox", "hub_config", "connectors"))
    return {Path(spec.origin).parent for spec in found if spec is not None and spec.origin is not None}


def _sized(disk: Path, size: int) -> None:
    """Make the disk image, or let it grow; one that is larger already stays, for what is on it."""
    if not disk.exists():
        _format(disk, size)
    elif disk.stat().st_size < size:
        os.truncate(disk, size)
        # Exit code 1 of the check: errors were put right.
        checked = subprocess.run([_tool("e2fsck"), "-f", "-p", str(disk)], check=False, capture_output=True)  # noqa: S603
        if checked.returncode not in (0, 1):
            checked.check_returncode()
        subprocess.run([_tool("resize2fs"), str(disk)], check=True, capture_output=True)  # noqa: S603


def _format(disk: Path, size: int) -> None:
    """A new, empty disk image; sparse, so it takes what is used."""
    aside = disk.with_suffix(".new")
    with open(aside, "wb") as file:
        file.truncate(size)
    aside.chmod(0o600)
    subprocess.run([_tool("mkfs.ext4"), "-q", "-m", "0", str(aside)], check=True)  # noqa: S603
    os.rename(aside, disk)


def _tool(name: str) -> str:
    program = shutil.which(name, path=drop.SEARCH)
    if program is None:
        raise SandboxError(
            ErrorCode.ROOM_UNAVAILABLE,
            "This machine cannot make a disk of fixed size.",
            "sudo apt-get install -y e2fsprogs",
        )
    return program


def _mounting(disk: Path, folders: tuple[Path, Path], starter: Path | None, run_as: RunAs) -> str:
    """A script for the shell of a new mount namespace: the disk, seen as the two folders."""
    notebooks, work = (shlex.quote(str(each)) for each in folders)
    user = f"{run_as.uid}:{run_as.gid}"
    lines = [
        f"mount -o loop,nosuid,nodev,noexec {shlex.quote(str(disk))} {drop.STAGE}",
        f"cd {drop.STAGE}; mkdir -p {NOTEBOOKS} {WORK}",
    ]
    if starter is not None:
        lines.append(f"[ -e {NOTEBOOKS}/.given ] || cp -R {shlex.quote(str(starter))}/. {NOTEBOOKS}/")
    lines += [
        f"touch {NOTEBOOKS}/.given; chown -R {user} {NOTEBOOKS}; chown {user} {WORK}",
        f"chmod 700 {NOTEBOOKS} {WORK}",
        f"mount --bind {NOTEBOOKS} {notebooks}; mount --bind {WORK} {work}",
        f"cd /; umount {drop.STAGE}",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
