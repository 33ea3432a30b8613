"""Suggest the `columns:` block of a policy from the head of a source. The steward confirms it.

Only types are suggested, and every column is `use: hidden`: no bound, key or null rate is copied from
the data. A suggestion may be wrong further down; then the load quarantines what does not fit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

from sandbox.ingest.cast import cast
from sandbox.ingest.source import RawBatch, Source
from sandbox.policy.types import ColumnPolicy, Kind

SAMPLE_ROWS = 20_000

_MOST_DECIMALS = 9
_DIGITS = 18
# Identifiers and codes are often digits with leading zeros; as numbers they would lose them.
_LEADING_ZERO = re.compile(r"[+-]?0[0-9]")
_TYPED: tuple[tuple[Any, Kind], ...] = (
    (pa.types.is_boolean, Kind.BOOLEAN),
    (pa.types.is_integer, Kind.INTEGER),
    (pa.types.is_floating, Kind.DOUBLE),
    (pa.types.is_date, Kind.DATE),
    (pa.types.is_timestamp, Kind.TIMESTAMP),
)
_CANDIDATES = (
    ColumnPolicy(type=Kind.INTEGER),
    ColumnPolicy(type=Kind.DATE),
    ColumnPolicy(type=Kind.TIMESTAMP),
    ColumnPolicy(type=Kind.DOUBLE),
)


def infer(source: Source, sample_rows: int = SAMPLE_ROWS) -> Mapping[str, ColumnPolicy]:
    """A column of the policy for each column of the source, by its first rows.

    Raises:
        SandboxError: SOURCE_UNREADABLE.

    """
    rows = sample(source, sample_rows)
    return {name: _suggest(rows.column(name).combine_chunks()) for name in source.columns()}


def sample(source: Source, sample_rows: int = SAMPLE_ROWS) -> pa.Table:
    """The first rows of a source, every column; text columns without rows if it has none.

    Raises:
        SandboxError: SOURCE_UNREADABLE.

    """
    batches = [batch.rows for batch in _head(source, sample_rows)]
    if not batches:
        return pa.table({name: pa.array([], pa.string()) for name in source.columns()})
    return pa.Table.from_batches(batches)


def columns_block(columns: Mapping[str, ColumnPolicy]) -> str:
    """The columns as YAML text, ready to be put under a table of a policy."""
    lines = ["columns:"]
    for name, column in columns.items():
        block: dict[str, object] = {"type": column.type.value}
        if column.type is Kind.DECIMAL:
            block |= {"digits": column.digits, "decimals": column.decimals}
        block["use"] = column.use.name.lower()
        flow = yaml.safe_dump(
            {name: block}, default_flow_style=True, allow_unicode=True, sort_keys=False, width=10_000
        )
        lines.append("  " + flow.strip()[1:-1])
    return "\n".join(lines) + "\n"


def _head(source: Source, rows: int) -> Iterator[RawBatch]:
    seen = 0
    for batch in source.batches():
        yield batch
        seen += batch.rows.num_rows
        if seen >= rows:
            return


def _suggest(values: Any) -> ColumnPolicy:
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if not pa.types.is_string(values.type):
        return _of_type(values.type)
    texts = [text.strip() for text in values.drop_null().unique().to_pylist()]
    texts = [text for text in texts if text]
    if not texts or any(_LEADING_ZERO.match(text) for text in texts):
        return ColumnPolicy(type=Kind.TEXT)
    if {text.lower() for text in texts} <= {"true", "false"}:
        return ColumnPolicy(type=Kind.BOOLEAN)
    distinct = pa.array(texts, pa.string())
    for candidate in _CANDIDATES:
        wrong = cast(distinct, candidate).wrong
        if wrong is None or not np.any(wrong):
            return _number(texts) if candidate.type is Kind.DOUBLE else candidate
    return ColumnPolicy(type=Kind.TEXT)


def _of_type(kind: pa.DataType) -> ColumnPolicy:
    if pa.types.is_decimal(kind):
        decimals = min(max(kind.scale, 0), _MOST_DECIMALS)
        return ColumnPolicy(type=Kind.DECIMAL, digits=min(max(kind.precision, 1), _DIGITS), decimals=decimals)
    for is_kind, found in _TYPED:
        if is_kind(kind):
            return ColumnPolicy(type=found)
    return ColumnPolicy(type=Kind.TEXT)


def _number(texts: list[str]) -> ColumnPolicy:
    """A decimal if all numbers are plainly written and short enough for exact sums, else a double."""
    whole = decimals = 0
    for text in texts:
        before, _, after = text.lstrip("+-").partition(".")
        if not (before + after).isdigit():
            return ColumnPolicy(type=Kind.DOUBLE)
        whole, decimals = max(whole, len(before)), max(decimals, len(after))
    if decimals > _MOST_DECIMALS or whole + decimals > _DIGITS:
        return ColumnPolicy(type=Kind.DOUBLE)
    return ColumnPolicy(type=Kind.DECIMAL, digits=_DIGITS, decimals=decimals)
