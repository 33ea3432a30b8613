from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import pytest

from sandbox.rooms import cgroup
from sandbox.rooms.bubblewrap import Bubblewrap

# Of this process alone: another worker, or another run on the same machine, neither finds nor ends its rooms.
PARENT = f"sandbox-tests-{os.getpid()}"


@pytest.fixture(scope="session")
def backend() -> Bubblewrap:
    """The wall of this machine. Where no room can be sealed these tests fail; they are not skipped."""
    return Bubblewrap(PARENT)


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    remove(PARENT)


def remove(parent: str) -> None:
    """Remove empty control groups: a parent's, and itself."""
    for point in set(cgroup.hierarchies().values()):
        for folder in sorted((point / parent).rglob("*/"), key=lambda path: -len(path.parts)):
            with contextlib.suppress(OSError):
                folder.rmdir()
        with contextlib.suppress(OSError):
            (point / parent).rmdir()
