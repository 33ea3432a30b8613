"""NDJSON files (one JSON object a line) as streams of text columns.

Numbers keep the digits they were written with. A line that is not one flat JSON object, that names a
key twice, or whose wanted key holds a list or an object, is a `BadRecord`. Record numbers are line numbers.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from connectors.decoding import Utf8Stream
from connectors.file_options import FileOptions
from connectors.opening import FileBytes, unreadable
from connectors.wrong_text import without_wrong_text
from sandbox.ingest.source import RAW_CHARACTERS, BadRecord, RawBatch

_HEAD_LINES = 10_000
_BATCH_LINES = 16_384
_BATCH_BYTES = 4 << 20


class _NotARow(ValueError):
    """The reason why a line is not a row."""


class NdjsonFile:
    """One NDJSON file."""

    def __init__(self, path: Path, options: FileOptions) -> None:
        self._path = path
        self._options = options

    def columns(self) -> tuple[str, ...]:
        """The keys of the first 10,000 lines, in the order in which they appear.

        Raises:
            SandboxError: SOURCE_UNREADABLE.

        """
        names: dict[str, None] = {}
        with self._lines() as (lines, _text, _file):
            for line in islice(lines, _HEAD_LINES):
                try:
                    names.update(dict.fromkeys(_object(line)))
                except _NotARow:
                    continue
        if not names:
            raise unreadable(
                f"{self._path.name} holds no JSON object.", "NDJSON has one object on each line."
            )
        return tuple(names)

    def batches(self, columns: Sequence[str]) -> Iterator[RawBatch]:
        """Its records as text columns; a key that a line lacks is null.

        Raises:
            SandboxError: SOURCE_UNREADABLE.

        """
        with self._lines() as (lines, text, file):
            number = 0
            while block := list(_block(lines)):
                batch = self._batch(block, number, columns, file.consumed)
                yield without_wrong_text(batch) if text.marked or text.nul else batch
                number += len(block)

    @contextmanager
    def _lines(self) -> Iterator[tuple[Iterator[bytes], Utf8Stream, FileBytes]]:
        file = FileBytes(self._path, self._options.expansion)
        with file, Utf8Stream(file, self._path.name, self._options.encoding) as text:
            reader = io.BufferedReader(text, 1 << 20)
            yield iter(lambda: self._line(reader), b""), text, file

    def _line(self, reader: io.BufferedReader[Utf8Stream]) -> bytes:
        line = reader.readline(self._options.longest_record + 1)
        if len(line) > self._options.longest_record:
            raise unreadable(
                f"{self._path.name} has a line longer than {self._options.longest_record} bytes.",
                "NDJSON has one object on each line; raise the option longest_record if it is right.",
            )
        return line

    def _batch(self, block: list[bytes], before: int, columns: Sequence[str], bytes_done: int) -> RawBatch:
        cells: dict[str, list[str | None]] = {name: [] for name in columns}
        records: list[int] = []
        bad: list[BadRecord] = []
        nulls = frozenset(self._options.nulls)
        for number, line in enumerate(block, before + 1):
            if line.isspace():
                continue
            column = ""
            try:
                found = _object(line)
                row = []
                for column in columns:
                    cell = _cell(found.get(column))
                    row.append(None if cell in nulls else cell)
            except _NotARow as error:
                raw = line.decode("utf-8").rstrip("\r\n")[:RAW_CHARACTERS]
                bad.append(BadRecord(self._path.name, number, column, str(error), raw))
                continue
            records.append(number)
            for name, cell in zip(columns, row, strict=True):
                cells[name].append(cell)
        rows = pa.RecordBatch.from_arrays(
            [pa.array(cells[name], pa.string()) for name in columns], names=list(columns)
        )
        return RawBatch(rows, np.array(records, np.int64), self._path.name, bytes_done, tuple(bad))


def _block(lines: Iterator[bytes]) -> Iterator[bytes]:
    size = 0
    for line in islice(lines, _BATCH_LINES):
        yield line
        size += len(line)
        if size >= _BATCH_BYTES:
            return


def _object(line: bytes) -> dict[str, object]:
    if line.isspace():
        return {}
    try:
        found = json.loads(
            line.decode("utf-8"), parse_float=str, parse_int=str, parse_constant=str, object_pairs_hook=_pairs
        )
    except (json.JSONDecodeError, RecursionError):
        raise _NotARow("not one JSON object") from None
    if not isinstance(found, dict):
        raise _NotARow("not one JSON object")
    return found


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _NotARow("a key that is named twice")
    return found


def _cell(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        raise _NotARow("a list or an object in place of a value")
    if not _is_unicode(value):
        raise _NotARow("half of a surrogate pair")
    return value


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
