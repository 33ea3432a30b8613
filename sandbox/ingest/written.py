"""Spellings that a source declares for a column, turned into the plain one before its cells are checked.

Rules
- Only texts change; a text that is not spelled as declared stays as it is, and so is set aside with its own
  text if the column's type does not take it.
- `thousands`: `9,500.00` is 9500.00; groups of three digits only.
- `decimal comma`: `9.500,00` is 9500.00; groups of three digits, set off by a point or a space.
- `roc date`: years of the Republic of China: `991126` is 2010-11-26, `1020830` is 2013-08-30; also
  `102/8/30`, `102.8.30` and `民國102年8月30日`.
- `excel date`: days since 1900 as workbooks count them, `43831` is 2020-01-01, a fraction is the time of day;
  `excel date 1904` for workbooks of old Macs. The day 60, which never was, stays.
- `month/day/year`, `day/month/year`: `6/7/10`, `06-07-2010`, `6.7.2010`; `day month year`: `02-Jun-06`.
  Two digits of a year are 1970 to 2069.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute

from sandbox.errors import ErrorCode, SandboxError
from sandbox.ingest.source import Incremental, RawBatch, Source, SourceDescription

Written: TypeAlias = Callable[[str], str]
"""The plain spelling of a trimmed text; the same text where it is not spelled as declared."""

# pyarrow's stubs give the results of compute functions wrong types.
pc: Any = pyarrow.compute

_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?", re.ASCII)
_COMMA = re.compile(r"([+-]?)([0-9]{1,3}(?:[. \u00a0\u202f][0-9]{3})+|[0-9]+)(?:,([0-9]+))?", re.ASCII)
_ROC = re.compile(r"([0-9]{2,3})([0-9]{2})([0-9]{2})", re.ASCII)
_ROC_PARTS = re.compile(
    r"(?:民國|民国)?([0-9]{1,3})(?:年|[-/.])([0-9]{1,2})(?:月|[-/.])([0-9]{1,2})日?", re.ASCII
)
_SERIAL = re.compile(r"[0-9]{1,7}(?:\.[0-9]{1,12})?", re.ASCII)
_NUMBERS = re.compile(r"([0-9]{1,2})([-/.])([0-9]{1,2})\2([0-9]{4}|[0-9]{2})", re.ASCII)
_NAMED = re.compile(r"([0-9]{1,2})[- /]([A-Za-z]{3})[a-z]*[- /]([0-9]{4}|[0-9]{2})", re.ASCII)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LAST_SERIAL = 2_958_465


def _thousands(text: str) -> str:
    return text.replace(",", "") if _THOUSANDS.fullmatch(text) else text


def _decimal_comma(text: str) -> str:
    found = _COMMA.fullmatch(text)
    if not found:
        return text
    sign, whole, part = found.groups()
    digits = re.sub(r"[^0-9]", "", whole)
    return f"{sign}{digits}.{part}" if part else f"{sign}{digits}"


def _roc_date(text: str) -> str:
    found = _ROC.fullmatch(text) or _ROC_PARTS.fullmatch(text)
    if not found:
        return text
    year, month, day = found.groups()
    return _day(text, int(year) + 1911 if int(year) else 0, int(month), int(day))


def _excel(text: str, *, since_1904: bool) -> str:
    if not _SERIAL.fullmatch(text) or float(text) >= _LAST_SERIAL + 1:
        return text
    days = int(float(text))
    if since_1904:
        start = date(1904, 1, 1)
    elif days in {0, 60}:
        return text
    else:
        start = date(1899, 12, 30) if days > 60 else date(1899, 12, 31)
    seconds = round((float(text) - days) * 86_400)
    try:
        moment = datetime.combine(start, datetime.min.time()) + timedelta(days=days, seconds=seconds)
    except OverflowError:
        return text
    return moment.date().isoformat() if "." not in text else moment.isoformat(" ")


def _numbered(text: str, *, month_first: bool) -> str:
    found = _NUMBERS.fullmatch(text)
    if not found:
        return text
    first, _, second, year = found.groups()
    month, day = (first, second) if month_first else (second, first)
    return _day(text, _full(year), int(month), int(day))


def _named(text: str) -> str:
    found = _NAMED.fullmatch(text)
    if not found or found[2].lower() not in _MONTHS:
        return text
    return _day(text, _full(found[3]), _MONTHS.index(found[2].lower()) + 1, int(found[1]))


def _full(year: str) -> int:
    return int(year) if len(year) == 4 else int(year) + (1900 if int(year) >= 70 else 2000)


def _day(text: str, year: int, month: int, day: int) -> str:
    try:
        return date(year, month, day).isoformat() if year else text
    except ValueError:
        return text


WRITTEN: Mapping[str, Written] = {
    "thousands": _thousands,
    "decimal comma": _decimal_comma,
    "roc date": _roc_date,
    "excel date": lambda text: _excel(text, since_1904=False),
    "excel date 1904": lambda text: _excel(text, since_1904=True),
    "month/day/year": lambda text: _numbered(text, month_first=True),
    "day/month/year": lambda text: _numbered(text, month_first=False),
    "day month year": _named,
}
"""Ways of writing, by the name that a source file gives them."""


class WrittenSource:
    """A source whose declared columns come in the plain spelling.

    Args:
        source: what it reads.
        written: how its columns are spelled.

    """

    def __init__(self, source: Source, written: Mapping[str, Written]) -> None:
        self._source = source
        self._written = dict(written)

    def describe(self) -> SourceDescription:
        """What is read."""
        return self._source.describe()

    @property
    def key(self) -> str:
        """Of the source below."""
        return self._source.key if isinstance(self._source, Incremental) else ""

    @property
    def watermark(self) -> str | None:
        """Of the source below, in its own spelling."""
        return self._source.watermark if isinstance(self._source, Incremental) else None

    def columns(self) -> tuple[str, ...]:
        """Names of the columns.

        Raises:
            SandboxError: SOURCE_UNREADABLE, also for a declared column that the source lacks.

        """
        names = self._source.columns()
        missing = [name for name in self._written if name not in names]
        if missing:
            raise SandboxError(
                ErrorCode.SOURCE_UNREADABLE,
                f"The source lacks columns that its source file describes: {', '.join(missing)}.",
                f"It has: {', '.join(names)}.",
            )
        return names

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[RawBatch]:
        """Its records.

        Raises:
            SandboxError: SOURCE_UNREADABLE.

        """
        self.columns()
        for batch in self._source.batches(columns):
            rows = batch.rows
            for place, name in enumerate(rows.schema.names):
                column = rows.column(place)
                if name in self._written and pa.types.is_string(column.type):
                    rows = rows.set_column(place, name, _plain(column, self._written[name]))
            yield replace(batch, rows=rows)


def _plain(column: Any, written: Written) -> Any:
    distinct = pc.dictionary_encode(column)
    texts = [None if text is None else _or_same(text, written) for text in distinct.dictionary.to_pylist()]
    return pa.array(texts, pa.string()).take(distinct.indices)


def _or_same(text: str, written: Written) -> str:
    trimmed = text.strip()
    plain = written(trimmed)
    return text if plain == trimmed else plain
