"""Names of columns from the lines of a header; records after the last row left away."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from connectors.decoding import MARK
from connectors.file_options import FileOptions
from connectors.opening import unreadable
from sandbox.ingest.source import RawBatch

_PAGES = ("<!doctype", "<html", "<?xml")


def column_names(
    file: str, lines: Sequence[Sequence[str]], cells: int, options: FileOptions
) -> tuple[str, ...]:
    """Names of the columns, trimmed; an empty one becomes `(column N)`, without a header `column_N`.

    Of several lines the cells one below the other are joined by a space, where a cell of an upper line that
    is empty counts as the one left of it: so merged titles name every column below them.

    Args:
        file: name of the file, for errors.
        lines: the header's lines, `options.header_lines` of them.
        cells: how many columns there are if there is no header.
        options: of the file.

    Raises:
        SandboxError: SOURCE_UNREADABLE for a name that is used twice or is no text, and for a page.

    """
    if not lines and options.names:
        names = options.names
    elif not lines:
        names = tuple(f"column_{place}" for place in range(1, cells + 1))
    else:
        if options.header_names == "joined":
            joined = _joined(lines)
        else:
            joined = list(lines[0 if options.header_names == "first" else -1])
        names = tuple(name.strip() or f"(column {place})" for place, name in enumerate(joined, 1))
    if options.names and lines:
        if len(options.names) != len(names):
            raise unreadable(
                f"{file} has {len(names)} columns, and the option names gives {len(options.names)}.",
                "Name every column, or leave the option out.",
            )
        names = options.names
    if any("\0" in name or MARK in name for name in names):
        raise unreadable(f"{file} has a header that is not text.", "Declare its encoding (perhaps utf-16).")
    if names and names[0].lower().startswith(_PAGES):
        raise unreadable(
            f"{file} is a page of HTML or XML, not a table.",
            "A server may show one where it wants a login, or has another format: open the address and look.",
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise unreadable(
            f"{file} names a column twice: {', '.join(twice)}.",
            "Rename one of them, or use the option names; if there is no header, say header: false.",
        )
    return names


def _joined(lines: Sequence[Sequence[str]]) -> list[str]:
    width = max(len(line) for line in lines)
    rows = [[*(cell.strip() for cell in line), *[""] * (width - len(line))] for line in lines]
    for row in rows[:-1]:
        for place in range(1, width):
            row[place] = row[place] or row[place - 1]
    if len(lines) == 1:
        return rows[0]
    return [" ".join(dict.fromkeys(filter(None, cells))) for cells in zip(*rows, strict=True)]


def places_of(file: str, names: Sequence[str], columns: Sequence[str]) -> list[int]:
    """Where the wanted columns are among the names that a file has now.

    Raises:
        SandboxError: SOURCE_UNREADABLE when one is not there any more.

    """
    if missing := [name for name in columns if name not in names]:
        raise unreadable(
            f"{file} changed while it was read: it lacks {', '.join(missing)} now.", "Load it again."
        )
    return [names.index(name) for name in columns]


def without_footer(batches: Iterable[RawBatch], lines: int) -> Iterator[RawBatch]:
    """The batches of one part without its last `lines` records, good or bad."""
    if not lines:
        yield from batches
        return
    held: deque[RawBatch] = deque()
    count = 0
    for batch in batches:
        held.append(batch)
        count += _records(batch)
        while count - _records(held[0]) >= lines:
            count -= _records(held[0])
            yield held.popleft()
    numbers = sorted(
        n for batch in held for n in (*batch.records.tolist(), *(bad.record for bad in batch.bad))
    )
    end = numbers[-lines] if len(numbers) >= lines else 0
    for batch in held:
        kept = batch.records < end
        yield replace(
            batch,
            rows=batch.rows.filter(pa.array(kept)),
            records=np.asarray(batch.records[kept]),
            bad=tuple(bad for bad in batch.bad if bad.record < end),
        )


def _records(batch: RawBatch) -> int:
    return len(batch.records) + len(batch.bad)
