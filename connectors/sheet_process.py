"""Reads one sheet of a workbook in a process of its own, whose memory is limited.

A workbook of two cells, one in each corner of the largest sheet, makes its reader ask for half a terabyte;
the process that asks is this one, and it alone ends. The workbook comes in by standard input. Out go lines of
JSON: first what was found (`sheets` that hold anything, `rows`, or `problem`), then number and cells of every
row that holds anything.
"""

from __future__ import annotations

import io
import json
import resource
import sys
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

import python_calamine as calamine

MOST_MEMORY = 4 << 30
"""Bytes of address space, the program itself included."""


def main(wanted: str) -> None:
    """Read standard input, write standard output."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    for line in _lines(io.BytesIO(sys.stdin.buffer.read()), wanted):
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")


def _lines(file: io.BytesIO, wanted: str) -> Iterator[object]:
    try:
        book = calamine.CalamineWorkbook.from_filelike(file)
        names = book.sheet_names
        if wanted and wanted not in names and wanted.isdigit() and 0 < int(wanted) <= len(names):
            wanted = names[int(wanted) - 1]
        if wanted and wanted not in names:
            yield {"problem": "no such sheet", "sheets": names}
            return
        sheets = [book.get_sheet_by_name(name) for name in ([wanted] if wanted else names)]
    except calamine.PasswordError:
        yield {"problem": "password"}
        return
    except (calamine.CalamineError, ValueError, OSError):
        yield {"problem": "damaged"}
        return
    full = [sheet for sheet in sheets if sheet.height]
    yield {"sheets": [sheet.name for sheet in full], "rows": full[0].total_height if full else 0}
    if len(full) == 1:
        before = [""] * (full[0].start or (0, 0))[1]
        for number, row in enumerate(full[0].iter_rows(), 1):
            cells = [*before, *map(text, row)]
            if any(cells):
                yield [number, cells]


def text(value: Any) -> str:
    """A cell as text: whole numbers without `.0`, dates and times as ISO 8601."""
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


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
