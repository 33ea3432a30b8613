from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.service import home as homes
from sandbox.service.home import Home
from tests.service.instance import copied, make, settings
from tests.service.stretching import remembered


@pytest.fixture(scope="session", autouse=True)
def _quick_passphrases() -> Iterator[None]:
    with remembered():
        yield


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that nobody changes; see `town`."""
    return make(tmp_path_factory.mktemp("template"))


@pytest.fixture
def town(template: Path, tmp_path: Path) -> Iterator[Home]:
    """An opened instance of one's own."""
    instance = homes.open_home(settings(copied(template, tmp_path / "home")))
    yield instance
    homes.close(instance)
