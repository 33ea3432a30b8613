"""Every connector as a subject of the contract suite."""

from __future__ import annotations

import pytest

from tests.connectors import file_subjects
from tests.connectors.subject import Subject

FILES = tuple(file_subjects.subjects(folder=None))  # type: ignore[arg-type]


@pytest.fixture(params=FILES)
def subject(request: pytest.FixtureRequest, tmp_path) -> Subject:
    return file_subjects.subjects(tmp_path)[request.param]
