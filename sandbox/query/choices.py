"""CASE, COALESCE, LEAST and GREATEST over protected rows: one of several values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlglot import exp

from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.types import Kind
from sandbox.query.parse import place_of
from sandbox.query.typed import (
    Typed,
    as_decimal,
    as_double,
    as_timestamp,
    cast,
    clamped,
    decimal_type,
    overflow,
)
from sandbox.query.vocabulary import spoken_name

if TYPE_CHECKING:
    from sandbox.query.expressions import Lowering


def unify(sql: str, node: exp.Expr, branches: list[Typed]) -> list[Typed]:
    """Branches in one kind and type; NULL branches stay NULL."""
    kinds = {b.kind for b in branches if b.kind is not None}
    if kinds <= {Kind.INTEGER, Kind.DECIMAL} and len(kinds) == 2:
        branches = [b if b.kind is None else as_decimal(clamped(b)) for b in branches]
    elif Kind.DOUBLE in kinds and kinds <= {Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE}:
        branches = [b if b.kind is None else as_double(b) for b in branches]
    elif kinds == {Kind.DATE, Kind.TIMESTAMP}:
        branches = [b if b.kind is None else as_timestamp(b) for b in branches]
    elif len(kinds) > 1:
        names = " and ".join(sorted(k.value for k in kinds))
        raise SandboxError(
            ErrorCode.SQL_TYPE,
            f"{spoken_name(node)} mixes {names}.",
            "Cast the branches to one type.",
            place=place_of(node, sql),
        )
    decimals = [b for b in branches if b.kind is Kind.DECIMAL]
    if decimals and len({(d.width, d.scale) for d in decimals}) > 1:
        scale = max(d.scale for d in decimals)
        width = max(d.width - d.scale for d in decimals) + scale
        if width > 38:
            raise overflow()
        branches = [
            b if b.kind is not Kind.DECIMAL
            else replace(b, sql=cast(b.sql, decimal_type(width, scale)), width=width, scale=scale)
            for b in branches
        ]  # fmt: skip
    return branches


def hull(branches: list[Typed], conditions: list[Typed], *, nullable: bool) -> Typed:
    """Facts of a value that is one of `branches` (their `sql` is a placeholder)."""
    valued = [b for b in branches if b.kind is not None]
    first = valued[0] if valued else branches[0]
    low, high = _outermost([b.low for b in valued], min), _outermost([b.high for b in valued], max)
    keys: tuple[object, ...] | None = ()
    for b in valued:
        values = b.keys if b.keys is not None else _single(b)
        keys = None if keys is None or values is None else (*keys, *(v for v in values if v not in keys))
    return Typed(
        first.sql,
        first.kind,
        first.scale,
        first.width,
        low=low,
        high=high,
        bounded=all(b.bounded for b in valued),
        near=None not in (low, high)
        and all(b.near or b.bounded for b in valued)
        and first.kind is Kind.DOUBLE,
        keys=tuple(keys) if keys is not None and valued else None,  # type: ignore[arg-type]
        nullable=nullable,
        unit_level=all(b.unit_level for b in (*branches, *conditions)),
        pieces=max(b.pieces for b in branches),
    )


def case(lowering: Lowering, node: exp.Expr) -> Typed:
    """CASE and IF."""
    if isinstance(node, exp.If):
        ifs, default, subject = [node], node.args.get("false"), None
    else:
        ifs, default, subject = node.args["ifs"], node.args.get("default"), node.this
    conditions = []
    for branch in ifs:
        test = exp.EQ(this=subject.copy(), expression=branch.this.copy()) if subject else branch.this
        conditions.append(lowering.boolean(test))
    values = [lowering.lower(branch.args["true"]) for branch in ifs]
    values.append(
        lowering.lower(default) if default is not None else Typed(exp.Null(), None, unit_level=True)
    )
    values = unify(lowering.sql, node, values)
    tree = exp.Case(
        ifs=[exp.If(this=c.sql, true=v.sql) for c, v in zip(conditions, values[:-1], strict=True)],
        default=values[-1].sql,
    )
    nullable = any(v.nullable for v in values)
    return hull(values, conditions, nullable=nullable).at(tree)


def choice(lowering: Lowering, node: exp.Expr) -> Typed:
    """COALESCE, LEAST, GREATEST."""
    parts = unify(lowering.sql, node, [lowering.lower(p) for p in (node.this, *node.expressions)])
    tree = node.copy()  # keeps how NULLs are treated
    tree.set("this", parts[0].sql.copy())
    tree.set("expressions", [p.sql.copy() for p in parts[1:]])
    facts = hull(parts, [], nullable=all(p.nullable for p in parts))
    if isinstance(node, exp.Coalesce):
        return facts.at(tree)
    if not facts.number:
        return replace(facts, sql=tree, keys=None)
    return _extreme(node, parts, replace(facts, sql=tree, keys=None))


def _extreme(node: exp.Expr, parts: list[Typed], facts: Typed) -> Typed:
    """LEAST and GREATEST narrow bounds: this is how a question states a clamp of its own.

    DuckDB's LEAST and GREATEST skip NULLs, so only a part that is never NULL holds the result on its side.
    NaN is the greatest of numbers, so LEAST(…, high) is within `high` even then.
    """
    side, pick = ("high", min) if isinstance(node, exp.Least) else ("low", max)
    other = "low" if side == "high" else "high"
    sure = [getattr(p, side) for p in parts if not p.nullable and p.bounded and getattr(p, side) is not None]
    if not sure:
        return facts
    held = getattr(facts, other) is None or all(p.bounded for p in parts)
    return replace(facts, **{side: pick(sure)}, bounded=held, near=facts.near and not held)


def _outermost(values: list[Decimal | None], pick: Callable[[list[Decimal]], Decimal]) -> Decimal | None:
    """The outermost of the bounds; None when one is unknown."""
    known = [v for v in values if v is not None]
    return pick(known) if known and len(known) == len(values) else None


def _single(t: Typed) -> tuple[object, ...] | None:
    """The one value of a numeric constant, as a public key; None for anything else."""
    if t.low is None or t.low != t.high or not t.bounded or t.nullable or not t.exact:
        return None
    return (int(t.low),) if t.kind is Kind.INTEGER else (t.low,)
