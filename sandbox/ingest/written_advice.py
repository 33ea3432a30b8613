"""Which declared spelling would make numbers or days of a column that is text as it stands. Advice only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from sandbox.ingest.infer import suggest
from sandbox.ingest.written import WRITTEN
from sandbox.policy.types import Kind


def spellings(columns: Mapping[str, Any]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The columns of text that a spelling makes typed, each with every such `written`; by Arrow arrays."""
    found = ((name, _spellings(values)) for name, values in columns.items())
    return tuple((name, ways) for name, ways in found if ways)


def _spellings(values: Any) -> tuple[str, ...]:
    if not pa.types.is_string(values.type) or suggest(values).type is not Kind.TEXT:
        return ()
    cells: Sequence[str | None] = values.to_pylist()
    return tuple(
        way
        for way, plain in WRITTEN.items()
        if suggest(pa.array([cell and plain(cell.strip()) for cell in cells], pa.string())).type
        is not Kind.TEXT
    )
