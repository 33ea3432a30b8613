"""CSV and TSV files as streams of text columns.

Everything is read as text: what a cell means is decided later, by the policy's types, so that one bad
cell costs one record and not the file. A record with too few or too many cells is a `BadRecord` with
its own text. A record longer than the option `longest_record` (or a quote that never closes) cannot be
told from the rest of the file and makes it unreadable.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from connectors.decoding import Utf8Stream
from connectors.file_options import FileOptions, format_of
from connectors.header import column_names, places_of, without_footer
from connectors.opening import FileBytes, unreadable
from connectors.places import Place
from connectors.wrong_text import without_wrong_text
from sandbox.ingest.source import RAW_CHARACTERS, BadRecord, RawBatch


@dataclass(frozen=True, slots=True)
class _Opened:
    lines: io.BufferedReader[Utf8Stream]
    text: Utf8Stream
    file: FileBytes


@dataclass(slots=True)
class _Ragged:
    """Records with a wrong number of cells, as Arrow's parser meets them."""

    part: str
    lines_before: int
    waiting: deque[BadRecord] = field(default_factory=deque)

    def __call__(self, row: arrow_csv.InvalidRow) -> Literal["skip", "error"]:
        reason = f"{row.expected_columns} cells expected, {row.actual_columns} found"
        number = self.lines_before + (row.number or 0)
        self.waiting.append(BadRecord(self.part, number, "", reason, row.text[:RAW_CHARACTERS]))
        return "skip"

    def numbered(self, rows: pa.RecordBatch, first: int, bytes_done: int) -> RawBatch:
        """The next rows with their numbers, the first free one being `first`, and the bad ones between."""
        between: list[BadRecord] = []
        while self.waiting and self.waiting[0].record <= first + rows.num_rows + len(between):
            between.append(self.waiting.popleft())
        numbers = np.arange(first, first + rows.num_rows + len(between), dtype=np.int64)
        numbers = np.delete(numbers, [bad.record - first for bad in between])
        return RawBatch(rows, numbers, self.part, bytes_done, tuple(between))


class DelimitedFile:
    """One CSV or TSV file."""

    def __init__(self, place: Place, options: FileOptions) -> None:
        self._place = place
        self._options = options
        self._delimiter = options.delimiter or ("\t" if format_of(place.name, options) == "tsv" else ",")

    def columns(self) -> tuple[str, ...]:
        """Names of the columns, by the header; see `header.column_names`.

        Raises:
            SandboxError: SOURCE_UNREADABLE.

        """
        with self._open() as opened:
            self._skip(opened)
            lines, _ = self._header(opened)
            first = lines or [self._record(opened)[0]]
        return column_names(self._place.name, lines, len(first[0]), self._options)

    def batches(self, columns: Sequence[str]) -> Iterator[RawBatch]:
        """Its records as text columns; `bytes_done` counts this file only.

        Raises:
            SandboxError: SOURCE_UNREADABLE.

        """
        yield from without_footer(self._batches(columns), self._options.footer_lines)

    def _batches(self, columns: Sequence[str]) -> Iterator[RawBatch]:
        names = self.columns()
        places_of(self._place.name, names, columns)
        with self._open() as opened:
            lines_before = self._skip(opened) + self._header(opened)[1]
            ragged = _Ragged(self._place.name, lines_before)
            first = lines_before + 1
            for rows in self._parsed(opened, names, columns, ragged):
                batch = ragged.numbered(rows, first, opened.file.consumed)
                first += len(batch.records) + len(batch.bad)
                yield without_wrong_text(batch) if opened.text.marked or opened.text.nul else batch

    @contextmanager
    def _open(self) -> Iterator[_Opened]:
        file = FileBytes(self._place, self._options.expansion)
        with file, Utf8Stream(file, self._place.name, self._options) as text:
            yield _Opened(io.BufferedReader(text, 1 << 20), text, file)

    def _skip(self, opened: _Opened) -> int:
        for _ in range(self._options.skip_lines):
            self._line(opened)
        return self._options.skip_lines

    def _line(self, opened: _Opened) -> str:
        line = opened.lines.readline(self._options.longest_record + 1)
        if len(line) > self._options.longest_record:
            raise self._too_long("before the first record ends")
        return line.decode("utf-8")

    def _header(self, opened: _Opened) -> tuple[list[list[str]], int]:
        """The header's records, and the lines they took."""
        records = [self._record(opened) for _ in range(self._options.header_lines)]
        return [cells for cells, _ in records], sum(lines for _, lines in records)

    def _record(self, opened: _Opened) -> tuple[list[str], int]:
        """Cells of the next record that is not blank, and the lines it took, blank ones included."""
        reader = csv.reader(
            iter(lambda: self._line(opened), ""),
            delimiter=self._delimiter,
            quotechar=self._options.quote or None,
            quoting=csv.QUOTE_MINIMAL if self._options.quote else csv.QUOTE_NONE,
        )
        try:
            cells = next((cells for cells in reader if cells), [])
        except csv.Error:
            raise self._unreadable("has a header that cannot be read", "Check delimiter and quote.") from None
        if not cells:
            raise self._unreadable("is empty", "Check that the right file was named.")
        return cells, reader.line_num

    def _parsed(
        self, opened: _Opened, names: Sequence[str], columns: Sequence[str], ragged: _Ragged
    ) -> Iterator[pa.RecordBatch]:
        none = pa.RecordBatch.from_pylist([], schema=pa.schema([(name, pa.string()) for name in columns]))
        if not opened.lines.peek(1).strip(b"\r\n") and not opened.lines.read().strip(b"\r\n"):
            yield none
            return
        try:
            yield from arrow_csv.open_csv(
                opened.lines,
                # One thread: only then does Arrow number the ragged records; measured no slower.
                read_options=arrow_csv.ReadOptions(
                    column_names=list(names), use_threads=False, block_size=self._options.longest_record
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=self._delimiter,
                    quote_char=self._options.quote or False,
                    newlines_in_values=True,
                    invalid_row_handler=ragged,
                ),
                convert_options=arrow_csv.ConvertOptions(
                    check_utf8=False,
                    column_types={name: pa.string() for name in columns},
                    include_columns=list(columns),
                    null_values=list(self._options.nulls),
                    strings_can_be_null=True,
                ),
            )
        except pa.ArrowInvalid as error:
            if "straddling" in str(error) or "block" in str(error):
                raise self._too_long("") from None
            raise self._unreadable("cannot be read as delimited text", "Check delimiter and quote.") from None
        yield none

    def _too_long(self, where: str) -> Exception:
        return self._unreadable(
            f"has a record longer than {self._options.longest_record} bytes {where}".rstrip(),
            "A quote that never closes looks like this too. Check the option quote, or raise longest_record.",
        )

    def _unreadable(self, what: str, hint: str) -> Exception:
        return unreadable(f"{self._place.name} {what}.", hint)
