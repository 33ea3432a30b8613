"""Datasets as they lie in the vault: versions, files, columns. Nothing here is shown to analysts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

UNIT_COLUMN = "__unit"
RANK_COLUMN = "__rank"


@dataclass(frozen=True, slots=True)
class StoredColumn:
    """One column of a version: its name, and its Arrow type as text (`int64`, `decimal128(12, 2)`, …)."""

    name: str
    arrow_type: str
    grade: str


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One encrypted Parquet file: path relative to the home, SHA-256 of its bytes in hex, and size.

    Beside it lies the JSON that holds its wrapped data keys. That changes at key rotation, and its
    entries authenticate themselves; the data and its digest never change.
    """

    path: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class TableVersion:
    """One immutable version of one table; `version` counts from 1 and is never used again.

    `rows` and `units` are true counts: for the operator and the engine only, never for analysts or the log.
    """

    dataset: str
    table: str
    version: int
    columns: tuple[StoredColumn, ...]
    files: tuple[StoredFile, ...]
    rows: int
    quarantined: int
    policy_digest: str
    loaded_at: datetime
    source: str

    @property
    def id(self) -> str:
        """`dataset.table@version`."""
        return f"{self.dataset}.{self.table}@{self.version}"
