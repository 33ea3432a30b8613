from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hub.instance import Hub, running


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub that serves an instance with the patients in it."""
    with running(tmp_path_factory.mktemp("hub")) as here:
        yield here
