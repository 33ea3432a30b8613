"""The self-test: what a program inside a real room can see and do, and whether that is as it must be."""

from __future__ import annotations

import json
import os
import secrets
import select
import socket
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from sandbox.rooms.inside import look_around
from sandbox.rooms.port import Capability
from sandbox.rooms.spec import MIB

SCRATCH_BYTES = MIB
PATIENCE_SECONDS = 20.0
MOST_BYTES = 65_536
DEVICES = frozenset(
    {"console", "core", "fd", "full", "null", "ptmx", "pts", "random", "shm"}
    | {"stderr", "stdin", "stdout", "tty", "urandom", "zero"}
)
NO_CAPABILITIES = ["0000000000000000"] * 5


class Outside:
    """Things beside the room that must not be reached from it: a port, an abstract socket, a file."""

    def __init__(self) -> None:
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.abstract = f"sandbox-{secrets.token_hex(8)}"
        self.unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.unix.bind("\0" + self.abstract)
        self.unix.listen(1)
        descriptor, name = tempfile.mkstemp()
        os.chmod(name, 0o644)
        os.close(descriptor)
        self.file = Path(name)

    def arguments(self) -> tuple[str, str, str]:
        """As the program inside takes them."""
        return str(self.tcp.getsockname()[1]), self.abstract, str(self.file)

    def __enter__(self) -> Outside:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.tcp.close()
        self.unix.close()
        self.file.unlink(missing_ok=True)


def command(interpreter: Path, outside: Outside) -> tuple[str, ...]:
    """The program and its arguments, as run inside."""
    code = Path(look_around.__file__).read_text("utf-8")
    return str(interpreter), "-I", "-S", "-c", code, *outside.arguments()


def read(descriptor: int) -> Mapping[str, Any] | None:
    """What the program printed within its patience; None when that is nothing that can be read."""
    last = time.monotonic() + PATIENCE_SECONDS
    said = b""
    while len(said) < MOST_BYTES and (left := last - time.monotonic()) > 0:
        if not select.select([descriptor], [], [], left)[0]:
            break
        piece = os.read(descriptor, MOST_BYTES)
        if not piece:
            break
        said += piece
    try:
        found = json.loads(said)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def judge(said: Mapping[str, Any] | None) -> tuple[Capability, ...]:
    """One capability for each thing that must hold; all of them fail when nothing was said."""
    return tuple(_judged(name, holds, said) for name, holds in CHECKS)


def _judged(name: str, holds: Callable[[Mapping[str, Any]], tuple[bool, object]], said: Any) -> Capability:
    if said is None:
        return Capability(name, False, "The room did not start, or its probe said nothing.")
    try:
        good, detail = holds(said)
    except (KeyError, TypeError, ValueError, AttributeError):
        return Capability(name, False, "The probe did not say.")
    return Capability(name, good, _short(detail))


def _short(detail: object) -> str:
    return str(detail)[:200]


CHECKS: tuple[tuple[str, Callable[[Mapping[str, Any]], tuple[bool, object]]], ...] = (
    ("unprivileged user", lambda s: (s["user"] == 1000, f"user {s['user']} inside")),
    (
        "no capabilities",
        lambda s: (s["capabilities"] == NO_CAPABILITIES, f"effective {s['capabilities'][2]}"),
    ),
    (
        "no new privileges",
        lambda s: (s["no_new_privileges"] == "1", f"NoNewPrivs {s['no_new_privileges']}"),
    ),
    (
        "system calls by an allow list",
        lambda s: (
            s["seccomp"] == "2" and s["unshare"] == s["ptrace"] == "ENOSYS",
            f"unshare {s['unshare'] or 'works'}, ptrace {s['ptrace'] or 'works'}",
        ),
    ),
    (
        "a network of its own",
        lambda s: (
            s["interfaces"] == ["lo"] and bool(s["tcp"]),
            f"interfaces {s['interfaces']}; a port outside: {s['tcp'] or 'reached'}",
        ),
    ),
    (
        "no sockets of others",
        lambda s: (bool(s["abstract"]), f"an abstract socket outside: {s['abstract'] or 'reached'}"),
    ),
    ("processes of its own", lambda s: (s["processes"] <= 3, f"sees {s['processes']} processes")),
    ("files of others unseen", lambda s: (s["file"] is False, f"a file outside is seen: {s['file']}")),
    ("an empty environment", lambda s: (s["variables"] == [], f"variables {s['variables']}")),
    (
        "a read-only system",
        lambda s: (
            all(error in ("EROFS", "EACCES", "ENOENT") for error in s["written"].values()),
            f"writing: {s['written']}",
        ),
    ),
    (
        "bounded scratch folders",
        lambda s: (
            len(s["scratch"]) == 3 and all(size <= SCRATCH_BYTES for size in s["scratch"].values()),
            f"bytes {s['scratch']}",
        ),
    ),
    (
        "no inherited files",
        lambda s: (max(s["descriptors"]) <= 3, f"open descriptors {s['descriptors']}"),
    ),
    ("few devices", lambda s: (set(s["devices"]) <= DEVICES, f"{len(s['devices'])} devices")),
    ("a name of its own", lambda s: (s["host"] == "room", f"called {s['host']}")),
)
"""Name of each check, and how it is made of what the probe said."""
