"""Small things that the ingest tests share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.errors import ErrorCode, SandboxError
from sandbox.ingest.connect import open_source
from sandbox.ingest.source import BadRecord


class Read:
    """Everything that a source gave."""

    def __init__(self, source: Any, columns: list[str] | None = None) -> None:
        self.columns = source.columns()
        self.rows: list[dict[str, Any]] = []
        self.records: list[int] = []
        self.bad: list[BadRecord] = []
        self.batches = 0
        for batch in source.batches(columns):
            assert batch.rows.num_rows == len(batch.records)
            self.rows += batch.rows.to_pylist()
            self.records += batch.records.tolist()
            self.bad += batch.bad
            self.batches += 1


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, bytes], str]:
    """Write bytes to a file of the test's own folder; gives back the path."""

    def write(name: str, data: bytes) -> str:
        (tmp_path / name).write_bytes(data)
        return str(tmp_path / name)

    return write


@pytest.fixture
def read(put: Callable[[str, bytes], str]) -> Callable[..., Read]:
    """Read bytes as a file of that name with the files connector."""

    def reading(name: str, data: bytes, columns: list[str] | None = None, **options: Any) -> Read:
        return Read(open_source(put(name, data), options), columns)

    return reading


def refusal(code: ErrorCode, act: Callable[[], object]) -> SandboxError:
    """The error that an act is refused with."""
    with pytest.raises(SandboxError) as caught:
        act()
    assert caught.value.code == code
    return caught.value
