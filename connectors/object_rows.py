"""JSON objects to batches of text columns, wherever the objects come from.

Rules
- Numbers keep the digits they were written with, as far as the parser has them.
- A key that an object lacks is null. An object in an object is reached by a dot: `{"a": {"b": 1}}` has
  the column `a.b`. An object that names a key twice, or whose wanted key holds a list or an object, is a bad
  record.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from decimal import Decimal

import numpy as np
import pyarrow as pa

from sandbox.ingest.source import RAW_CHARACTERS, BadRecord, RawBatch

MOST_LEVELS = 8

_BATCH_ROWS = 8192
_BATCH_CHARACTERS = 4 << 20


class NotARow(ValueError):
    """The reason why an object is not a row."""


def keys(found: Mapping[str, object], before: str = "", level: int = 1) -> Iterator[str]:
    """The columns of an object: keys, those of inner objects after a dot."""
    for key, value in found.items():
        if isinstance(value, dict) and value and level < MOST_LEVELS:
            yield from keys(value, f"{before}{key}.", level + 1)
        else:
            yield before + key


def row(found: Mapping[str, object], columns: Sequence[str], nulls: Collection[str]) -> list[str | None]:
    """The cells of an object.

    Raises:
        NotARow: with the column as second argument.

    """
    cells = []
    for column in columns:
        try:
            cell = _text(_at(found, column))
        except NotARow as error:
            raise NotARow(str(error), column) from None
        cells.append(None if cell in nulls else cell)
    return cells


def _at(found: Mapping[str, object], column: str) -> object:
    if column in found or "." not in column:
        return found.get(column)
    here: object = found
    for part in column.split("."):
        if not isinstance(here, dict):
            return None
        here = here.get(part)
    return here


def _text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return str(value)
    if not isinstance(value, str):
        raise NotARow("a list or an object in place of a value")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise NotARow("half of a surrogate pair")
    return value


class RowsOfObjects:
    """Collects objects of one part into batches.

    Args:
        part: name of the part.
        columns: that are wanted.
        nulls: texts that mean "no value".

    """

    def __init__(self, part: str, columns: Sequence[str], nulls: Collection[str] = ("",)) -> None:
        self._part = part
        self._columns = tuple(columns)
        self._nulls = frozenset(nulls)
        self._cells: list[list[str | None]] = []
        self._records: list[int] = []
        self._bad: list[BadRecord] = []
        self._size = 0

    def __len__(self) -> int:
        return len(self._records) + len(self._bad)

    @property
    def is_full(self) -> bool:
        """Whether it is time for a batch."""
        return len(self) >= _BATCH_ROWS or self._size >= _BATCH_CHARACTERS

    def add(self, found: Mapping[str, object], record: int, raw: Callable[[], str]) -> None:
        """The next object; one that is no row becomes a bad record with the text that `raw` gives."""
        try:
            cells = row(found, self._columns, self._nulls)
            self._cells.append(cells)
            self._records.append(record)
            self._size += sum(map(len, filter(None, cells)))
        except NotARow as error:
            self.bad(record, str(error.args[0]), raw(), error.args[1])

    def bad(self, record: int, reason: str, raw: str, column: str = "") -> None:
        """A record that is no object."""
        self._bad.append(BadRecord(self._part, record, column, reason, raw[:RAW_CHARACTERS]))

    def batch(self, bytes_done: int) -> RawBatch:
        """What was collected since the last batch."""
        columns = zip(*self._cells, strict=True) if self._cells else ([] for _ in self._columns)
        rows = pa.RecordBatch.from_arrays(
            [pa.array(cells, pa.string()) for cells in columns], names=list(self._columns)
        )
        made = RawBatch(rows, np.array(self._records, np.int64), self._part, bytes_done, tuple(self._bad))
        self._cells, self._records, self._bad = [], [], []
        self._size = 0
        return made
