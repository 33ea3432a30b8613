"""Differences of days and times over protected rows, and their names.

DATE_DIFF counts the borders of a unit that lie between two moments, as DuckDB does. Its range follows from
the first and last day that the policy declares of both sides; without these it has none.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlglot import exp

from sandbox.policy.types import Kind
from sandbox.query.typed import Typed, as_timestamp, cast

if TYPE_CHECKING:
    from sandbox.query.expressions import Lowering

_PER_DAY = {"HOUR": 24, "MINUTE": 24 * 60, "SECOND": 24 * 3600}
_UNITS = ("YEAR", "QUARTER", "MONTH", "WEEK", "DAY", *_PER_DAY)
DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip
_TIMES = (Kind.DATE, Kind.TIMESTAMP)


def difference(lowering: Lowering, node: exp.Expr, a: Typed, b: Typed, unit: str) -> Typed:
    """DATE_DIFF(unit, b, a), and `a - b` of two days."""
    if unit.rstrip("S") not in _UNITS or a.kind not in _TIMES or b.kind not in _TIMES:
        raise lowering.type_error(node, f"counts {', '.join(_UNITS).lower()} between two days or times")
    unit = unit.rstrip("S")
    if unit in _PER_DAY or a.kind is not b.kind:
        a, b = as_timestamp(a), as_timestamp(b)
    tree = exp.DateDiff(
        this=a.sql.copy(), expression=b.sql.copy(), unit=exp.Var(this=unit), date_part_boundary=True
    )
    result = replace(
        lowering.like_facts(a, cast(tree, "BIGINT"), Kind.INTEGER, b), nullable=a.nullable or b.nullable
    )
    if a.span is None or b.span is None:
        return result
    (first, last), (start, end) = ([_day(moment) for moment in t.span or ()] for t in (a, b))
    low, high = _count(unit, end, first), _count(unit, start, last)
    if unit in _PER_DAY:
        low, high = (low - 1) * _PER_DAY[unit], (high + 1) * _PER_DAY[unit]
    if unit == "WEEK":
        low, high = low - 1, high + 1
    return replace(result, low=Decimal(low), high=Decimal(high), bounded=False)


def moment(lowering: Lowering, node: exp.Expr) -> Typed:
    """A day or time; a text constant is read as one."""
    plain = node.unnest()
    if not (isinstance(plain, exp.Literal) and plain.is_string):
        return dated(node, lowering.lower(node))
    kind = Kind.DATE if len(str(plain.this).strip()) <= 10 else Kind.TIMESTAMP
    return dated(node, lowering.read_literal(plain, Typed(exp.Null(), kind)))


def dated(node: exp.Expr, t: Typed) -> Typed:
    """`t`, which `node` was lowered to, with the day that it is where that is constant."""
    plain = node.unnest()
    literal = plain.this.unnest() if isinstance(plain, exp.Cast) else plain
    if not (isinstance(literal, exp.Literal) and literal.is_string):
        return t
    try:
        day = date.fromisoformat(str(literal.this).strip()[:10])
    except ValueError:
        return t
    return replace(t, span=(day, day), unit_level=True)


def _day(moment: date) -> date:
    return moment.date() if isinstance(moment, datetime) else moment


def _count(unit: str, start: date, end: date) -> int:
    """Borders of `unit` (days, for what is shorter) from a moment of `start` to one of `end`."""
    days = (end - start).days
    match unit:
        case "YEAR":
            return end.year - start.year
        case "QUARTER":
            return 4 * (end.year - start.year) + (end.month - 1) // 3 - (start.month - 1) // 3
        case "MONTH":
            return 12 * (end.year - start.year) + end.month - start.month
        case "WEEK":
            return days // 7
    return days


def name_of(lowering: Lowering, node: exp.Expr) -> Typed:
    """DAYNAME and MONTHNAME: public keys."""
    t = lowering.lower(node.this)
    if t.kind not in _TIMES:
        raise lowering.type_error(node, "is not the name of a day or time")
    names = DAYS if isinstance(node, exp.Dayname) else MONTHS
    result = lowering.like_facts(t, type(node)(this=t.sql.copy()), Kind.TEXT)
    return replace(result, keys=names, nullable=t.nullable)
