"""The list of allowed system calls as a BPF program, made by libseccomp."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from sandbox.errors import ErrorCode, SandboxError
from sandbox.rooms import syscalls

ENOSYS = 38
EOPNOTSUPP = 95


@cache
def program() -> bytes:
    """The filter for this machine's architecture, as bubblewrap takes it. Calls of other ABIs kill.

    Raises:
        SandboxError: ROOM_UNAVAILABLE when libseccomp is not there.

    """
    try:
        import pyseccomp as seccomp  # noqa: PLC0415  (loads a system library: only where a room is made)
    except (ImportError, OSError, RuntimeError) as error:
        raise SandboxError(
            ErrorCode.ROOM_UNAVAILABLE,
            "This machine cannot seal a room: libseccomp is missing.",
            "sudo apt-get install -y libseccomp2, and pip install 'data-sandbox[rooms]'.",
        ) from error
    rules = seccomp.SyscallFilter(seccomp.ERRNO(ENOSYS))
    for name in syscalls.ALWAYS:
        _allow(seccomp, rules, name)
    _allow(seccomp, rules, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, syscalls.NEW_NAMESPACES, 0))
    for name, argument, allowed in syscalls.BY_ARGUMENT:
        # The machine's kernel reads 32 bits of these arguments; so does the filter.
        for value in allowed:
            _allow(seccomp, rules, name, seccomp.Arg(argument, seccomp.MASKED_EQ, 0xFFFFFFFF, value))
    # libzmq takes this error, and no other, for "there are no network interfaces to ask about".
    for family in set(range(syscalls.MOST_FAMILIES)) - set(syscalls.SOCKET_FAMILIES):
        other = seccomp.Arg(0, seccomp.MASKED_EQ, 0xFFFFFFFF, family)
        rules.add_rule(seccomp.ERRNO(EOPNOTSUPP), "socket", other)
    return _exported(rules)


def _allow(seccomp: Any, rules: Any, name: str, *arguments: Any) -> None:
    """Allow a call; one that this architecture or this libseccomp does not know stays shut."""
    number = seccomp.resolve_syscall(seccomp.Arch.NATIVE, name)
    if number >= 0:
        rules.add_rule(seccomp.ALLOW, number, *arguments)


def _exported(rules: Any) -> bytes:
    descriptor = os.memfd_create("seccomp", os.MFD_CLOEXEC)
    with open(descriptor, "w+b") as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()
