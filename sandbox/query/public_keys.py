"""Public values of a group key: listed by the policy, or all that lie between public bounds.

- A whole number between bounds, and a day, have the values between them, where these are at most 1,000.
- What is such a key plus, minus or times a constant has the values computed; what is cut by DATE_TRUNC, the
  periods between the bounds.
A key outside its list is no group, and one of the list appears also when no row has it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from sandbox.policy.types import Kind, Scalar
from sandbox.query.typed import Typed

MOST_PUBLIC_KEYS = 1_000


def public_keys(t: Typed) -> tuple[Scalar, ...] | None:
    """The public values of `t` in order, NULL excluded; None when only the data knows them."""
    if t.keys is not None:
        return t.keys
    if t.kind is Kind.INTEGER and t.low is not None and t.high is not None:
        ends = t.low.to_integral_value("ROUND_CEILING"), t.high.to_integral_value("ROUND_FLOOR")
        low, high = (int(end) for end in ends)
        return tuple(range(low, high + 1)) if high - low < MOST_PUBLIC_KEYS else None
    if t.kind is Kind.DATE and t.span is not None:
        days = (t.span[1] - t.span[0]).days
        if days < MOST_PUBLIC_KEYS:
            return tuple(t.span[0] + timedelta(days=i) for i in range(days + 1))
    return None


def scaled_keys(result: Typed, a: Typed, b: Typed, op: Callable[[Decimal, Decimal], Decimal]) -> Typed:
    """`result` of an exact operation on a value with public keys and a constant, with its keys."""
    fixed, other, swapped = (_constant(b), a, False) if _constant(b) is not None else (_constant(a), b, True)
    keys = public_keys(other) if fixed is not None and other.exact and result.exact else None
    if fixed is None or keys is None:
        return result
    step = Decimal(1).scaleb(-result.scale)
    values = [
        op(fixed, Decimal(k)) if swapped else op(Decimal(k), fixed)
        for k in keys
        if not isinstance(k, str | date)
    ]
    made = (int(v) if result.kind is Kind.INTEGER else v.quantize(step) for v in values)
    return replace(result, keys=tuple(dict.fromkeys(made)))


def _constant(t: Typed) -> Decimal | None:
    return t.low if t.exact and t.low is not None and t.low == t.high and not t.nullable else None


def periods(span: tuple[date, date], unit: str) -> tuple[Scalar, ...] | None:
    """The first moment of each year, quarter, month, week, day or hour of `span`; None beyond 1,000."""
    start, last = truncated(span[0], unit), truncated(span[1], unit)
    found: list[Scalar] = []
    while start <= last:
        if len(found) == MOST_PUBLIC_KEYS:
            return None
        found.append(start)
        try:
            start = truncated(start + _LONGEST[unit], unit)
        except OverflowError:
            break
    return tuple(found)


_LONGEST = {
    "YEAR": timedelta(days=366), "QUARTER": timedelta(days=93), "MONTH": timedelta(days=31),
    "WEEK": timedelta(days=7), "DAY": timedelta(days=1), "HOUR": timedelta(hours=1),
}  # fmt: skip


def truncated(moment: date, unit: str) -> datetime:
    """What DATE_TRUNC makes of a day or time."""
    stamp = moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day)
    if unit == "HOUR":
        return stamp.replace(minute=0, second=0, microsecond=0)
    day = stamp.replace(hour=0, minute=0, second=0, microsecond=0)
    match unit:
        case "YEAR":
            return day.replace(month=1, day=1)
        case "QUARTER":
            return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
        case "MONTH":
            return day.replace(day=1)
        case "WEEK":
            return day - timedelta(days=day.weekday())
    return day
