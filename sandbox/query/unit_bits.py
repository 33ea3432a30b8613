"""Counting the units of each group with a bit for each unit, where `COUNT(DISTINCT …)` would keep pairs.

`__number` tells the units of one stored table apart as `__unit` does, and is dense. Where the rows of a
boundary get their `__unit` from one stored table, they can have its `__number` beside it, and there are as
many different units as different numbers. A set of numbers is a row of bits, which the engine fills three
times as fast as a hash table of (group, unit). Only public groups have one, so that strange keys cannot take
the memory.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from sqlglot import exp

from sandbox.catalog.model import NUMBER_COLUMN, UNIT_COLUMN
from sandbox.policy.types import Kind
from sandbox.query.boundary import Boundary
from sandbox.query.kept_parts import parts, replaced
from sandbox.query.limits import in_domain, key_literal
from sandbox.query.relations import aliased, column

MOST_BITS = 2**27  # of all groups together, 16 MiB for each thread


def numbered(rows: exp.Select) -> bool:
    """Give `rows` the `__number` of the stored table that its `__unit` comes from; False if there is none."""
    if not isinstance(rows, exp.Select) or rows.args.get("group") or rows.args.get("distinct"):
        return False
    unit = next((p.unalias() for p in rows.selects if p.alias_or_name == UNIT_COLUMN), None)
    if not isinstance(unit, exp.Column):
        return False
    joined = [j.this for j in rows.args.get("joins") or ()]
    sources = [rows.args["from_"].this, *joined]
    source = next((s for s in sources if s.alias_or_name == unit.table), None) if unit.table else sources[0]
    if not isinstance(source, exp.Subquery | exp.Table) or (not unit.table and joined):
        return False
    if isinstance(source, exp.Subquery) and not numbered(source.this):
        return False
    rows.select(aliased(column(NUMBER_COLUMN, unit.table or None), NUMBER_COLUMN), copy=False)
    return True


def groups_of(boundary: Boundary) -> int:
    """How many public groups the boundary has."""
    return math.prod(len(values) for values in boundary.domain or ())


def public_only(boundary: Boundary) -> list[exp.Expr]:
    """That each key is a public one. Rows with others would not be shown anyway.

    A text is looked up by a function of one column: the engine computes that once for each entry of the
    column's dictionary, where it would compare every row.
    """
    tests: list[exp.Expr] = []
    for key, values in zip(boundary.keys, boundary.domain or (), strict=True):
        if key.typed.kind is not Kind.TEXT:
            tests.append(in_domain(key, values))
            continue
        texts = exp.Array(expressions=[key_literal(v, key) for v in values if v is not None])
        place = exp.Anonymous(this="list_position", expressions=[texts, column(key.name)])
        listed: exp.Expr = exp.Not(this=exp.Paren(this=exp.Is(this=place, expression=exp.Null())))
        if None in values:
            listed = exp.Paren(
                this=exp.Or(this=listed, expression=exp.Is(this=column(key.name), expression=exp.Null()))
            )
        tests.append(listed)
    return tests


def by_bits(tree: exp.Select, boundary: Boundary, units: Mapping[str, int]) -> exp.Select:
    """`tree` with its count of `__number` as a count of bits, where there is one and the bits have room.

    Args:
        tree: of `boundary`; it is not changed.
        boundary: tells how many groups there are.
        units: how many units each stored table has, by placeholder name. Only how the answer is computed
            depends on it.

    """
    count = next((c for c in parts(tree, exp.Count) if _counts_numbers(c)), None)
    if count is None:
        return tree
    source = next(t for t in parts(tree, exp.Table) if _numbers(t))
    most = units.get(source.name, 0)
    if not 0 < most * groups_of(boundary) <= MOST_BITS:
        return tree
    ends = [exp.Literal.number(0), exp.Literal.number(most - 1)]
    bits = exp.Anonymous(this="bitstring_agg", expressions=[column(NUMBER_COLUMN), *ends])
    ones = exp.Anonymous(this="bit_count", expressions=[bits])
    known = exp.Coalesce(this=ones, expressions=[exp.Literal.number(0)])
    placed = replaced(tree, count, known)
    assert isinstance(placed, exp.Select)  # noqa: S101 -- made anew from one
    return placed


def _counts_numbers(count: exp.Count) -> bool:
    inside = count.this
    return isinstance(inside, exp.Distinct) and inside.expressions == [column(NUMBER_COLUMN)]


def _numbers(table: exp.Table) -> bool:
    select = table.find_ancestor(exp.Select)
    return select is not None and any(p.alias_or_name == NUMBER_COLUMN for p in select.selects)
