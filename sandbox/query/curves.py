"""Roots, logarithms, powers and exponentials over protected rows, with the range that follows.

Each is monotone where its argument's bounds allow it; there its range is what the ends give. An argument
beyond its bounds counts as the nearest bound, as in all arithmetic. Elsewhere (LN of what may be 0, a power
that is not whole of what may be negative) it has no bounds; what does not exist is NaN or an infinity.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlglot import exp

from sandbox.policy.types import Kind
from sandbox.query.typed import Typed, as_double, clamped, double_span

if TYPE_CHECKING:
    from sandbox.query.expressions import Lowering

# The engine's library does not round correctly: the glibc manual states a few units in the last place.
SLACK = Decimal("1e-12")
LARGEST_EXPONENT = 600
_BASES = (2, 10)


def curve(lowering: Lowering, node: exp.Expr) -> Typed:
    """SQRT, LN, LOG (base 10, or 2 or 10 as first argument), EXP and POW."""
    match node:
        case exp.Sqrt():
            return _applied(lowering, node.this, lambda x: exp.Sqrt(this=x), math.sqrt, least=0.0)
        case exp.Ln():
            return _applied(lowering, node.this, lambda x: exp.Ln(this=x), math.log, over=0.0)
        case exp.Log():
            base, of = _log(lowering, node)
            ten = exp.Literal.number(base)
            made = math.log10 if base == 10 else math.log2
            return _applied(lowering, of, lambda x: exp.Log(this=ten, expression=x), made, over=0.0)
        case exp.Exp():
            return _applied(lowering, node.this, lambda x: exp.Exp(this=x), math.exp, most=LARGEST_EXPONENT)
    return _power(lowering, node)


def _log(lowering: Lowering, node: exp.Log) -> tuple[int, exp.Expr]:
    of = node.expression
    if of is None or not isinstance(of, exp.Expr):
        return 10, node.this
    base = node.this.unnest()
    if not isinstance(base, exp.Literal) or str(base.this) not in map(str, _BASES):
        raise lowering.type_error(node, "has a base other than 2 and 10")
    return int(str(base.this)), of


def _applied(
    lowering: Lowering,
    argument: exp.Expr,
    tree: Callable[[exp.Expr], exp.Expr],
    made: Callable[[float], float],
    *,
    least: float = -math.inf,
    over: float = -math.inf,
    most: float = math.inf,
) -> Typed:
    """A growing function of a number, bounded where that is within [least, most] and above `over`."""
    t = lowering.number(argument)
    t = as_double(clamped(t) if t.low is not None and t.high is not None else t)
    result = lowering.like_facts(t, tree(t.sql), Kind.DOUBLE)
    if t.low is None or t.high is None or t.low < least or t.low <= over or t.high > most:
        return result
    return _within(result, [made(float(t.low)), made(float(t.high))])


def _within(result: Typed, ends: list[float]) -> Typed:
    low, high = Decimal(min(ends)), Decimal(max(ends))
    span = double_span(low - abs(low) * SLACK - SLACK, high + abs(high) * SLACK + SLACK)
    if span is None:
        return result
    return replace(result, low=span[0], high=span[1], bounded=False, near=True)


def _power(lowering: Lowering, node: exp.Expr) -> Typed:
    """POW(x, y): bounded for a constant y, where x is not negative (positive, if y is) or y is whole."""
    a, b = lowering.number(node.this), lowering.number(node.expression)
    constant = b.low if b.low == b.high else None
    if a.low is not None and a.high is not None and constant is not None:
        a = clamped(a)
    a, b = as_double(a), as_double(b)
    result = lowering.like_facts(a, exp.Pow(this=a.sql, expression=b.sql), Kind.DOUBLE, b)
    if constant is None or a.low is None or a.high is None or abs(constant) > LARGEST_EXPONENT:
        return result
    whole = constant == constant.to_integral_value() and constant >= 0
    if not (whole or a.low > 0 or (a.low >= 0 and constant >= 0)):
        return result
    try:
        ends = [float(end) ** float(constant) for end in (a.low, a.high)]
    except OverflowError:
        return result
    if any(isinstance(end, complex) or not math.isfinite(end) for end in ends):
        return result
    if a.low < 0 < a.high:
        ends.append(0.0 if constant else 1.0)
    return _within(result, ends)
