from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from sandbox.rooms import cgroup
from sandbox.rooms.bubblewrap import Bubblewrap

# One for each worker: what one leaves and looks for, another does not meet.
PARENT = f"sandbox-tests-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"


@pytest.fixture(scope="session")
def backend() -> Iterator[Bubblewrap]:
    """The wall of this machine. Where no room can be sealed these tests fail; they are not skipped."""
    yield Bubblewrap(PARENT)
    cgroup.sweep(PARENT)
