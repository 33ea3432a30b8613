"""Runs inside a room, looks around, and prints what it found as JSON. The standard library only."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import socket
import sys
from pathlib import Path

PTRACE_TRACEME = 0
CLONE_NEWUSER = 0x10000000


def refused(path: str) -> str:
    """The name of the error that a write meets; empty when it succeeds."""
    try:
        with open(path, "w", encoding="utf-8"):
            return ""
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def unreachable(family: int, address: object) -> str:
    """The name of the error that a connection meets; empty when it succeeds."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as line:
            line.settimeout(1)
            line.connect(address)  # type: ignore[arg-type]
            return ""
    except TimeoutError:
        return "ETIMEDOUT"
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def called(name: str, *arguments: int) -> str:
    """The name of the error of a C library's call; empty when it succeeds."""
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != -1:
        return ""
    return errno.errorcode[ctypes.get_errno()]


def look(port: int, abstract: str, file: str) -> dict[str, object]:
    """Everything that the outside wants to know."""
    status = dict(
        line.split(":", 1)
        for line in Path("/proc/self/status").read_text("ascii").splitlines()
        if ":" in line
    )
    scratch = {folder: os.statvfs(folder) for folder in ("/tmp", "/home/room", "/dev/shm")}  # noqa: S108
    return {
        "user": os.getuid(),
        "capabilities": [status[name].strip() for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")],
        "no_new_privileges": status["NoNewPrivs"].strip(),
        "seccomp": status["Seccomp"].strip(),
        "unshare": called("unshare", CLONE_NEWUSER),
        "ptrace": called("ptrace", PTRACE_TRACEME, 0, 0, 0),
        "interfaces": sorted(
            line.split(":")[0].strip() for line in Path("/proc/net/dev").read_text("ascii").splitlines()[2:]
        ),
        "tcp": unreachable(socket.AF_INET, ("127.0.0.1", port)),
        "abstract": unreachable(socket.AF_UNIX, "\0" + abstract),
        "file": os.path.exists(file),
        "processes": sum(name.isdecimal() for name in os.listdir("/proc")),
        "variables": sorted(set(os.environ) - {"LC_CTYPE", "PWD"}),
        "written": {folder: refused(f"{folder}/planted") for folder in ("", "/usr", "/etc", "/dev", "/run")},
        "scratch": {folder: seen.f_blocks * seen.f_frsize for folder, seen in scratch.items()},
        "descriptors": sorted(int(name) for name in os.listdir("/proc/self/fd")),
        "devices": sorted(os.listdir("/dev")),
        "host": socket.gethostname(),
    }


if __name__ == "__main__":
    print(json.dumps(look(int(sys.argv[1]), sys.argv[2], sys.argv[3])), flush=True)
