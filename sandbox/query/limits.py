"""Contribution bounding by choice: which groups, or which values, of one unit count.

A unit that may touch more groups than its bound keeps those of least hash. The hash mixes in the unit, so
that units do not all prefer the same groups, and the choice depends on the unit's own rows alone.
"""

from __future__ import annotations

from sqlglot import exp

from sandbox.catalog.model import UNIT_COLUMN
from sandbox.policy.types import Kind, Scalar
from sandbox.query.boundary import Boundary, Key
from sandbox.query.relations import column
from sandbox.query.typed import cast, decimal_type, type_of

NO_GROUP = "__none"


def listed(boundary: Boundary) -> list[exp.Expr]:
    """That keys are public ones: where groups are limited, no unit spends its choice on others."""
    if not boundary.limit_groups or boundary.domain is None:
        return []
    return [in_domain(k, values) for k, values in zip(boundary.keys, boundary.domain, strict=True)]


def least_hash(boundary: Boundary) -> list[exp.Expr]:
    """An order of one unit's groups: by hash, and by the keys themselves where hashes are equal."""
    keys = [column(k.name) for k in boundary.keys]
    return [hashed(*keys), *keys]


def hashed(*parts: exp.Expr) -> exp.Expr:
    """A hash of the unit and `parts`."""
    texts = [
        exp.Coalesce(this=cast(part, "VARCHAR"), expressions=[exp.Literal.string(NO_GROUP)]) for part in parts
    ]
    return exp.Anonymous(this="hash", expressions=[column(UNIT_COLUMN), *texts])


def kept(
    units: exp.Select, rank: exp.Expr, order: list[exp.Expr], most: int, within: tuple[exp.Expr, ...] = ()
) -> exp.Select:
    """The rows of `units` whose `rank` by `order`, within their unit (and `within`), is at most `most`."""
    window = exp.Window(
        this=rank,
        partition_by=[column(UNIT_COLUMN), *within],
        order=exp.Order(expressions=[exp.Ordered(this=e) for e in order]),
    )
    source = exp.Subquery(this=units, alias=exp.TableAlias(this=exp.to_identifier("g")))
    outer = exp.Select(expressions=[exp.Star()]).from_(source, copy=False)
    outer.set("qualify", exp.Qualify(this=exp.LTE(this=window, expression=exp.Literal.number(most))))
    return outer


def in_domain(key: Key, values: tuple[Scalar | None, ...]) -> exp.Expr:
    """That the key is one of its public values."""
    test: exp.Expr = exp.In(
        this=column(key.name), expressions=[key_literal(v, key) for v in values if v is not None]
    )
    if None in values:
        test = exp.Or(this=test, expression=exp.Is(this=column(key.name), expression=exp.Null()))
    return exp.Paren(this=test)


def key_literal(value: Scalar | None, key: Key) -> exp.Expr:
    """A public key as a constant of its column's type."""
    t = key.typed
    types = {
        Kind.INTEGER: "BIGINT", Kind.BOOLEAN: "BOOLEAN", Kind.DATE: "DATE", Kind.TIMESTAMP: "TIMESTAMP",
        Kind.TEXT: "VARCHAR",
    }  # fmt: skip
    to = decimal_type(t.width, t.scale) if t.kind is Kind.DECIMAL else type_of(types[t.kind or Kind.TEXT])
    if value is None:
        return cast(exp.Null(), to)
    if isinstance(value, bool):
        return exp.Boolean(this=value)
    return cast(exp.Literal.string(str(value)), to)
