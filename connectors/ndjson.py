"""NDJSON files (one JSON object a line) as streams of text columns.

Numbers keep the digits they were written with. A line that is not one flat JSON object, that names a
key twice, or whose wanted key holds a list or an object, is a `BadRecord`. Record numbers are line numbers.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice

from connectors.decoding import Utf8Stream
from connectors.file_options import FileOptions
from connectors.object_rows import NotARow, RowsOfObjects, keys
from connectors.opening import FileBytes, unreadable
from connectors.places import Place
from connectors.wrong_text import without_wrong_text
from sandbox.ingest.source import RawBatch

_HEAD_LINES = 10_000
_BATCH_LINES = 16_384
_BATCH_BYTES = 4 << 20


class NdjsonFile:
    """One NDJSON file."""

    def __init__(self, place: Place, options: FileOptions) -> None:
        self._place = place
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
                    names.update(dict.fromkeys(keys(_object(line))))
                except NotARow:
                    continue
        if not names:
            raise unreadable(
                f"{self._place.name} holds no JSON object.", "NDJSON has one object on each line."
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
        file = FileBytes(self._place, self._options.expansion)
        with file, Utf8Stream(file, self._place.name, self._options) as text:
            reader = io.BufferedReader(text, 1 << 20)
            yield iter(lambda: self._line(reader), b""), text, file

    def _line(self, reader: io.BufferedReader[Utf8Stream]) -> bytes:
        line = reader.readline(self._options.longest_record + 1)
        if len(line) > self._options.longest_record:
            raise unreadable(
                f"{self._place.name} has a line longer than {self._options.longest_record} bytes.",
                "NDJSON has one object on each line; raise the option longest_record if it is right.",
            )
        return line

    def _batch(self, block: list[bytes], before: int, columns: Sequence[str], bytes_done: int) -> RawBatch:
        rows = RowsOfObjects(self._place.name, columns, self._options.nulls)
        for number, line in enumerate(block, before + 1):
            if line.isspace():
                continue
            try:
                rows.add(_object(line), number, partial(_raw, line))
            except NotARow as error:
                rows.bad(number, str(error), _raw(line))
        return rows.batch(bytes_done)


def _raw(line: bytes) -> str:
    return line.decode("utf-8").rstrip("\r\n")


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
        raise NotARow("not one JSON object") from None
    if not isinstance(found, dict):
        raise NotARow("not one JSON object")
    return found


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotARow("a key that is named twice")
    return found
