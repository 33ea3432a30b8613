from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.service import home as homes
from tests.api.instance import Served, load_people, make, serving


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A served instance with the patients in it, under the policies as they are shipped."""
    folder = tmp_path_factory.mktemp("shipped")
    home = make(folder, generous=False)
    load_people(home, folder)
    with serving(home) as here:
        yield here
    homes.close(home)
