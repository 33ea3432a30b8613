"""Workbooks (xls, xlsx, xlsb, ods) by calamine: one sheet, or a range of it, as text columns.

Rules
- Without the option `sheet` the only sheet that holds anything is read; if several do, one must be named.
- Rows are numbered as in the workbook; rows without any value are passed over, as blank lines are.
- A whole number loses its `.0`, a date or time is written as ISO 8601; a cell that shows an error is null.
- A sheet is held in memory, which its format limits; an archive that expands too far is refused.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import python_calamine as calamine

from connectors.file_options import FileOptions
from connectors.header import column_names, without_footer
from connectors.opening import ALWAYS_ALLOWED, expands, unreadable
from connectors.options import wrong
from connectors.places import Place
from sandbox.ingest.source import BadRecord, RawBatch

_BATCH = 8192
_RANGE = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6}):([A-Z]{1,3})([1-9][0-9]{0,6})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Area:
    """Rows and columns from 0; ends are exclusive, None means to the end."""

    first_row: int = 0
    end_row: int | None = None
    first_column: int = 0
    end_column: int | None = None


class WorkbookFile:
    """One workbook."""

    def __init__(self, place: Place, options: FileOptions) -> None:
        self._place = place
        self._options = options
        self._area = _area(options.range)

    def columns(self) -> tuple[str, ...]:
        """Names of the columns, by the header; see `header.column_names`.

        Raises:
            SandboxError: SOURCE_UNREADABLE, ARGUMENT.

        """
        return self._head(self._rows())[0]

    def batches(self, columns: Sequence[str]) -> Iterator[RawBatch]:
        """Its rows as text columns.

        Raises:
            SandboxError: SOURCE_UNREADABLE, ARGUMENT.

        """
        yield from without_footer(self._batches(columns), self._options.footer_lines)

    def _head(self, rows: Iterator[tuple[int, list[str]]]) -> tuple[tuple[str, ...], int, int]:
        """Names of the columns, first column, and the number of the last row of the header."""
        header = list(islice(rows, self._options.header_lines))
        lines = [cells for _, cells in header]
        start, width = _extent(lines)
        if not lines:
            width = len(next(rows, (0, []))[1])
        if not width:
            raise unreadable(f"{self._place.name} is empty.", "Check sheet, range and skip_lines.")
        names = column_names(self._place.name, [line[start:width] for line in lines], width, self._options)
        return names, start, header[-1][0] if header else 0

    def _batches(self, columns: Sequence[str]) -> Iterator[RawBatch]:
        names, start, header_ends = self._head(self._rows())
        places = [start + names.index(name) for name in columns]
        end = start + len(names)
        nulls = frozenset(self._options.nulls)
        size = self._place.size or 0
        total = max(1, self._total)
        rows = (row for row in self._rows() if row[0] > header_ends)
        while block := list(islice(rows, _BATCH)):
            bad = tuple(
                BadRecord(self._place.name, number, "", "cells beyond the last column", "\t".join(cells))
                for number, cells in block
                if any(cells[end:]) or any(cells[:start])
            )
            wide = {one.record for one in bad}
            kept = [(number, cells) for number, cells in block if number not in wide]
            arrays = [
                pa.array([None if cells[at] in nulls else cells[at] for _, cells in kept], pa.string())
                for at in places
            ]
            made = pa.RecordBatch.from_arrays(arrays, names=list(columns))
            records = np.array([number for number, _ in kept], np.int64)
            yield RawBatch(made, records, self._place.name, min(size, size * block[-1][0] // total), bad)

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Rows of the area that hold anything, with their numbers, the skipped ones left away."""
        with self._place.random() as file:
            self._check_expansion(file)
            sheet = self._sheet(file)
        self._total = sheet.total_height
        before = sheet.start[1] if sheet.start else 0
        area = self._area
        first = max(area.first_row, self._skipped())
        for number, row in enumerate(islice(sheet.iter_rows(), first, area.end_row), first + 1):
            cells = [*[""] * before, *map(_text, row)][area.first_column : area.end_column]
            if any(cells):
                yield number, cells

    def _skipped(self) -> int:
        return self._area.first_row + self._options.skip_lines

    def _sheet(self, file: Any) -> Any:
        try:
            book = calamine.CalamineWorkbook.from_filelike(file)
            names = book.sheet_names
            wanted = self._options.sheet
            if wanted and wanted not in names and wanted.isdigit() and 0 < int(wanted) <= len(names):
                wanted = names[int(wanted) - 1]
            if wanted:
                if wanted not in names:
                    raise unreadable(f"{self._place.name} has no such sheet.", f"It has: {', '.join(names)}.")
                return book.get_sheet_by_name(wanted)
            full = [sheet for name in names if (sheet := book.get_sheet_by_name(name)).height]
        except calamine.PasswordError:
            raise unreadable(f"{self._place.name} needs a password.", "Save it without one.") from None
        except (calamine.CalamineError, ValueError, OSError):
            raise unreadable(
                f"{self._place.name} is no workbook, or is damaged.", "Fetch it again."
            ) from None
        if len(full) > 1:
            raise unreadable(
                f"{self._place.name} has several sheets that hold something.",
                f"Name one by the option sheet: {', '.join(sheet.name for sheet in full)}.",
            )
        if not full:
            raise unreadable(f"{self._place.name} is empty.", "Check that the right file was named.")
        return full[0]

    def _check_expansion(self, file: Any) -> None:
        try:
            with zipfile.ZipFile(file) as archive:
                infos = archive.infolist()
        except (zipfile.BadZipFile, OSError, ValueError):
            file.seek(0)
            return
        total = sum(info.file_size for info in infos)
        stored = self._place.size or sum(info.compress_size for info in infos)
        if total > ALWAYS_ALLOWED and total > stored * self._options.expansion:
            raise expands(self._place.name, self._options.expansion)
        file.seek(0)


def _extent(lines: Sequence[Sequence[str]]) -> tuple[int, int]:
    """First column of a header that is not empty, and the one after its last."""
    used = [place for line in lines for place, cell in enumerate(line) if cell.strip()]
    return (min(used), max(used) + 1) if used else (0, 0)


def _area(text: str) -> _Area:
    if not text:
        return _Area()
    found = _RANGE.fullmatch(text.upper())
    if not found:
        raise wrong(f"The option range cannot be {text!r}.", "Write it as B3:F200, or B3:F to the last row.")
    left, top, right, bottom = found.groups()
    area = _Area(int(top) - 1, int(bottom) if bottom else None, _column(left), _column(right) + 1)
    if area.first_column >= (area.end_column or 0) or (bottom and int(bottom) < int(top)):
        raise wrong(f"The option range {text!r} holds no cell.", "The first cell is the upper left one.")
    return area


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value.total_seconds())
    return str(value)
