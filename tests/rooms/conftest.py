from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.rooms import cgroup
from sandbox.rooms.bubblewrap import Bubblewrap

PARENT = "sandbox-tests"


@pytest.fixture(scope="session")
def backend() -> Iterator[Bubblewrap]:
    """The wall of this machine. Where no room can be sealed these tests fail; they are not skipped."""
    yield Bubblewrap(PARENT)
    cgroup.sweep(PARENT)
