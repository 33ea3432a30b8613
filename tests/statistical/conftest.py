from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import statistical


@pytest.fixture(scope="session", autouse=True)
def _as_many_checks_as_were_reckoned_with() -> Iterator[None]:
    yield
    assert statistical.made <= statistical.CHECKS
