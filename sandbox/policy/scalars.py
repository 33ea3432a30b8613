"""A scalar's text to its value: one spelling for each value, decided by the field's type alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Context, Decimal

from sandbox.policy.types import INT64, Kind, Scalar

MOST_DIGITS = 38

EXACT = Context(prec=160)
"""Wide enough that no product of two numbers of a policy file is ever rounded."""

_INTEGER = re.compile(r"(0|-?[1-9][0-9]{0,18})", re.ASCII)
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?", re.ASCII)

SPELLING: Mapping[Kind, str] = {
    Kind.INTEGER: "a whole number of at most 64 bits, such as 42 or -7",
    Kind.DECIMAL: "a number, such as 0.5, -12 or 1e-7",
    Kind.DOUBLE: "a number, such as 0.5, -12 or 1e-7",
    Kind.BOOLEAN: "true or false",
    Kind.DATE: "a day, such as 2026-01-31",
    Kind.TIMESTAMP: "a time without a zone, such as 2026-01-31T08:30:00",
    Kind.TEXT: "a text",
}


def scalar_of(kind: Kind, text: str) -> Scalar:
    """The value that `text` spells in a column of `kind`.

    Raises:
        ValueError: not the one spelling that `SPELLING[kind]` describes.

    """
    match kind:
        case Kind.INTEGER:
            return integer_of(text)
        case Kind.DECIMAL | Kind.DOUBLE:
            return decimal_of(text)
        case Kind.BOOLEAN:
            return boolean_of(text)
        case Kind.DATE:
            return date_of(text)
        case Kind.TIMESTAMP:
            if not _TIMESTAMP.fullmatch(text):
                raise ValueError(text)
            return datetime.fromisoformat(text)
        case Kind.TEXT:
            return text


def integer_of(text: str) -> int:
    """A canonical whole number within 64 bits: no sign but `-`, no leading zero, no `-0`."""
    if not _INTEGER.fullmatch(text) or not -INT64 <= int(text) < INT64:
        raise ValueError(text)
    return int(text)


def decimal_of(text: str) -> Decimal:
    """A finite number of at most 38 digits before and 38 after the point, kept exactly."""
    if len(text) > 2 * MOST_DIGITS or not _DECIMAL.fullmatch(text):
        raise ValueError(text)
    value = Decimal(text)
    exponent = value.as_tuple().exponent
    if value.adjusted() >= MOST_DIGITS or not isinstance(exponent, int) or exponent < -MOST_DIGITS:
        raise ValueError(text)
    return abs(value) if value.is_zero() else value


def boolean_of(text: str) -> bool:
    """`true` or `false`; never yes, no, on, off, 1 or 0."""
    if text not in {"true", "false"}:
        raise ValueError(text)
    return text == "true"


def date_of(text: str) -> date:
    """A day as YYYY-MM-DD."""
    if not _DATE.fullmatch(text):
        raise ValueError(text)
    return date.fromisoformat(text)
