"""Records that did not become rows: kept encrypted beside the version whose load set them aside.

They lie in the version's folder, so that key rotation, sweeping and restoring treat them as its data, with a
digest in the catalog like any file of it. Every load writes such a file, also an empty one: the log names it,
and must not tell whether anything was set aside.
They are raw data: who reads them is logged by the service (`dataset.quarantine-read`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from sandbox.catalog.model import StoredFile, TableVersion
from sandbox.errors import ErrorCode, SandboxError
from sandbox.ingest.source import BadRecord
from sandbox.ingest.spill import Spill
from sandbox.vault.encrypted_file import FileWriter, open_parquet, open_verified
from sandbox.vault.keyring import GRADES, Keyring
from sandbox.vault.layout import physical_schema, stored_columns

FILE = "quarantine.parquet"
_TYPES: dict[str, pa.DataType] = {
    "part": pa.string(),
    "record": pa.int64(),
    "column": pa.string(),
    "reason": pa.string(),
    "raw": pa.string(),
}
SCHEMA = pa.schema([pa.field(name, kind, nullable=False) for name, kind in _TYPES.items()])

_REASONS = 1000
_GROUP_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Reason:
    """How many records broke one rule in one column, and which was the first."""

    column: str
    reason: str
    count: int
    first: str


@dataclass(slots=True)
class _Reasons:
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    first: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, bad: BadRecord) -> None:
        # A ragged file may have as many reasons as it has widths.
        rule = (bad.column, bad.reason)
        if rule not in self.first and len(self.first) >= _REASONS:
            rule = ("", "other reasons")
        self.counts[rule] += 1
        self.first.setdefault(rule, f"{bad.part}, record {bad.record}")


class Quarantine:
    """Collects the bad records of one load. A context manager; memory stays flat.

    Args:
        home: folder of the instance.

    """

    def __init__(self, home: Path) -> None:
        self._spill = Spill(home)
        self._reasons = _Reasons()
        self.count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spill.__exit__(kind, error, trace)

    def add(self, bad: Sequence[BadRecord]) -> None:
        """Set records aside.

        Raises:
            SandboxError: STORAGE_FULL, STORAGE_UNWRITABLE.

        """
        if not bad:
            return
        self.count += len(bad)
        for one in bad:
            self._reasons.add(one)
        cells = {name: [getattr(one, name) for one in bad] for name in SCHEMA.names}
        self._spill.append(0, [pa.RecordBatch.from_pydict(cells, schema=SCHEMA)])

    def reasons(self) -> tuple[Reason, ...]:
        """Why records were set aside, the most frequent reason first."""
        return tuple(
            Reason(column, reason, count, self._reasons.first[column, reason])
            for (column, reason), count in self._reasons.counts.most_common()
        )

    def keep(self, home: Path, keyring: Keyring, dataset: str, folder: Path) -> StoredFile:
        """Write them into a version's folder.

        Raises:
            SandboxError: STORAGE_FULL, STORAGE_UNWRITABLE.

        """
        file = FileWriter(
            home,
            folder / FILE,
            schema=physical_schema(SCHEMA),
            keyring=keyring,
            dataset=dataset,
            columns=stored_columns(SCHEMA, {}),
        )
        try:
            held: list[pa.RecordBatch] = []
            for batch in self._spill.read(0):
                held.append(batch)
                if sum(one.nbytes for one in held) >= _GROUP_BYTES:
                    file.write(pa.Table.from_batches(held))
                    held.clear()
            if held:
                file.write(pa.Table.from_batches(held))
            return file.finish()
        except BaseException:
            file.abandon()
            raise


def read_quarantine(home: Path, keyring: Keyring, version: TableVersion) -> Iterator[BadRecord]:
    """What the load of a version set aside, in the order of the source.

    Raises:
        SandboxError: STORAGE_CORRUPT, KEYS_ROTATED.

    """
    if not version.quarantined:
        return
    stored = version.quarantine
    path = (home / version.files[0].path).with_name(FILE)
    try:
        with path.open("rb", buffering=0) if stored is None else open_verified(home, stored) as file:
            parquet = open_parquet(file, path, keyring, version.dataset, GRADES)
            for batch in parquet.iter_batches(columns=SCHEMA.names):
                for row in batch.to_pylist():
                    yield BadRecord(**row)
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(error, SandboxError) and error.code is ErrorCode.KEYS_ROTATED:
            raise
        # Whatever else the cipher, the keys or the reader say: it is not the file that was committed.
        raise SandboxError(
            ErrorCode.STORAGE_CORRUPT,
            f"The quarantine of {version.id} or its key material is missing, damaged, or another file.",
            "Restore both from a backup, or load the table again.",
        ) from None
