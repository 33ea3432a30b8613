"""The bubblewrap wall: namespaces, no capabilities, no network, an allow list of system calls, limits.

Rules
- A process that is root becomes an unprivileged user before bubblewrap begins: a way out of the room
  leads to nobody.
- The chain is: enter the control groups, set resource limits, drop the user, bubblewrap, the command. Each
  link replaces the one before, so the first process id is the one that everything dies with.
- Every variable, mount and open file is named; nothing is inherited.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from subprocess import DEVNULL, Popen

from sandbox.errors import ErrorCode, SandboxError
from sandbox.rooms import cgroup, drop, port, probe, seccomp
from sandbox.rooms.drop import SEARCH, where
from sandbox.rooms.environment import environment
from sandbox.rooms.port import Capability
from sandbox.rooms.spec import MIB, Limits, RoomSpec, RunAs

PROGRAMS = {
    "bwrap": "bubblewrap",
    "prlimit": "util-linux",
    "setpriv": "util-linux",
    "unshare": "util-linux",
    "sh": "dash",
}
INSIDE_USER = 1000
HOME = Path("/home/room")
# What a program needs of /etc to start, and nothing that tells of the machine.
ETC = ("ld.so.cache", "alternatives", "fonts", "localtime")
ACCOUNTS = "opc:x:1000:1000::/home/room:/bin/sh\n"
ENTER = 'while [ "$1" != -- ]; do echo 0 > "$1"; shift; done; shift; exec "$@"'


@dataclass(slots=True)
class BubblewrapRoom:
    """A room behind bubblewrap."""

    process: Popen[bytes]
    groups: cgroup.Groups
    _open: bool = field(default=True)

    def close(self) -> None:
        """Kill what is inside, wait for it, remove the control groups."""
        if not self._open:
            return
        self._open = False
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        self.groups.end()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(cgroup.PATIENCE_SECONDS)


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    """The backend.

    Attributes:
        parent: the control group below which every room has its own.

    """

    parent: str = cgroup.TOP

    @property
    def name(self) -> str:
        """As people know it."""
        return "bubblewrap"

    def capabilities(self) -> tuple[Capability, ...]:
        """Programs, libraries and kernel features, without starting anything."""
        found = [_program(program, package) for program, package in PROGRAMS.items()]
        found.append(_seccomp())
        found.append(_groups(self.parent))
        return tuple(found)

    def self_test(self) -> tuple[Capability, ...]:
        """What holds inside a real room. Asked once for each process."""
        return _tested(self.parent)

    def start(self, spec: RoomSpec) -> BubblewrapRoom:
        """Start a room, after the self-test of this process.

        Raises:
            SandboxError: ROOM_UNAVAILABLE.

        """
        port.require(self.self_test())
        return self.start_untested(spec, stdout=None)

    def start_untested(self, spec: RoomSpec, stdout: int | None) -> BubblewrapRoom:
        """Start the room that the self-test looks at; `stdout` is a descriptor or None for nowhere."""
        run_as = spec.run_as or (nobody() if os.geteuid() == 0 else None)
        try:
            groups = cgroup.make(spec.name, spec.limits, self.parent)
        except OSError as error:
            raise SandboxError(
                ErrorCode.ROOM_UNAVAILABLE, "This machine cannot seal a room: no limits.", _NO_GROUPS
            ) from error
        filter_file = _sealed_file("seccomp", seccomp.program())
        passwd = _sealed_file("passwd", ACCOUNTS.encode())
        handed = (*spec.listeners, filter_file, passwd)
        try:
            command = [
                *("/bin/sh", "-ec", ENTER, "room", *map(str, groups.doors), "--"),
                *_limited(spec.limits),
                *drop.chain(run_as, {mount.source for mount in spec.mounts}),
                *arguments(spec, filter_file, passwd),
            ]
            process = Popen(  # noqa: S603 -- every word of it is made here
                command,
                env={},
                cwd="/",
                stdin=DEVNULL,
                stdout=DEVNULL if stdout is None else stdout,
                stderr=DEVNULL if stdout is None else stdout,
                pass_fds=handed,
                start_new_session=True,
            )
        except BaseException:
            groups.end()
            raise
        finally:
            os.close(filter_file)
            os.close(passwd)
        return BubblewrapRoom(process, groups)


def arguments(spec: RoomSpec, filter_file: int, passwd: int) -> list[str]:
    """The command line of bubblewrap for a room."""
    line = [where("bwrap"), "--unshare-all", "--unshare-user", "--disable-userns"]
    line += ["--uid", str(INSIDE_USER), "--gid", str(INSIDE_USER), "--hostname", "room"]
    line += ["--cap-drop", "ALL", "--new-session", "--die-with-parent", "--clearenv"]
    line += ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = Path("/", name)
        if path.is_symlink():
            line += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            line += ["--ro-bind", str(path), str(path)]
    for name in ETC:
        line += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    line += ["--file", str(passwd), "/etc/passwd", "--proc", "/proc", "--dev", "/dev"]
    scratch = str(spec.limits.scratch_bytes)
    for folder in ("/dev/shm", "/tmp", str(HOME)):  # noqa: S108 -- inside the room
        line += ["--size", scratch, "--perms", "0700", "--tmpfs", folder]
    for mount in spec.mounts:
        line += ["--bind" if mount.writable else "--ro-bind", str(mount.source), str(mount.target)]
    line += ["--remount-ro", "/dev", "--remount-ro", "/"]
    for name, value in spec.environment.items():
        line += ["--setenv", name, value]
    return [*line, "--chdir", str(spec.folder), "--seccomp", str(filter_file), "--", *spec.command]


def nobody() -> RunAs:
    """The user for rooms that root starts without naming one."""
    return RunAs(65534, 65534)


def _limited(limits: Limits) -> list[str]:
    return [
        where("prlimit"),
        f"--fsize={limits.file_bytes}",
        f"--nofile={limits.open_files}",
        "--core=0",
        "--memlock=0",
        "--msgqueue=0",
        "--nice=0",
        "--rtprio=0",
    ]


def _sealed_file(name: str, content: bytes) -> int:
    descriptor = os.memfd_create(name)
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _program(program: str, package: str) -> Capability:
    path = shutil.which(program, path=SEARCH)
    return Capability(program, path is not None, path or f"sudo apt-get install -y {package}.")


def _seccomp() -> Capability:
    try:
        size = len(seccomp.program()) // 8
    except SandboxError as error:
        return Capability("libseccomp", False, error.hint)
    return Capability("libseccomp", True, f"an allow list of {size} instructions")


_NO_GROUPS = (
    "Control groups for memory, pids and cpu must be writable: start as root, or let root hand a group "
    "over (SANDBOX_ROOM_CGROUP)."
)


def _groups(parent: str) -> Capability:
    try:
        cgroup.make(f"check-{os.getpid()}", Limits(), parent).end()
    except OSError:
        return Capability("control groups", False, _NO_GROUPS)
    return Capability("control groups", True, f"memory, pids and cpu, below {parent}")


@cache
def _tested(parent: str) -> tuple[Capability, ...]:
    backend = Bubblewrap(parent)
    found = backend.capabilities()
    if not all(each.holds for each in found):
        return found
    return (*found, *_seen_inside(backend))


def _seen_inside(backend: Bubblewrap) -> tuple[Capability, ...]:
    seen = environment(Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}"))
    reader, writer = os.pipe()
    with probe.Outside() as outside:
        spec = RoomSpec(
            name=f"self-test-{os.getpid()}",
            command=probe.command(seen.interpreter, outside),
            mounts=seen.mounts,
            limits=Limits(memory_bytes=256 * MIB, processes=32, scratch_bytes=probe.SCRATCH_BYTES),
        )
        try:
            room = backend.start_untested(spec, writer)
            try:
                os.close(writer)
                said = probe.read(reader)
            finally:
                room.close()
        finally:
            os.close(reader)
    return probe.judge(said)
