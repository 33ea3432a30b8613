"""Ask about a header that is none before a policy is drafted from it: a title, say, that stands above it.

Nothing is guessed: what stands where the header should be names the columns, or a person says otherwise.
"""

from __future__ import annotations

import re

from sandbox.errors import ErrorCode, SandboxError
from sandbox.ingest.source import Source

_UNNAMED = re.compile(r"\(column [0-9]+\)")
_HEAD = 1000
_MOST_RAGGED = 0.5


def check_header(source: Source) -> None:
    """That the source's header names its columns, by its first records.

    Raises:
        SandboxError: SOURCE_UNREADABLE when it leaves half of them without a name, or when most of the first
            records are no rows under it, as they have another number of cells.

    """
    names = source.columns()
    unnamed = sum(map(bool, map(_UNNAMED.fullmatch, names)))
    if unnamed * 2 >= len(names) > 1:
        raise _asked(source, "leaves most of the columns without a name")
    records = ragged = 0
    for batch in source.batches():
        records += len(batch.records) + len(batch.bad)
        ragged += sum(1 for bad in batch.bad if not bad.column)
        if records >= _HEAD:
            break
    if ragged > _MOST_RAGGED * records:
        raise _asked(source, "does not fit most of the records below it")


def _asked(source: Source, what: str) -> SandboxError:
    return SandboxError(
        ErrorCode.SOURCE_UNREADABLE,
        f"The line that should be the header of {source.describe().name} {what}.",
        "A title above it? Say how many lines to skip by skip_lines, in a source file or with --skip-lines; "
        "without any header, header: false.",
    )
