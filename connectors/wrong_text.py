"""Set aside records whose text is not what was declared: wrong bytes, or NUL characters."""

from __future__ import annotations

from dataclasses import replace

import pyarrow.compute as pc

from connectors.decoding import MARK
from sandbox.ingest.source import RawBatch, set_aside

_RULES = ((MARK, "bytes that the declared encoding does not allow"), ("\0", "NUL character"))


def without_wrong_text(batch: RawBatch) -> RawBatch:
    """The batch with the records whose text is not sound turned into bad ones, by column."""
    for name in batch.rows.schema.names:
        for sign, reason in _RULES:
            found = pc.match_substring(batch.rows.column(name), sign).fill_null(False)
            wrong = found.to_numpy(zero_copy_only=False)
            if wrong.any():
                batch = set_aside(batch, wrong, name, reason)
    return replace(batch, bad=tuple(replace(bad, raw=bad.raw.replace(MARK, "")) for bad in batch.bad))
