"""NDJSON files (one JSON object a line) as streams of text columns.

Numbers keep the digits they were written with. A line that is not one flat JSON object, that names a
key twice, or whose wanted key holds a list or an object, is a `BadRecord`. Record numbers are line numbers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from itertools import islice

from connectors.file_options import FileOptions
from connectors.object_rows import NotARow, RowsOfObjects, keys
from connectors.opening import unreadable
from connectors.places import Place
from connectors.text_lines import Lines, lines_of
from sandbox.ingest.source import RawBatch

_HEAD_LINES = 10_000


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
        with self._lines() as lines:
            for line in islice(lines.rest, _HEAD_LINES):
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
        with self._lines() as lines:
            number = 0
            for block in lines.blocks():
                yield lines.sound(self._batch(block, number, columns, lines.bytes_done))
                number += len(block)

    def _lines(self) -> AbstractContextManager[Lines]:
        return lines_of(self._place, self._options, "NDJSON has one object on each line")

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
