"""Fixed-width files: fields of so many bytes (or characters) each, one record a line.

In GB18030, Big5 and CP932 a character takes one or two bytes, and files from banks and customs count bytes:
so bytes are the default. A line that is shorter or longer than its fields is a bad record, but for spaces at
its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice

import numpy as np
import pyarrow as pa

from connectors.file_options import FileOptions
from connectors.header import column_names, places_of, without_footer
from connectors.opening import unreadable
from connectors.options import wrong
from connectors.places import Place
from connectors.text_lines import Lines, lines_of
from sandbox.ingest.source import RAW_CHARACTERS, BadRecord, RawBatch

_WIDE_UNITS = frozenset({"utf-16", "utf-16-le", "utf-16-be", "utf-32"})


class FixedWidthFile:
    """One fixed-width file."""

    def __init__(self, place: Place, options: FileOptions) -> None:
        if not options.widths:
            raise wrong("Format fixed needs the option widths.", "The width of every field, as in: 6, 20, 8.")
        if options.widths_in == "bytes" and options.encoding in _WIDE_UNITS:
            raise wrong(
                f"Widths in bytes have no meaning in {options.encoding}.", "Say widths_in: characters."
            )
        self._place = place
        self._options = options
        self._encoding = options.encoding or "utf-8"

    def columns(self) -> tuple[str, ...]:
        """Names of the columns: the option `names`, the header cut like every line, or `column_N`.

        Raises:
            SandboxError: SOURCE_UNREADABLE.

        """
        with self._lines() as lines:
            header = [next(lines.rest, b"") for _ in range(self._before())][self._options.skip_lines :]
        if any(not line.strip() for line in header):
            raise unreadable(f"{self._place.name} is empty.", "Check that the right file was named.")
        cut = [self._cut(line) or [] for line in header]
        return column_names(self._place.name, cut, len(self._options.widths), self._options)

    def batches(self, columns: Sequence[str]) -> Iterator[RawBatch]:
        """Its records as text columns, spaces around them removed.

        Raises:
            SandboxError: SOURCE_UNREADABLE.

        """
        yield from without_footer(self._batches(columns), self._options.footer_lines)

    def _batches(self, columns: Sequence[str]) -> Iterator[RawBatch]:
        places = places_of(self._place.name, self.columns(), columns)
        with self._lines() as lines:
            number = sum(1 for _ in islice(lines.rest, self._before()))
            for block in lines.blocks():
                yield lines.sound(self._batch(block, number, places, columns, lines.bytes_done))
                number += len(block)

    def _batch(
        self, block: list[bytes], before: int, places: list[int], columns: Sequence[str], bytes_done: int
    ) -> RawBatch:
        nulls = frozenset(self._options.nulls)
        rows: list[list[str]] = []
        records: list[int] = []
        bad: list[BadRecord] = []
        for number, line in enumerate(block, before + 1):
            if not line.strip():
                continue
            cells = self._cut(line)
            if cells is None:
                raw = line.decode("utf-8", "backslashreplace").rstrip("\r\n")[:RAW_CHARACTERS]
                reason = f"not as long as its {len(self._options.widths)} fields"
                bad.append(BadRecord(self._place.name, number, "", reason, raw))
                continue
            rows.append(cells)
            records.append(number)
        arrays = [
            pa.array([None if row[place] in nulls else row[place] for row in rows], pa.string())
            for place in places
        ]
        made = pa.RecordBatch.from_arrays(arrays, names=list(columns))
        return RawBatch(made, np.array(records, np.int64), self._place.name, bytes_done, tuple(bad))

    def _cut(self, line: bytes) -> list[str] | None:
        """The fields of a line (UTF-8), or None if it does not have their length."""
        text = line.decode("utf-8").rstrip("\r\n")
        # Marks of wrong bytes have another length than the bytes; such a line is set aside as a whole.
        whole: str | bytes = text
        if self._options.widths_in == "bytes":
            whole = text.encode(self._encoding, "replace")
        cells = []
        start = 0
        for width in self._options.widths:
            piece = whole[start : start + width]
            start += width
            cells.append(piece if isinstance(piece, str) else piece.decode(self._encoding, "replace"))
        if whole[start:].strip() or len(whole) < start - self._options.widths[-1] + 1:
            return None
        if (
            any("\N{REPLACEMENT CHARACTER}" in cell for cell in cells)
            and "\N{REPLACEMENT CHARACTER}" not in text
        ):
            return None
        return [cell.strip() for cell in cells]

    def _before(self) -> int:
        return self._options.skip_lines + self._options.header_lines

    def _lines(self) -> AbstractContextManager[Lines]:
        return lines_of(self._place, self._options, "Check that the file is one of fixed width")
