"""`__number`, made while a table is decrypted: the units of a version counted in stored order, from 0.

Every version is sorted by `__unit` as a whole, so the number of a row is how often the unit changed before
it: rows have the same number exactly if they have the same unit. One that is not sorted is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from sandbox.catalog.model import NUMBER_COLUMN, UNIT_COLUMN, TableVersion
from sandbox.vault.encrypted_file import storage_corrupt


class UnitNumbers:
    """Numbers the units of one version; `count` is how many there were so far."""

    def __init__(self, version: TableVersion) -> None:
        self.count = 0
        self._version = version
        self._last: int | None = None

    def beside(self, batches: Iterator[pa.RecordBatch], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Only `columns` of each batch, in that order, one of them `__number`; the batches have `__unit`.

        Raises:
            SandboxError: STORAGE_CORRUPT where units are not in order; what reading the batches raises.

        """
        for batch in batches:
            arrays = [
                self._numbered(batch.column(UNIT_COLUMN)) if name == NUMBER_COLUMN else batch.column(name)
                for name in columns
            ]
            yield pa.RecordBatch.from_arrays(arrays, list(columns))

    def _numbered(self, column: pa.Array[Any]) -> pa.Array[Any]:
        units = np.asarray(column.to_numpy(), np.int64)
        if not len(units):
            return pa.array(units, pa.int64())
        before = int(units[0]) if self._last is None else self._last
        if before > units[0] or np.any(units[1:] < units[:-1]):
            raise storage_corrupt(self._version.files[0])
        changes = np.empty(len(units), np.int64)
        changes[0] = self._last is None or before != units[0]
        changes[1:] = units[1:] != units[:-1]
        numbers = np.cumsum(changes) + (self.count - 1)
        self.count, self._last = int(numbers[-1]) + 1, int(units[-1])
        return pa.array(numbers)
