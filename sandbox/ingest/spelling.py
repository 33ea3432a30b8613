"""Texts to values, one at a time: what Arrow's own parsers leave over. Slow, strict, total.

Accepted besides the plain spelling:
- integer: a number whose value is whole (`5.0`, `1e3`, `+5`);
- decimal: more decimals than declared, rounded half to even;
- boolean: true/false, t/f, yes/no, y/n, 1/0, 是/否, in any case;
- date: `2023-1-5`, `2023/1/5`, `2023.1.5`, `20230105`, `2023年1月5日`, with a time only if it is midnight;
- timestamp: such a date, then `hh`, `hh:mm`, `hh:mm:ss`, fractions to the microsecond; an offset or `Z`
  brings it to UTC.
Never accepted: thousands separators, hexadecimal, NaN, infinity, digits of other scripts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation

from sandbox.policy.types import INT64, ColumnPolicy, Kind

Value = bool | int | float | Decimal | date | datetime

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_DATE = r"(?:(\d{4})([-/.])(\d{1,2})\2(\d{1,2})|(\d{4})(\d\d)(\d\d)|(\d{4})年(\d{1,2})月(\d{1,2})日)"
_TIME = r"(?:[T ](\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?\s?(Z|[+-]\d\d(?::?\d\d)?)?)?"
_TIMESTAMP = re.compile(_DATE + _TIME, re.ASCII)
_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
_TRUE = frozenset({"true", "t", "yes", "y", "1", "是"})
_FALSE = frozenset({"false", "f", "no", "n", "0", "否"})


def parser(column: ColumnPolicy) -> Callable[[str], Value | None]:
    """The function that turns a trimmed text into a value of the column, or None if it is not one."""
    match column.type:
        case Kind.INTEGER:
            return _integer
        case Kind.DECIMAL:
            return lambda text: _decimal(text, column.digits, column.decimals)
        case Kind.DOUBLE:
            return _double
        case Kind.BOOLEAN:
            return _boolean
        case Kind.DATE:
            return _date
        case Kind.TIMESTAMP:
            return _timestamp
        case Kind.TEXT:
            raise ValueError("every text is a text")


def exact_number(text: str) -> Decimal | None:
    """The number that a text spells, exactly, if it is below 10^38."""
    if not _NUMBER.fullmatch(text):
        return None
    number = Decimal(text)
    return number if number.adjusted() < 38 else None


def _integer(text: str) -> int | None:
    number = exact_number(text)
    if number is None or number.adjusted() > 18 or number != number.to_integral_value():
        return None
    return whole if -INT64 <= (whole := int(number)) < INT64 else None


def _decimal(text: str, digits: int, decimals: int) -> Decimal | None:
    number = exact_number(text)
    if number is None:
        return None
    try:
        rounded = number.quantize(Decimal(1).scaleb(-decimals), context=_EXACT)
    except InvalidOperation:
        return None
    return rounded if abs(rounded) < Decimal(1).scaleb(digits - decimals) else None


def _double(text: str) -> float | None:
    if not _NUMBER.fullmatch(text):
        return None
    return value if math.isfinite(value := float(text)) else None


def _boolean(text: str) -> bool | None:
    folded = text.lower()
    return True if folded in _TRUE else False if folded in _FALSE else None


def _timestamp(text: str) -> datetime | None:
    found = _TIMESTAMP.fullmatch(text)
    if not found:
        return None
    year, _, month, day, year2, month2, day2, year3, month3, day3, hour, minute, second, part, zone = (
        found.groups()
    )
    micro, beyond = (part or "").ljust(9, "0")[:6], (part or "").ljust(9, "0")[6:]
    if beyond.strip("0"):
        return None
    try:
        local = datetime(
            int(year or year2 or year3),
            int(month or month2 or month3),
            int(day or day2 or day3),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int(micro),
            tzinfo=_zone(zone),
        )
        return local.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None


def _zone(text: str | None) -> timezone:
    if text is None or text == "Z":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)


def _date(text: str) -> date | None:
    moment = _timestamp(text)
    if moment is None or moment.time() != datetime.min.time():
        return None
    return moment.date()
