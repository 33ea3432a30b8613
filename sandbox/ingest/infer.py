"""Suggest the `columns:` block of a policy from the head of a source. The steward confirms it.

Only types are suggested, and every column is `use: hidden`: no bound, key or null rate is copied from
the data. A suggestion may be wrong for some rows; then the load quarantines them, and its plan says so.

Rules
- A type is what nearly all cells of the head have: no single row decides. How many decimals are
  suggested is one of a few steps, never the most that were seen.
- But one leading zero makes a column a text: as numbers its codes would lose them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute
import yaml

from sandbox.ingest.cast import cast
from sandbox.ingest.source import RawBatch, Source
from sandbox.policy.types import ColumnPolicy, Kind

# pyarrow's stubs give the results of compute functions wrong types.
pc: Any = pyarrow.compute

SAMPLE_ROWS = 20_000

_MOST_DECIMALS = 9
_STEPS = (2, 4, 6, _MOST_DECIMALS)
_NEARLY_ALL = 0.95
_ALL_BUT_FEW = 0.99
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
_DAYS = (ColumnPolicy(type=Kind.DATE), ColumnPolicy(type=Kind.TIMESTAMP))
_INTEGER = ColumnPolicy(type=Kind.INTEGER)
_DOUBLE = ColumnPolicy(type=Kind.DOUBLE)


@dataclass(frozen=True, slots=True)
class _Texts:
    """The distinct trimmed texts of a column, none empty, and how many cells have each."""

    texts: Any
    counts: npt.NDArray[np.int64]

    def share(self, chosen: Any) -> float:
        """Share of the cells whose text is chosen, by an array of booleans."""
        total = int(self.counts.sum())
        return float(self.counts[np.asarray(chosen, bool)].sum()) / total if total else 0.0

    def fitting(self, column: ColumnPolicy) -> float:
        """Share of the cells that are values of the column."""
        return self.share(self._fits(column))

    def only(self, column: ColumnPolicy) -> _Texts:
        """The texts that are values of the column."""
        fits = self._fits(column)
        return _Texts(self.texts.filter(pa.array(fits)), self.counts[fits])

    def _fits(self, column: ColumnPolicy) -> npt.NDArray[np.bool_]:
        wrong = cast(self.texts, column).wrong
        return np.ones(len(self.texts), bool) if wrong is None else ~np.asarray(wrong, bool)


def infer(source: Source, sample_rows: int = SAMPLE_ROWS) -> Mapping[str, ColumnPolicy]:
    """A column of the policy for each column of the source, by its first rows.

    Raises:
        SandboxError: SOURCE_UNREADABLE.

    """
    rows = sample(source, sample_rows)
    return {name: suggest(rows.column(name).combine_chunks()) for name in source.columns()}


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


def suggest(values: Any) -> ColumnPolicy:
    """A column of the policy for an Arrow array of values."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if not pa.types.is_string(values.type):
        return _of_type(values.type)
    counts = pc.value_counts(pc.utf8_trim_whitespace(values.drop_null()))
    counts = counts.filter(pc.not_equal(counts.field(0), ""))
    texts = _Texts(counts.field(0), np.asarray(counts.field(1)))
    if not len(texts.texts) or any(map(_LEADING_ZERO.match, texts.texts.to_pylist())):
        return ColumnPolicy(type=Kind.TEXT)
    if texts.share(pc.is_in(pc.utf8_lower(texts.texts), pa.array(["true", "false"]))) >= _NEARLY_ALL:
        return ColumnPolicy(type=Kind.BOOLEAN)
    if texts.fitting(_DOUBLE) >= _NEARLY_ALL:
        return _number(texts)
    return next(
        (day for day in _DAYS if texts.fitting(day) >= _NEARLY_ALL),
        ColumnPolicy(type=Kind.TEXT),
    )


def _of_type(kind: pa.DataType) -> ColumnPolicy:
    if pa.types.is_decimal(kind):
        decimals = min(max(kind.scale, 0), _MOST_DECIMALS)
        return ColumnPolicy(type=Kind.DECIMAL, digits=min(max(kind.precision, 1), _DIGITS), decimals=decimals)
    for is_kind, found in _TYPED:
        if is_kind(kind):
            return ColumnPolicy(type=found)
    return ColumnPolicy(type=Kind.TEXT)


def _number(texts: _Texts) -> ColumnPolicy:
    """An integer or decimal if nearly all cells are plainly written and short enough for exact sums."""
    numbers = texts.only(_DOUBLE)
    if numbers.fitting(_INTEGER) >= _ALL_BUT_FEW:
        return _INTEGER
    plain = pc.match_substring_regex(numbers.texts, r"^[+-]?[0-9]*\.?[0-9]*$")
    if numbers.share(plain) < _ALL_BUT_FEW:
        return _DOUBLE
    for decimals in _STEPS:
        short = rf"^[+-]?[0-9]{{0,{_DIGITS - decimals}}}(\.[0-9]{{0,{decimals}}})?$"
        if numbers.share(pc.match_substring_regex(numbers.texts, short)) >= _ALL_BUT_FEW:
            return ColumnPolicy(type=Kind.DECIMAL, digits=_DIGITS, decimals=decimals)
    return _DOUBLE
