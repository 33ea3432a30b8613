from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.service import home as homes
from tests.api.instance import Served, load_people, make, serving


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A served instance: everything published, nothing loaded."""
    home = make(tmp_path_factory.mktemp("empty"))
    with serving(home) as served:
        yield served
    homes.close(home)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A served instance with the patients in it."""
    folder = tmp_path_factory.mktemp("served")
    home = make(folder)
    load_people(home, folder)
    with serving(home) as here:
        yield here
    homes.close(home)
