"""Days and times that are moved: `d + 30`, `d - INTERVAL 1 MONTH`, and `DATE '2026-01-01' + days`.

Stored moments lie in the years 1 to 9999 (see `relations.py`), and what is moved out of them is NULL, so
that no row's value can raise. A constant is moved when the question is read.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlglot import exp

from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.types import Kind
from sandbox.query.days import dated, difference
from sandbox.query.typed import Typed, as_timestamp, cast, clamped, operand, whole_constant
from sandbox.query.vocabulary import STAMPS

if TYPE_CHECKING:
    from sandbox.query.expressions import Lowering

CALENDAR = {
    Kind.DATE: ("0001-01-01", "9999-12-31"),
    Kind.TIMESTAMP: ("0001-01-01 00:00:00", "9999-12-31 23:59:59.999999"),
}
"""First and last moment that a value may be: on others DuckDB's date functions raise, and Python has none."""
MOST_DAYS = 3_652_059  # from the first day of the calendar to the last
_MONTHS = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}
_SECONDS = {"WEEK": 7 * 86_400, "DAY": 86_400, "HOUR": 3600, "MINUTE": 60, "SECOND": 1}
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_STAMP = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d(:\d\d)?)?")
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between)


def within_calendar(value: exp.Expr, kind: Kind) -> exp.Case:
    """`value`, a day or time, or NULL where it lies outside the calendar."""
    first, last = (cast(exp.Literal.string(text), kind.value.upper()) for text in CALENDAR[kind])
    inside = exp.Between(this=operand(value), low=first, high=last)
    return exp.Case(ifs=[exp.If(this=inside, true=value.copy())])


def moved(lowering: Lowering, node: exp.Binary, moment: Typed) -> Typed:
    """`moment`, a day or time, plus or minus the other side of `node`; between two days, how many they are.

    Raises:
        SandboxError: `sql-type` for another interval or kind; `overflow-possible` for days without bounds.

    """
    moment, by = dated(node.left, moment), node.right.unnest()
    if isinstance(by, exp.Interval):
        return _by_interval(lowering, node, moment, by)
    other = lowering.lower(node.right)
    if isinstance(node, exp.Sub) and moment.kind is other.kind is Kind.DATE:
        return difference(lowering, node, moment, dated(node.right, other), "DAY")
    return shifted(lowering, node, moment, other)


def shifted(lowering: Lowering, node: exp.Binary, moment: Typed, days: Typed) -> Typed:
    """A day and a whole number of days, in either order.

    Raises:
        SandboxError: as `moved`.

    """
    if moment.kind is not Kind.DATE or days.kind is not Kind.INTEGER:
        raise lowering.type_error(node, "moves a day by whole days; write INTERVAL 6 HOUR for a time")
    days = clamped(days)
    low, high = days.low or Decimal(0), days.high or Decimal(0)
    if max(abs(low), abs(high)) > MOST_DAYS:
        raise SandboxError(
            ErrorCode.OVERFLOW_POSSIBLE,
            "Moving a day by so many days could leave the calendar for some values within the public bounds.",
            "Bound the days: d + LEAST(GREATEST(days, -3650), 3650).",
        )
    if isinstance(node, exp.Sub):
        low, high = -high, -low
    whole = cast(operand(days.sql), "INTEGER")
    tree = within_calendar(type(node)(this=operand(moment.sql), expression=whole), Kind.DATE)
    result = lowering.like_facts(moment, tree, Kind.DATE, days)
    if moment.span is None:
        return result
    ends = [_moved(day, Decimal(0), n * 86_400) for day, n in zip(moment.span, (low, high), strict=True)]
    return _spanning(result, *ends)


def _by_interval(lowering: Lowering, node: exp.Binary, moment: Typed, by: exp.Interval) -> Typed:
    sized = _size(by)
    if sized is None or moment.kind not in CALENDAR:
        raise lowering.type_error(by, "is no interval that is understood, as in INTERVAL 30 DAY")
    months, seconds = (-size if isinstance(node, exp.Sub) else size for size in sized)
    stamp = as_timestamp(moment)
    tree = type(node)(this=operand(stamp.sql), expression=_interval(by))
    result = lowering.like_facts(stamp, within_calendar(tree, Kind.TIMESTAMP), Kind.TIMESTAMP)
    if stamp.span is None:
        return result
    return _spanning(result, *(_moved(end, months, seconds) for end in stamp.span))


def _spanning(result: Typed, first: date | None, last: date | None) -> Typed:
    return result if first is None or last is None else replace(result, span=(first, last))


def _interval(by: exp.Interval) -> exp.Interval:
    unit = exp.Var(this=by.args["unit"].name.upper())
    return exp.Interval(this=exp.Literal.string(str(by.this.this)), unit=unit)


def _size(by: exp.Interval) -> tuple[Decimal, Decimal] | None:
    """Months and seconds of an interval of one unit, which is at most as long as the calendar."""
    number, unit = by.this, by.args.get("unit")
    if not isinstance(number, exp.Literal) or unit is None:
        return None
    name = unit.name.upper().removesuffix("S")
    size = whole_constant(exp.Literal.number(str(number.this)), MOST_DAYS * 86_400)
    if size is None or name not in _MONTHS | _SECONDS:
        return None
    months, seconds = Decimal(size * _MONTHS.get(name, 0)), Decimal(size * _SECONDS.get(name, 0))
    fits = months <= 12 * 9999 and seconds <= MOST_DAYS * 86_400
    return (months, seconds) if fits else None


def _moved(moment: date, months: Decimal, seconds: Decimal) -> date | None:
    """A moment some months and seconds later; the last day of a month that is too short. None: no such."""
    month = moment.year * 12 + moment.month - 1 + int(months)
    year = month // 12
    if not 1 <= year <= 9999:
        return None
    day = min(moment.day, calendar.monthrange(year, month % 12 + 1)[1])
    try:
        return moment.replace(year=year, month=month % 12 + 1, day=day) + timedelta(seconds=int(seconds))
    except OverflowError:
        return None


def moved_constants(tree: exp.Expr) -> None:
    """`DATE '2026-03-31' - INTERVAL 1 MONTH` as the moment that it is; changes `tree` in place."""
    for node in reversed(list(tree.find_all(exp.Add, exp.Sub))):
        left, right = node.left.unnest(), node.right.unnest()
        if isinstance(node, exp.Add) and isinstance(right, exp.Cast):
            left, right = right, left
        base = _constant(left)
        if base is None:
            continue
        if isinstance(right, exp.Interval):
            size = _size(right)
        else:
            days = None if isinstance(base, datetime) else whole_constant(right, MOST_DAYS)
            size = None if days is None else (Decimal(0), Decimal(days * 86_400))
        if size is None:
            continue
        sign = -1 if isinstance(node, exp.Sub) else 1
        stamp = isinstance(right, exp.Interval)
        if stamp and not isinstance(base, datetime) and (size[1] % 86_400 or not _is_compared(node)):
            base = datetime.combine(base, time.min)
        moved = _moved(base, sign * size[0], sign * size[1])
        if moved is not None:
            node.replace(_written(moved, left))


def _is_compared(node: exp.Expr) -> bool:
    """Whether it is one side of a comparison: there a day is as good as its midnight, and bounds days."""
    parent = node.parent
    while isinstance(parent, exp.Paren):
        parent = parent.parent
    return isinstance(parent, _COMPARISONS)


def _constant(node: exp.Expr) -> date | None:
    literal = node.this if isinstance(node, exp.Cast) else None
    if not (isinstance(literal, exp.Literal) and literal.is_string):
        return None
    text = str(literal.this)
    try:
        if node.is_type(exp.DataType.Type.DATE) and _DAY.fullmatch(text):
            return date.fromisoformat(text)
        if node.is_type(*STAMPS) and _STAMP.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    return None


def _written(moment: date, like: exp.Expr) -> exp.Cast:
    """A moment as a constant, which stands where `like` stood."""
    text = moment.isoformat(sep=" ") if isinstance(moment, datetime) else moment.isoformat()
    literal = exp.Literal.string(text)
    literal.meta.update(like.this.meta)
    return cast(literal, "TIMESTAMP" if isinstance(moment, datetime) else "DATE")
