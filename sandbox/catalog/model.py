"""Datasets as they lie in the vault: versions, files, columns. Nothing here is shown to analysts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

UNIT_COLUMN = "__unit"
RANK_COLUMN = "__rank"
# Not stored: the hot store makes it from `__unit`. The place of a row's unit among the units of its version,
# from 0, so that a set of units is a set of bits. It means nothing outside its version.
NUMBER_COLUMN = "__number"


@dataclass(frozen=True, slots=True)
class StoredColumn:
    """One column of a version: its name, and its Arrow type as text (`int64`, `decimal128(12, 2)`, …)."""

    name: str
    arrow_type: str
    grade: str


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """One column as the source had it; `arrow_type` is empty where the source holds text or was not asked."""

    name: str
    arrow_type: str = ""


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

    `rows` and `quarantined` are true counts: for stewards, the operator and the engine only, never for
    analysts or the log.

    Attributes:
        source: where the rows came from, as a URI without secrets; for an append, the newest part of them.
        source_digest: the connector's digest of the source, else one of the records as they were read. It
            would confirm a guess of the whole source, so it is kept where the counts are.
        source_columns: every column that the source had, stored or not.
        licence: as the policy said when this was loaded.
        mode: `replace`: these are the rows of the source; `append`: they follow the rows of `base`.
        base: the version that was current when this one was loaded, of which an append holds the rows.
        unique: keys of which no two rows share one: declared in the policy then, and checked by the load;
            none in versions that older releases made.
        quarantine: the records that its load set aside; None in versions that older releases made.

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
    source_digest: str | None = None
    source_columns: tuple[SourceColumn, ...] = ()
    licence: str = ""
    mode: Literal["replace", "append"] = "replace"
    base: int | None = None
    unique: tuple[tuple[str, ...], ...] = ()
    quarantine: StoredFile | None = None

    @property
    def all_files(self) -> tuple[StoredFile, ...]:
        """Its files, with what was set aside."""
        return self.files if self.quarantine is None else (*self.files, self.quarantine)

    @property
    def id(self) -> str:
        """`dataset.table@version`."""
        return f"{self.dataset}.{self.table}@{self.version}"


@dataclass(frozen=True, slots=True)
class HeldVersion:
    """A version with its present state. `dropped_at`: its rows were destroyed then; it is history only."""

    version: TableVersion
    current: bool
    dropped_at: datetime | None = None
