"""Parquet files as streams of typed columns. Record numbers are row numbers, from 1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.file_options import FileOptions
from connectors.opening import unreadable
from connectors.places import Place
from sandbox.ingest.source import RawBatch

_BATCH_ROWS = 65_536
_BATCH_BYTES = 16 << 20


class ParquetFile:
    """One Parquet file that is not encrypted."""

    def __init__(self, place: Place, _options: FileOptions) -> None:
        self._place = place

    def columns(self) -> tuple[str, ...]:
        """Names of the columns, nested ones by their top.

        Raises:
            SandboxError: SOURCE_UNREADABLE.

        """
        with self._open() as file:
            return tuple(file.schema_arrow.names)

    def batches(self, columns: Sequence[str]) -> Iterator[RawBatch]:
        """Its rows with the types that they have.

        Raises:
            SandboxError: SOURCE_UNREADABLE.

        """
        size = self._place.size or 0
        done = 0
        with self._open() as file:
            total = max(1, file.metadata.num_rows)
            try:
                for rows in _batches(file, list(columns)):
                    records = np.arange(done + 1, done + rows.num_rows + 1, dtype=np.int64)
                    done += rows.num_rows
                    yield RawBatch(
                        rows.select(list(columns)), records, self._place.name, size * done // total
                    )
            except (pa.ArrowException, OSError, KeyError):
                raise self._damaged() from None

    def _open(self) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(self._place.random())
        except (pa.ArrowException, OSError):
            raise self._damaged() from None

    def _damaged(self) -> Exception:
        return unreadable(
            f"{self._place.name} is not a Parquet file, or is damaged or encrypted.", "Fetch it again."
        )


def _batch_rows(metadata: pq.FileMetaData) -> int:
    """Rows of a batch: fewer where rows are wide."""
    size = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    wide = size // max(1, metadata.num_rows) + 1
    return max(256, min(_BATCH_ROWS, _BATCH_BYTES // wide))


def _batches(file: pq.ParquetFile, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Row group by row group: over all of them Arrow reads ahead until the whole file lies in memory."""
    size = _batch_rows(file.metadata)
    for group in range(file.metadata.num_row_groups):
        yield from file.iter_batches(size, row_groups=[group], columns=columns)
