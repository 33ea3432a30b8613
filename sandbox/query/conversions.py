"""Casts and rounding over protected rows: TRY_CAST, with the range that follows."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlglot import exp

from sandbox.policy.types import Kind
from sandbox.query.typed import (
    LARGEST_BIGINT,
    MAX_WIDTH,
    NATIVE_WIDTH,
    Typed,
    as_double,
    as_timestamp,
    clamped,
    decimal_type,
    type_of,
    whole_constant,
)

if TYPE_CHECKING:
    from sandbox.query.expressions import Lowering

NEARLY = Decimal("1e-6")
_TIMESTAMPS = ("TIMESTAMP", "TIMESTAMPNTZ", "DATETIME")


def conversion(lowering: Lowering, node: exp.Cast) -> Typed:
    """CAST(x AS type), as TRY_CAST: NULL where a value does not fit."""
    to = node.to
    name = to.this.value if isinstance(to.this, exp.DType) else str(to.this)
    literal = node.this.unnest()
    if name in ("DATE", *_TIMESTAMPS) and isinstance(literal, exp.Literal) and literal.is_string:
        like = Typed(exp.Null(), Kind.DATE if name == "DATE" else Kind.TIMESTAMP)
        return replace(lowering.read_literal(literal, like), unit_level=True)
    t = lowering.lower(node.this)
    if to.args.get("nested"):
        raise lowering.unsupported(node)
    if name in ("INT", "BIGINT", "SMALLINT", "TINYINT"):
        if t.number or t.kind in (Kind.BOOLEAN, Kind.TEXT):
            soft = clamped(t) if t.number and t.low is not None and t.high is not None else t
            low = None if soft.low is None else soft.low.to_integral_value("ROUND_FLOOR")
            high = None if soft.high is None else soft.high.to_integral_value("ROUND_CEILING")
            if t.kind is Kind.BOOLEAN:
                low, high = Decimal(0), Decimal(1)
            fits = low is not None and high is not None and max(-low - 1, high) <= LARGEST_BIGINT
            if low is not None and high is not None and not fits:
                low, high = (min(max(end, -LARGEST_BIGINT - 1), LARGEST_BIGINT) for end in (low, high))
            tree = exp.TryCast(this=soft.sql, to=type_of("BIGINT"))
            result = replace(lowering.like_facts(t, tree, Kind.INTEGER), low=low, high=high)
            return replace(
                result,
                bounded=low is not None and high is not None and (soft.bounded or t.kind is Kind.BOOLEAN),
                nullable=t.nullable or not t.exact or not fits,
                keys=(0, 1) if t.kind is Kind.BOOLEAN else None,
            )
    elif name in ("DOUBLE", "FLOAT"):
        if t.number:
            return as_double(t)
        if t.kind is Kind.TEXT:
            return lowering.like_facts(t, exp.TryCast(this=t.sql, to=type_of("DOUBLE")), Kind.DOUBLE)
    elif name in ("DECIMAL", "NUMERIC"):
        return _to_decimal(lowering, node, t)
    elif name in ("VARCHAR", "TEXT", "CHAR"):
        tree = exp.TryCast(this=t.sql, to=type_of("VARCHAR"))
        return t if t.kind is Kind.TEXT else lowering.like_facts(t, tree, Kind.TEXT)
    elif name == "BOOLEAN" and t.kind in (Kind.BOOLEAN, Kind.INTEGER):
        return lowering.truth(exp.TryCast(this=t.sql, to=type_of("BOOLEAN")), t)
    elif name == "DATE" and t.kind in (Kind.DATE, Kind.TIMESTAMP):
        day = lowering.like_facts(t, exp.TryCast(this=t.sql, to=type_of("DATE")), Kind.DATE)
        return day if t.span is None else replace(day, span=(_day(t.span[0]), _day(t.span[1])))
    elif name in _TIMESTAMPS and t.kind in (Kind.DATE, Kind.TIMESTAMP):
        return as_timestamp(t)
    raise lowering.type_error(node, f"is a cast that is not supported (to {name})")


def _day(moment: date) -> date:
    return moment.date() if isinstance(moment, datetime) else moment


def _to_decimal(lowering: Lowering, node: exp.Cast, t: Typed) -> Typed:
    sizes = [whole_constant(p.this, MAX_WIDTH) for p in node.to.expressions]
    width, scale = (*sizes, 18, 3)[:2] if len(sizes) != 1 else (sizes[0], 0)
    width, scale = -1 if width is None else width, -1 if scale is None else scale
    if not t.number or not 1 <= width <= NATIVE_WIDTH or not 0 <= scale <= 9:
        raise lowering.type_error(node, "is a cast that is not supported: DECIMAL(1…18, 0…9) of a number")
    soft = clamped(t)
    tree = exp.TryCast(this=soft.sql, to=decimal_type(width, scale))
    step = Decimal(10) ** -scale
    low = None if soft.low is None else soft.low.quantize(step, rounding="ROUND_FLOOR")
    high = None if soft.high is None else soft.high.quantize(step, rounding="ROUND_CEILING")
    most = (Decimal(10) ** width - 1) * step
    low, high = (
        max(-most, low if low is not None else -most),
        min(most, high if high is not None else most),
    )
    return Typed(
        tree,
        Kind.DECIMAL,
        scale,
        width,
        min(low, high),
        max(low, high),
        nullable=True,
        unit_level=t.unit_level,
    )


def rounding(lowering: Lowering, node: exp.Expr) -> Typed:
    """ROUND(x, n), FLOOR(x), CEIL(x): whole numbers where the bounds allow it, else DOUBLE."""
    decimals = node.args.get("decimals")
    places = whole_constant(decimals, 99) if decimals is not None else 0
    if places is None:
        raise lowering.type_error(node, "needs a whole number of decimals")
    t = lowering.number(node.this)
    if t.kind is Kind.INTEGER:
        return t
    if places > 9:
        raise lowering.type_error(node, "allows at most 9 decimals")
    soft = as_double(clamped(t) if t.low is not None and t.high is not None else t)
    tree = (
        type(node)(this=soft.sql, decimals=exp.Literal.number(places))
        if places
        else type(node)(this=soft.sql)
    )
    step = Decimal(10) ** -places
    low = None if soft.low is None else soft.low.quantize(step, rounding="ROUND_FLOOR")
    high = None if soft.high is None else soft.high.quantize(step, rounding="ROUND_CEILING")
    result = replace(
        soft,
        sql=tree,
        low=low,
        high=high,
        bounded=False,
        near=None not in (low, high),
        keys=None,
        links=frozenset(),
    )
    if places or low is None or high is None or max(abs(low), abs(high)) >= 2**53:
        return result
    whole = exp.TryCast(this=tree, to=type_of("BIGINT"))
    # A DOUBLE may pass its bound by an ulp, and then the next whole number.
    if isinstance(node, exp.Floor) and soft.high is not None:
        high = (soft.high + NEARLY).to_integral_value("ROUND_FLOOR")
    if isinstance(node, exp.Ceil) and soft.low is not None:
        low = (soft.low - NEARLY).to_integral_value("ROUND_CEILING")
    result = replace(result, low=low, high=high)
    return replace(result, sql=whole, kind=Kind.INTEGER, bounded=True, near=False)
