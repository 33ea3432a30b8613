"""Say of each column of a source what it seems to hold, with the evidence. A steward confirms it.

Rules
- Everything here is a suggestion. What no policy confirms stays hidden.
- Evidence tells of the data (shares of values, how many are unique): it is for the eyes of the operator and
  the steward, and is kept nowhere.
- The first kind that fits wins, in the order of how strong its evidence is; identifiers and
  quasi-identifiers, which fit by name or by uniqueness, come last.
- Days that lie decades apart may be days of birth, of foundings, of contracts: values alone cannot tell.
  They are a kind of their own that asks the steward, and claims nothing.
- Everything is decided by shares of the values, so that one row more or less changes nothing but at the edge.
- Grades follow GB/T 43697: sensitive personal information is general data of level 4 at least, other
  personal information of level 2. Whether data are *important* or *core* depends on catalogues of the
  sector and on volume, which no column can tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute

from sandbox.ingest.header_words import kinds_named
from sandbox.ingest.infer import SAMPLE_ROWS, sample
from sandbox.ingest.sensitive import (
    LOOKS,
    Sensitive,
    is_coordinate_pair,
    is_latin_name,
    is_local_number,
    year_of_day,
)
from sandbox.ingest.source import Source

# pyarrow's stubs give the results of compute functions wrong types.
pc: Any = pyarrow.compute

MOST_VALUES = 2000
_UNIQUE = 0.98
_RARE = 0.2
_SPREAD = 0.02
_MEASURED = re.compile(r"-?[0-9]*\.[0-9]*[1-9][0-9]*([eE].*)?")
_FEWEST = 20
_DAYS = 0.9
_DECADES = 20

_LEVEL: Mapping[Sensitive, int] = {
    Sensitive.RESIDENT_ID: 4,
    Sensitive.PASSPORT: 4,
    Sensitive.BANK_CARD: 4,
    Sensitive.GPS: 4,
    Sensitive.USCC: 1,
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a column is taken for what it is. True shares: for operator and steward only.

    Attributes:
        by_name: whether the column's name says so.
        fitting: share of the sampled distinct values that look like it.
        unique: share of the sampled rows whose value occurs once.

    """

    by_name: bool
    fitting: float
    unique: float

    def __str__(self) -> str:
        name = "its name says so; " if self.by_name else ""
        return f"{name}{self.fitting:.0%} of its values look like it; {self.unique:.0%} of them occur once"


@dataclass(frozen=True, slots=True)
class Classified:
    """One column. `kind` is None where nothing speaks against it. `level`: GB/T 43697, 1 to 4, at least."""

    column: str
    kind: Sensitive | None
    evidence: Evidence

    @property
    def level(self) -> int:
        """The least level of general data (一般数据) that is suggested."""
        return 1 if self.kind is None else _LEVEL.get(self.kind, 2)


def classify(source: Source, sample_rows: int = SAMPLE_ROWS) -> tuple[Classified, ...]:
    """Every column of a source, in its order, by the first rows.

    Raises:
        SandboxError: SOURCE_UNREADABLE.

    """
    rows = sample(source, sample_rows)
    return tuple(classify_column(name, rows.column(name)) for name in source.columns())


def classify_column(name: str, values: Any) -> Classified:
    """One column, by its name and an Arrow array of values."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    named = kinds_named(name)
    typed = pa.types.is_floating(values.type) or pa.types.is_decimal(values.type)
    texts = _texts(values)
    counts = pc.value_counts(pc.drop_null(texts))
    distinct = [text for text in counts.field(0).to_pylist() if text]
    once = pc.sum(pc.equal(counts.field(1), 1)).as_py() or 0
    rows = len(texts) - texts.null_count
    unique = once / rows if rows else 0.0
    picked = distinct[:MOST_VALUES]
    for kind, fitting in (*_fitting(picked, named), *_decades(picked)):
        return Classified(name, kind, Evidence(kind in named, fitting, unique))
    # Quantities with decimals are nearly all different, and single nobody out.
    measured = typed or sum(map(bool, map(_MEASURED.fullmatch, picked))) * 2 > len(picked)
    kind_or_none = _by_uniqueness(named, measured, unique, len(distinct), rows)
    return Classified(name, kind_or_none, Evidence(bool(named), 0.0, unique))


def _fitting(values: list[str], named: tuple[Sensitive, ...]) -> Iterator[tuple[Sensitive, float]]:
    if not values:
        return
    for kind, look in LOOKS.items():
        share = sum(map(look.fits, values)) / len(values)
        if share >= look.alone or (kind in named and share >= look.with_header):
            yield kind, share
    for kind, fits, least in (
        (Sensitive.LANDLINE, is_local_number, 0.8),
        (Sensitive.PERSON_NAME, is_latin_name, 0.6),
    ):
        share = sum(map(fits, values)) / len(values)
        if kind in named and share >= least:
            yield kind, share
    share = sum(map(is_coordinate_pair, values)) / len(values)
    if share >= 0.8:
        yield Sensitive.GPS, share


def _decades(values: list[str]) -> Iterator[tuple[Sensitive, float]]:
    """Days of which a tenth lies at least `_DECADES` years before another tenth, and none to come."""
    years = sorted(filter(None, map(year_of_day, values)))
    share = len(years) / len(values) if values else 0.0
    if len(values) < _FEWEST or share < _DAYS:
        return
    tenth = len(years) // 10
    first, last = years[tenth], years[-1 - tenth]
    if last - first >= _DECADES and last <= datetime.now(UTC).year:
        yield Sensitive.DAYS_OF_DECADES, share


def _by_uniqueness(
    named: tuple[Sensitive, ...], measured: bool, unique: float, distinct: int, rows: int
) -> Sensitive | None:
    if measured:
        return None
    coded = Sensitive.IDENTIFIER in named and distinct > max(_FEWEST, _SPREAD * rows)
    if rows >= _FEWEST and (unique >= _UNIQUE or coded):
        return Sensitive.IDENTIFIER
    if Sensitive.QUASI_IDENTIFIER in named or (rows >= _FEWEST and unique >= _RARE):
        return Sensitive.QUASI_IDENTIFIER
    return None


def _texts(values: Any) -> Any:
    texts = values if pa.types.is_string(values.type) else pc.cast(values, pa.string(), safe=False)
    texts = pc.utf8_trim_whitespace(texts)
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)
