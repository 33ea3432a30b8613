"""Root becomes an unprivileged user who can still read the programs it is to run.

An interpreter may lie where only root may go, as below /root. In a mount namespace of its own, the
closed folder is then covered by an empty one in which only the needed folders are seen, at their paths.
"""

from __future__ import annotations

import shlex
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from sandbox.errors import ErrorCode, SandboxError
from sandbox.rooms.spec import RunAs

SEARCH = "/usr/bin:/bin:/usr/sbin:/sbin"
STAGE = Path("/mnt")


def where(program: str) -> str:
    """The path of a system program; its bare name when it is not there."""
    return shutil.which(program, path=SEARCH) or program


def chain(run_as: RunAs | None, readable: Iterable[Path]) -> list[str]:
    """What to put before a command so that it runs as `run_as` and can read `readable`.

    Nothing when there is nobody to become.

    Raises:
        SandboxError: ROOM_UNAVAILABLE when it is root who would be become.

    """
    if run_as is None:
        return []
    if run_as.uid == 0 or run_as.gid == 0:
        raise SandboxError(
            ErrorCode.ROOM_UNAVAILABLE,
            "A room never belongs to root.",
            "Name another user, or start it as an ordinary one.",
        )
    user = [f"--reuid={run_as.uid}", f"--regid={run_as.gid}", "--clear-groups"]
    dropped = [where("setpriv"), *user, "--inh-caps=-all", "--bounding-set=-all"]
    closed = {path: above for path in readable if (above := closed_above(path)) is not None}
    if not closed:
        return dropped
    script = _uncovering(sorted(closed), sorted(set(closed.values())))
    return [where("unshare"), "--mount", "--propagation", "slave", "/bin/sh", "-ec", script, "open", *dropped]


def closed_above(path: Path) -> Path | None:
    """The outermost folder above `path` that other users may not enter."""
    for above in reversed(path.parents):
        if not above.stat().st_mode & stat.S_IXOTH:
            return above
    return None


def _uncovering(paths: list[Path], covers: list[Path]) -> str:
    stage = shlex.quote(str(STAGE))
    tmpfs = "mount -t tmpfs -o mode=0755,size=1m,nosuid,nodev none"
    lines = [f"{tmpfs} {stage}"]
    quoted = [shlex.quote(str(path)) for path in paths]
    made = [": > {}" if path.is_file() else "mkdir -p {}" for path in paths]
    for at, path in enumerate(quoted):
        lines.append(f"{made[at].format(f'{stage}/{at}')}; mount --rbind {path} {stage}/{at}")
    outermost = [cover for cover in covers if not any(other in cover.parents for other in covers)]
    lines += [f"{tmpfs} {shlex.quote(str(cover))}" for cover in outermost]
    for at, path in enumerate(quoted):
        above = shlex.quote(str(paths[at].parent))
        lines.append(f"mkdir -p {above}; {made[at].format(path)}; mount --move {stage}/{at} {path}")
    lines += [f"mount -o remount,ro {shlex.quote(str(cover))}" for cover in outermost]
    return "\n".join([*lines, f"umount {stage}", 'exec "$@"'])
