"""The source port: all that a connector sees of the sandbox (besides `sandbox.errors`).

A connector is found through the entry point group `sandbox.connectors`; it opens a location and
gives back a `Source`: what it is, which columns it has, and its rows as a stream of record batches.

Rules
- A source streams: no more than a few batches are ever in memory.
- A source never drops a record. One that it cannot read at all becomes a `BadRecord`.
- Columns come as text (`string`) where the source holds text, or typed where the source is typed
  (Parquet). Casting to the policy's types is not the connector's job.
- Secrets never appear in `SourceDescription.uri` or in an error.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Option: TypeAlias = "str | int | bool | Sequence[str]"

CONNECTORS = "sandbox.connectors"
"""The entry point group of connectors."""

RAW_CHARACTERS = 65_536
"""Longest raw text, in characters, that is kept of a bad record."""


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """What is read: a short name, a URI without secrets, and size (bytes) and digest where known.

    A digest (`sha256:…`) is of the bytes that were read, and is known after they were, if at all. A source
    that is sure to know it then says so by `hashes`; the records of others are hashed as they come.
    """

    name: str
    uri: str
    digest: str | None = None
    size: int | None = None
    hashes: bool = False


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that does not become a row.

    Attributes:
        part: the file (or page) of the source that holds it.
        record: its number in that part, as in `RawBatch.records`.
        column: the column at fault; empty if the whole record is.
        reason: the rule that it breaks; never a value.
        raw: its text, as far as the source has it, at most `RAW_CHARACTERS`.

    """

    part: str
    record: int
    column: str
    reason: str
    raw: str


@dataclass(frozen=True, slots=True)
class RawBatch:
    """Some records of a source, in order.

    Attributes:
        rows: the records that could be read, one column for each that was asked for.
        records: the number of each row in its part. It counts from 1 with the lines before the
            first record, so it is the number of the line unless a cell holds a line break or the file
            has blank lines; then it is the number of the record plus the lines before the first.
        part: the file (or page) that holds these records.
        bad: the records between them that could not be read.
        bytes_done: bytes of the source that were read so far, over all parts.

    """

    rows: pa.RecordBatch
    records: npt.NDArray[np.int64]
    part: str
    bytes_done: int
    bad: tuple[BadRecord, ...] = ()


def set_aside(batch: RawBatch, wrong: npt.NDArray[np.bool_], column: str, reason: str) -> RawBatch:
    """The batch with the rows for which `wrong` is true turned into bad records."""
    raws = raw_texts(batch.rows.filter(pa.array(wrong)))
    numbers = batch.records[wrong].tolist()
    bad = (
        BadRecord(batch.part, number, column, reason, raw) for number, raw in zip(numbers, raws, strict=True)
    )
    return replace(
        batch, rows=batch.rows.filter(pa.array(~wrong)), records=batch.records[~wrong], bad=(*batch.bad, *bad)
    )


def raw_texts(rows: pa.RecordBatch) -> list[str]:
    """Each row as one line of comma-separated text, cut to `RAW_CHARACTERS`."""
    out: list[str] = []
    for row in zip(*(_texts(column) for column in rows.columns), strict=True):
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(row)
        out.append(line.getvalue()[:RAW_CHARACTERS])
    return out


def _texts(column: Any) -> list[str | None]:
    """Cells as texts, whatever is in them: a date beyond Python's, bytes that are no text."""
    for kind in (pa.string(), pa.binary()):
        try:
            cells = column.cast(kind).cast(pa.binary()).to_pylist()
        except pa.ArrowException:
            continue
        return [None if cell is None else cell.decode("utf-8", "backslashreplace") for cell in cells]
    return [f"({column.type})"] * len(column)


class Source(Protocol):
    """One thing to load."""

    def describe(self) -> SourceDescription:
        """What this is."""
        ...

    def columns(self) -> tuple[str, ...]:
        """Names of the columns, from the head of the source.

        Raises:
            SandboxError: SOURCE_UNREADABLE.

        """
        ...

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[RawBatch]:
        """Its records, once through, with only the named columns (all by default).

        Raises:
            SandboxError: SOURCE_UNREADABLE.

        """
        ...


@runtime_checkable
class Incremental(Protocol):
    """A source that is read in the order of a key, so that a later load can go on where this one ended.

    Its connector takes the option `after`: only rows whose key is greater than that text.

    Attributes:
        key: name of the column in whose order it is read; empty when it is not.
        watermark: greatest value of the key that was read, as text; None before reading, or without a key.

    """

    key: str
    watermark: str | None


class Connector(Protocol):
    """Opens sources of one sort."""

    def open(self, location: str, options: Mapping[str, Option]) -> Source:
        """Open what lies at `location`; reads at most its head.

        Raises:
            SandboxError: ARGUMENT for an option that it does not know; SOURCE_UNREADABLE.

        """
        ...
