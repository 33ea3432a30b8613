"""Ports of the loopback for servers that must be told theirs before they listen.

A port that the system hands out may be handed out again before the server takes it. So ports come from below
those that the system hands out, and each belongs to one test run at a time: who holds its name (a Unix
socket without a file, which ends with the process) may use it.
"""

from __future__ import annotations

import random
import socket

FIRST, LAST = 18_000, 28_000  # the system's own begin at 32,768 unless somebody moved them
_HELD: list[socket.socket] = []


def free_port() -> int:
    """A port that nobody listens to, and that no other test will be given while this process lives."""
    for port in random.SystemRandom().sample(range(FIRST, LAST), LAST - FIRST):
        name = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            name.bind(f"\0sandbox-test-port-{port}")
            with socket.create_server(("127.0.0.1", port)):
                _HELD.append(name)
                return port
        except OSError:
            name.close()
    raise AssertionError("every port is taken")
