"""Declared keys: no two rows of a version, whole or appended, may share one.

Rules
- Two rows with one key refuse the load and name their places. Neither is set aside: which of them is right
  is not for us to say, and one unit's row must not go because of another unit's.
- A row with a null in the key has no key, as in SQL.
- Keys are compared by 64 bits, keyed afresh for each load: among n different keys two are taken for one
  with probability below n^2 / 2^65. They are held in memory up to 64 MiB, then in an encrypted spill.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sandbox.errors import ErrorCode, SandboxError
from sandbox.ingest.spill import Spill
from sandbox.ingest.units import NO_UNIT, UnitHash

_BUCKETS = 64
_HELD_ROWS = 2 << 20
_SHOWN = 3
_SCHEMA = pa.schema([("key", pa.uint64()), ("part", pa.int32()), ("record", pa.int64())])


class UniqueKeys:
    """The keys of one constraint over all batches of a load. A context manager; memory stays flat.

    Args:
        folder: on whose disk to spill.
        columns: the key.

    """

    def __init__(self, folder: Path, columns: Sequence[str]) -> None:
        self._columns = tuple(columns)
        self._hashes = [UnitHash(secrets.token_bytes(32)) for _ in columns]
        self._factors = [np.uint64(secrets.randbits(64) | 1) for _ in columns]
        self._parts: list[str] = []
        self._held: list[pa.RecordBatch] = []
        self._rows = 0
        self._folder = folder
        self._spill: Spill | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._spill is not None:
            self._spill.__exit__(kind, error, trace)

    def add(self, rows: pa.RecordBatch, part: str, records: npt.NDArray[np.int64]) -> None:
        """Take note of the keys of some rows.

        Raises:
            SandboxError: STORAGE_FULL, STORAGE_UNWRITABLE.

        """
        if not self._parts or self._parts[-1] != part:
            self._parts.append(part)
        keys, whole = self._keys(rows)
        columns: dict[str, Any] = {
            "key": keys[whole],
            "part": np.full(int(whole.sum()), len(self._parts) - 1, np.int32),
            "record": records[whole],
        }
        self._held.append(pa.RecordBatch.from_pydict(columns, schema=_SCHEMA))
        self._rows += rows.num_rows
        if self._rows >= _HELD_ROWS:
            self._put_away()

    def check(self) -> None:
        """Look for keys that occur twice.

        Raises:
            SandboxError: LOAD_REFUSED, with how many and where the first are.

        """
        if self._spill is None:
            found = self._twice(self._held)
        else:
            self._put_away()
            found = [pair for bucket in range(_BUCKETS) for pair in self._twice(self._spill.read(bucket))]
        if found:
            first = sorted(found)[:_SHOWN]
            places = "; ".join(f"{self._place(one)} and {self._place(other)}" for one, other in first)
            raise SandboxError(
                ErrorCode.LOAD_REFUSED,
                f"({', '.join(self._columns)}) should be unique, and is not.",
                f"{len(found)} rows repeat an earlier one; first {places}. "
                "Correct the source, or take the key out of the policy's checks.",
            )

    def _keys(self, rows: pa.RecordBatch) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.bool_]]:
        keys = np.zeros(rows.num_rows, np.uint64)
        whole = np.ones(rows.num_rows, np.bool_)
        for name, hashed, factor in zip(self._columns, self._hashes, self._factors, strict=True):
            column: Any = rows.column(name)
            values = hashed.of(column.cast(pa.string()) if pa.types.is_boolean(column.type) else column)
            whole &= values != NO_UNIT
            keys += values.astype(np.uint64) * factor
        return keys, whole

    def _put_away(self) -> None:
        if not self._held:
            return
        self._spill = self._spill or Spill(self._folder)
        rows = pa.Table.from_batches(self._held).combine_chunks().to_batches()
        for batch in rows:
            buckets = batch.column(0).to_numpy() >> np.uint64(58)
            for bucket in np.unique(buckets).tolist():
                self._spill.append(bucket, [batch.filter(pa.array(buckets == bucket))])
        self._held, self._rows = [], 0

    @staticmethod
    def _twice(batches: Any) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """(part, record) of an earlier row, and of the row that repeats its key."""
        held = list(batches)
        if not held:
            return []
        table = pa.Table.from_batches(held)
        keys, parts, records = (table.column(i).to_numpy() for i in range(3))
        order = np.lexsort((records, parts, keys))
        again = np.flatnonzero(keys[order[1:]] == keys[order[:-1]])
        places = list(zip(parts[order].tolist(), records[order].tolist(), strict=True)) if len(again) else []
        return [(places[at], places[at + 1]) for at in again.tolist()]

    def _place(self, place: tuple[int, int]) -> str:
        part, record = place
        return f"{self._parts[part]}, record {record}"
