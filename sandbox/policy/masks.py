"""What a masked column is to every question: the type, bounds and public keys of its mask.

Rules
- A mask is applied before the question's own expressions; no predicate sees the raw value.
- `band` w lowers a number x to floor(x / w) * w: bands begin at multiples of w, below zero too.
- `truncate` cuts a day or time to the first moment of its year, quarter, month or day.
- `prefix` keeps the first characters (Unicode code points) of a text.
- Every mask keeps order, so the bounds of the masked column are the masked bounds.
- Public keys are the masked keys; without keys, every band or period between the bounds when these
  are at most 1000. Values outside the bounds have no public key of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import cast

from sandbox.policy.scalars import EXACT
from sandbox.policy.types import ColumnPolicy, Kind, Mask, Scalar

MOST_KEYS = 1000

NUMBERS = frozenset({Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE})
TIMES = frozenset({Kind.DATE, Kind.TIMESTAMP})


def fits(mask: Mask, kind: Kind) -> bool:
    """Whether the mask is one for columns of `kind`; a band of whole numbers is whole."""
    if mask.band is not None:
        return kind in NUMBERS and (kind is not Kind.INTEGER or mask.band == mask.band.to_integral_value())
    if mask.truncate is not None:
        return kind is Kind.TIMESTAMP or (kind is Kind.DATE and mask.truncate != "day")
    return kind is Kind.TEXT


def masked(mask: Mask, value: Scalar) -> Scalar:
    """`value` as the mask shows it.

    Raises:
        ValueError: the mask does not fit the type of `value` (`lint` refuses such a policy).

    """
    match value:
        case bool():
            pass
        case int() | Decimal() if mask.band is not None:
            width = mask.band
            steps = EXACT.divide_int(Decimal(value), width)
            if EXACT.multiply(steps, width) > value:
                steps -= 1  # divide_int cuts toward zero; a band begins below its numbers
            lowered = EXACT.plus(EXACT.multiply(steps, width))
            return int(lowered) if isinstance(value, int) else lowered
        case datetime() if mask.truncate is not None:
            start = _truncated(value.date(), mask.truncate)
            return datetime(start.year, start.month, start.day)
        case date() if mask.truncate is not None and not isinstance(value, datetime):
            return _truncated(value, mask.truncate)
        case str() if mask.prefix is not None:
            return value[: mask.prefix]
        case _:
            pass
    raise ValueError("the mask does not fit the type of the value")


def shown_as(column: ColumnPolicy) -> ColumnPolicy:
    """The column that questions see: `column` itself without a mask, else with the mask applied.

    Its `shown_as` is None and its `codelist` is settled into `values`.

    Raises:
        ValueError: the mask does not fit the column's type (`lint` refuses such a policy).

    """
    mask = column.shown_as
    if mask is None:
        return column
    if not fits(mask, column.type):
        raise ValueError("the mask does not fit the column's type")
    between = None
    if column.between is not None:
        between = (masked(mask, column.between[0]), masked(mask, column.between[1]))
    if column.values is not None:
        values: tuple[Scalar, ...] | None = tuple(dict.fromkeys(masked(mask, key) for key in column.values))
    else:
        values = _keys(mask, between) if between is not None else None
    return column.model_copy(
        update={"between": between, "values": values, "codelist": None, "shown_as": None}
    )


def _keys(mask: Mask, between: tuple[Scalar, Scalar]) -> tuple[Scalar, ...] | None:
    """Every value the mask can show between two masked bounds, or None when they are too many."""
    keys: list[Scalar] = []
    for key in _steps(mask, between[0]):
        if cast("int", key) > cast("int", between[1]):
            return tuple(keys)
        if len(keys) == MOST_KEYS:
            return None
        keys.append(key)
    return tuple(keys) or None


def _steps(mask: Mask, start: Scalar) -> Iterator[Scalar]:
    """`start` and the masked values after it, without end (or to the end of the calendar)."""
    match start:
        case bool() | str():
            return
        case int() | Decimal():
            for step in range(MOST_KEYS + 1):
                moved = EXACT.add(Decimal(start), EXACT.multiply(Decimal(step), mask.band or Decimal(1)))
                yield int(moved) if isinstance(start, int) else moved
        case date():
            day = start
            while True:
                yield day
                try:
                    day = _next(day, mask.truncate or "day")
                except (ValueError, OverflowError):
                    return


def _next(day: date, period: str) -> date:
    months = {"year": 12, "quarter": 3, "month": 1}.get(period)
    if months is None:
        return day + timedelta(days=1)
    ahead = day.month - 1 + months
    return day.replace(year=day.year + ahead // 12, month=ahead % 12 + 1)


def _truncated(day: date, period: str) -> date:
    match period:
        case "year":
            return day.replace(month=1, day=1)
        case "quarter":
            return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
        case "month":
            return day.replace(day=1)
    return day
