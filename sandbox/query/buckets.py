"""The parts of units by size: per group and bucket of a grid, how many there are and what they add up to.

From these follow the group's totals at every clamp t of the grid: a part of at most t counts whole, one
above as t with its sign,
    total(t) = sum of the parts in buckets up to t's + t * (sum of the signs in buckets above it).
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from sandbox.query.boundary import Boundary, Measure
from sandbox.query.clamp import grid
from sandbox.query.limits import in_domain
from sandbox.query.relations import aliased, column, subquery
from sandbox.query.typed import cast, decimal_type

PART = "p"
BUCKET = "bucket"
COUNT = "n"
TOTAL = "s"
SIGNS = "g"


def bucketed(boundary: Boundary, m: Measure, parts: exp.Select) -> exp.Select:
    """Keys, `bucket` (index in the grid of `m`), `n` parts, their sum `s`, and `g`, the sum of their signs.

    Args:
        boundary: whose groups they are; only public keys where keys are public.
        m: a measure whose clamp is found.
        parts: one row per unit and group: the keys, and the part `p` within the measure's bounds.

    """
    keys = [column(k.name) for k in boundary.keys]
    size = exp.Abs(this=column(PART))
    scale = m.scale if m.decimal else 0
    clamps = [_constant(t, scale, m) for t in grid(m.most)]
    placed = exp.Select(
        expressions=[
            *(k.copy() for k in keys),
            column(PART),
            aliased(_bucket(size, clamps, 0, len(clamps) - 1), BUCKET),
        ]
    ).from_(subquery(parts, "u"), copy=False)
    placed.where(exp.NEQ(this=column(PART), expression=_constant(0, scale, m)), copy=False)
    if boundary.domain is not None:
        tests = (in_domain(k, values) for k, values in zip(boundary.keys, boundary.domain, strict=True))
        placed.where(*tests, copy=False)
    sign = exp.Case(
        ifs=[exp.If(this=exp.GT(this=column(PART), expression=_constant(0, scale, m)), true=_whole(1))],
        default=_whole(-1),
    )
    tree = exp.Select(
        expressions=[
            *(k.copy() for k in keys),
            column(BUCKET),
            aliased(exp.Count(this=exp.Star()), COUNT),
            aliased(cast(exp.Sum(this=column(PART)), decimal_type(38, scale)), TOTAL),
            aliased(cast(exp.Sum(this=sign), "BIGINT"), SIGNS),
        ]
    ).from_(subquery(placed, "b"), copy=False)
    return tree.group_by(*(k.copy() for k in keys), column(BUCKET), copy=False)


def _bucket(size: exp.Expr, clamps: Sequence[exp.Expr], first: int, last: int) -> exp.Expr:
    """Index of the least clamp that is not below `size`, by halving: comparisons of whole numbers, exact."""
    if first == last:
        return _whole(first)
    middle = (first + last) // 2
    below = exp.LTE(this=size.copy(), expression=clamps[middle].copy())
    return exp.Case(
        ifs=[exp.If(this=below, true=_bucket(size, clamps, first, middle))],
        default=_bucket(size, clamps, middle + 1, last),
    )


def _constant(units: int, scale: int, m: Measure) -> exp.Expr:
    if not m.decimal:
        return _whole(units)
    digits = str(units).rjust(scale + 1, "0")
    text = f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits
    return cast(exp.Literal.string(text), decimal_type(18, scale))


def _whole(value: int) -> exp.Expr:
    return cast(exp.Literal.string(str(value)), "BIGINT")
