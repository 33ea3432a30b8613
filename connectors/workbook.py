"""Workbooks (xls, xlsx, xlsb, ods) by calamine: one sheet, or a range of it, as text columns.

Rules
- Without the option `sheet` the only sheet that holds anything is read; if several do, one must be named.
- Rows are numbered as in the workbook; rows without any value are passed over, as blank lines are.
- A whole number loses its `.0`, a date or time is written as ISO 8601; a cell that shows an error is null.
- A sheet is held in memory, in a process of its own that may have so much and no more; an archive that
  expands too far is refused.
"""

from __future__ import annotations

import json
import re
import sys
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain, islice
from subprocess import DEVNULL, PIPE, Popen
from typing import Any

import numpy as np
import pyarrow as pa
import python_calamine  # noqa: F401  # said to be missing before a process is started

from connectors.file_options import FileOptions
from connectors.header import column_names, places_of, without_footer
from connectors.opening import ALWAYS_ALLOWED, expands, unreadable
from connectors.options import wrong
from connectors.places import Place
from sandbox.ingest.source import BadRecord, RawBatch

MOST_BYTES = 256 << 20
"""Of a workbook's file."""

_BATCH = 8192
_RANGE = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6}):([A-Z]{1,3})([1-9][0-9]{0,6})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Area:
    """Rows and columns from 0; ends are exclusive, None means to the end."""

    first_row: int = 0
    end_row: int | None = None
    first_column: int = 0
    end_column: int | None = None


@dataclass(frozen=True, slots=True)
class _Sheet:
    total: int
    rows: Iterator[tuple[int, list[str]]]


@dataclass(frozen=True, slots=True)
class _Head:
    """Names of the columns, the first of them (from 0), and the rows below."""

    names: tuple[str, ...]
    start: int
    rows: Iterator[tuple[int, list[str]]]


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
        with self._opened() as sheet:
            return self._head(sheet).names

    def batches(self, columns: Sequence[str]) -> Iterator[RawBatch]:
        """Its rows as text columns.

        Raises:
            SandboxError: SOURCE_UNREADABLE, ARGUMENT.

        """
        yield from without_footer(self._batches(columns), self._options.footer_lines)

    def _head(self, sheet: _Sheet) -> _Head:
        header = list(islice(sheet.rows, self._options.header_lines))
        lines = [cells for _, cells in header]
        start, width = _extent(lines)
        first = [] if lines else list(islice(sheet.rows, 1))
        width = width or max((len(cells) for _, cells in first), default=0)
        if not width:
            raise unreadable(f"{self._place.name} is empty.", "Check sheet, range and skip_lines.")
        names = column_names(self._place.name, [line[start:width] for line in lines], width, self._options)
        return _Head(names, start, chain(first, sheet.rows))

    def _batches(self, columns: Sequence[str]) -> Iterator[RawBatch]:
        nulls = frozenset(self._options.nulls)
        size = self._place.size or 0
        with self._opened() as sheet:
            head = self._head(sheet)
            places = [head.start + at for at in places_of(self._place.name, head.names, columns)]
            end = head.start + len(head.names)
            while block := list(islice(head.rows, _BATCH)):
                bad = tuple(
                    BadRecord(self._place.name, number, "", "cells beyond the last column", "\t".join(cells))
                    for number, cells in block
                    if any(cells[end:]) or any(cells[: head.start])
                )
                wide = {one.record for one in bad}
                kept = [(number, cells) for number, cells in block if number not in wide]
                arrays = [
                    pa.array([_cell(cells, at, nulls) for _, cells in kept], pa.string()) for at in places
                ]
                made = pa.RecordBatch.from_arrays(arrays, names=list(columns))
                records = np.array([number for number, _ in kept], np.int64)
                done = min(size, size * block[-1][0] // max(1, sheet.total))
                yield RawBatch(made, records, self._place.name, done, bad)

    @contextmanager
    def _opened(self) -> Iterator[_Sheet]:
        if (self._place.length or 0) > MOST_BYTES:
            raise self._too_many_bytes()
        with self._place.random() as file:
            self._check_expansion(file)
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise self._too_many_bytes()
        command = [sys.executable, "-I", "-m", "connectors.sheet_process", self._options.sheet]
        with Popen(  # noqa: S603  # our own program; the sheet's name is data to it
            command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={"LC_ALL": "C.UTF-8"}
        ) as process:
            try:
                yield self._sheet(process, content)
            finally:
                process.kill()

    def _sheet(self, process: Popen[bytes], content: bytes) -> _Sheet:
        if process.stdin is None or process.stdout is None:
            raise self._too_large()
        with suppress(BrokenPipeError):
            process.stdin.write(content)
            process.stdin.close()
        line = process.stdout.readline()
        if not line:
            raise self._too_large()
        found = json.loads(line)
        self._check(found)
        area = self._area
        first = max(area.first_row, self._skipped()) + 1
        return _Sheet(found["rows"], self._rows(process, first, area))

    def _rows(self, process: Popen[bytes], first: int, area: _Area) -> Iterator[tuple[int, list[str]]]:
        """Rows of the area that hold anything, with their numbers, the skipped ones left away."""
        for line in process.stdout or ():
            number, row = json.loads(line)
            if area.end_row is not None and number > area.end_row:
                return
            cells = row[area.first_column : area.end_column]
            if number >= first and any(cells):
                yield number, cells
        if process.wait():
            raise self._too_large()

    def _check(self, found: Mapping[str, Any]) -> None:
        name = self._place.name
        match found.get("problem"):
            case "password":
                raise unreadable(f"{name} needs a password.", "Save it without one.")
            case "damaged":
                raise unreadable(f"{name} is no workbook, or is damaged.", "Fetch it again.")
            case "no such sheet":
                raise unreadable(f"{name} has no such sheet.", f"It has: {', '.join(found['sheets'])}.")
        if not found["sheets"]:
            raise unreadable(f"{name} is empty.", "Check that the right file and sheet were named.")
        if len(found["sheets"]) > 1:
            raise unreadable(
                f"{name} has several sheets that hold something.",
                f"Name one by the option sheet: {', '.join(found['sheets'])}.",
            )

    def _too_large(self) -> Exception:
        return unreadable(
            f"{self._place.name} needs more memory than a workbook may have.",
            "A stray cell far from the others makes a sheet large: remove it, or save the sheet as CSV.",
        )

    def _too_many_bytes(self) -> Exception:
        return unreadable(
            f"{self._place.name} is larger than {MOST_BYTES >> 20} MiB, and a workbook is held in memory.",
            "Save the sheet as CSV.",
        )

    def _skipped(self) -> int:
        return self._area.first_row + self._options.skip_lines

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


def _cell(cells: Sequence[str], place: int, nulls: Collection[str]) -> str | None:
    cell = cells[place] if place < len(cells) else ""
    return None if cell in nulls else cell
