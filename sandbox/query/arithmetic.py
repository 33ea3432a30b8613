"""Arithmetic on typed expressions: exact where bounds prove it, DOUBLE otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from sqlglot import exp

from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.types import Kind
from sandbox.query.public_keys import scaled_keys
from sandbox.query.typed import (
    INTEGER_LIMIT,
    MAX_WIDTH,
    NATIVE_WIDTH,
    Typed,
    as_decimal,
    as_double,
    cast,
    clamped,
    decimal_type,
    digits,
    double_span,
    operand,
    overflow,
    tightened,
)

Interval = tuple[Decimal, Decimal]


def _join(a: Typed, b: Typed, tree: exp.Expr, span: Interval | None, **facts: object) -> Typed:
    low, high = span if span is not None else (None, None)
    return Typed(
        tree,
        low=low,
        high=high,
        nullable=a.nullable or b.nullable,
        unit_level=a.unit_level and b.unit_level,
        **facts,  # type: ignore[arg-type]
    )


def _double(a: Typed, b: Typed, tree: exp.Expr, span: Interval | None) -> Typed:
    """A DOUBLE. Rounding can leave the exact interval by an ulp: it is near its bounds, not within them."""
    span = double_span(*span) if span is not None else None
    return _join(a, b, tree, span, kind=Kind.DOUBLE, bounded=False, near=span is not None)


def _exact(node: Callable[..., exp.Expr], a: Typed, b: Typed, span: Interval, scale: int) -> Typed:
    """An exact operation on DECIMALs, in 64 bits where the bounds allow it, else in 128."""
    if max(abs(span[0]), abs(span[1])) * Decimal(10) ** scale >= Decimal(10) ** MAX_WIDTH:
        raise overflow()
    tight = digits(span[0], span[1], scale)
    width = _natural_width(node, a, b, scale)
    both_native = a.width <= NATIVE_WIDTH and b.width <= NATIVE_WIDTH
    if node is exp.Mul and both_native and width > NATIVE_WIDTH >= tight and scale < NATIVE_WIDTH:
        width = NATIVE_WIDTH
    left, right = a.sql, b.sql
    if width > NATIVE_WIDTH:
        a, b = tightened(a), tightened(b)
        left, right, width = a.sql, b.sql, _natural_width(node, a, b, scale)
        if width > NATIVE_WIDTH and a.width <= NATIVE_WIDTH and b.width <= NATIVE_WIDTH:
            grown = NATIVE_WIDTH + 1
            width = _natural_width(node, replace(a, width=grown), b, scale)
            left = cast(left, decimal_type(grown, a.scale))
    if width > MAX_WIDTH:
        raise overflow()
    tree: exp.Expr = node(this=operand(left), expression=operand(right))
    if tight <= NATIVE_WIDTH < width:
        tree, width = cast(tree, decimal_type(tight, scale)), tight
    return _join(a, b, tree, span, kind=Kind.DECIMAL, scale=scale, width=width)


def _natural_width(node: Callable[..., exp.Expr], a: Typed, b: Typed, scale: int) -> int:
    """Digits of the DECIMAL that an operation gives, before any cap."""
    if node is exp.Mul:
        return a.width + b.width
    return max(a.width - a.scale, b.width - b.scale) + scale + 1


def _ends(op: Callable[[Decimal, Decimal], Decimal], a: Typed, b: Typed) -> Interval | None:
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return None
    values = [op(x, y) for x in (a.low, a.high) for y in (b.low, b.high)]
    return min(values), max(values)


def _binary(
    node: Callable[..., exp.Expr], op: Callable[[Decimal, Decimal], Decimal], a: Typed, b: Typed
) -> Typed:
    if not (a.exact and b.exact):
        a, b = as_double(_soft_clamp(a)), as_double(_soft_clamp(b))
        tree = node(this=operand(a.sql), expression=operand(b.sql))
        return _double(a, b, tree, _ends(op, a, b))
    a, b = clamped(a), clamped(b)
    span = _ends(op, a, b)
    assert span is not None  # noqa: S101 -- exact operands were clamped, so they have bounds
    if a.kind is Kind.INTEGER and b.kind is Kind.INTEGER:
        if max(abs(span[0]), abs(span[1])) >= INTEGER_LIMIT:
            raise overflow()
        tree = node(this=operand(a.sql), expression=operand(b.sql))
        return _join(a, b, tree, span, kind=Kind.INTEGER)
    a, b = as_decimal(a), as_decimal(b)
    if node is exp.Mul:
        return _exact(node, a, b, span, a.scale + b.scale)
    return _exact(node, a, b, span, max(a.scale, b.scale))


def _soft_clamp(t: Typed) -> Typed:
    return clamped(t) if t.low is not None and t.high is not None and not t.near else t


def add(a: Typed, b: Typed) -> Typed:
    """A + b."""
    return scaled_keys(_binary(exp.Add, lambda x, y: x + y, a, b), a, b, lambda x, y: x + y)


def subtract(a: Typed, b: Typed) -> Typed:
    """A - b."""
    return scaled_keys(_binary(exp.Sub, lambda x, y: x - y, a, b), a, b, lambda x, y: x - y)


def multiply(a: Typed, b: Typed) -> Typed:
    """A * b."""
    return scaled_keys(_binary(exp.Mul, lambda x, y: x * y, a, b), a, b, lambda x, y: x * y)


def divide(a: Typed, b: Typed) -> Typed:
    """A / b as DOUBLE; NULL where b is zero. Bounds only when b's interval excludes zero."""
    a, b = as_double(_soft_clamp(a)), as_double(_soft_clamp(b))
    span = None
    if b.low is not None and b.high is not None and (b.low > 0 or b.high < 0):
        span = _ends(lambda x, y: x / y, a, b)
    tree = exp.Div(
        this=operand(a.sql),
        expression=exp.Nullif(this=b.sql.copy(), expression=cast(exp.Literal.number(0), "DOUBLE")),
    )
    return replace(_double(a, b, tree, span), nullable=True)


def integer_divide(a: Typed, b: Typed, *, modulo: bool) -> Typed:
    """A // b or a % b on integers; NULL where b is zero.

    Raises:
        SandboxError: `sql-type` for other kinds.

    """
    if a.kind is not Kind.INTEGER or b.kind is not Kind.INTEGER:
        raise SandboxError(
            ErrorCode.SQL_TYPE, "// and % need whole numbers.", "Use / and FLOOR for other numbers."
        )
    a, b = clamped(a), clamped(b)
    assert a.low is not None  # noqa: S101 -- clamped
    assert a.high is not None  # noqa: S101
    assert b.low is not None  # noqa: S101
    assert b.high is not None  # noqa: S101
    most = max(abs(a.low), abs(a.high))
    if modulo:
        most = min(most, max(abs(b.low), abs(b.high)))
    span = (Decimal(0) if a.low >= 0 and b.low >= 0 else -most, most)
    if b.low == b.high and b.low > 0:  # DuckDB cuts toward zero
        ends = (int(a.low / b.low), int(a.high / b.low))
        rest = min(b.low - 1, max(abs(a.low), abs(a.high)))
        span = (Decimal(0) if a.low >= 0 else -rest, rest) if modulo else (Decimal(ends[0]), Decimal(ends[1]))
    node = exp.Mod if modulo else exp.IntDiv
    divisor = exp.Nullif(this=b.sql.copy(), expression=cast(exp.Literal.number(0), "BIGINT"))
    tree = node(this=operand(a.sql), expression=divisor)
    return replace(_join(a, b, tree, span, kind=Kind.INTEGER), nullable=True)


def negate(a: Typed) -> Typed:
    """-a."""
    a = clamped(a) if a.exact else _soft_clamp(a)
    low = None if a.high is None else -a.high
    high = None if a.low is None else -a.low
    return replace(a, sql=exp.Neg(this=operand(a.sql)), low=low, high=high, keys=None, links=frozenset())


def absolute(a: Typed) -> Typed:
    """ABS(a)."""
    a = clamped(a) if a.exact else _soft_clamp(a)
    low, high = a.low, a.high
    if low is not None and high is not None:
        low, high = (
            (Decimal(0) if low <= 0 <= high else min(abs(low), abs(high))),
            max(abs(low), abs(high)),
        )
    return replace(a, sql=exp.Abs(this=a.sql.copy()), low=low, high=high, keys=None, links=frozenset())
