"""Set operations of protected rows, below the private boundary.

Rules
- Both sides are rows of one privacy unit. UNION ALL puts them together: contribution bounds add up.
- UNION, INTERSECT and EXCEPT compare rows, and a row that two units have in common would let one decide over
  the other's. So one of the columns is the unit's own, on both sides: then only rows of one unit are equal.
- The rewriter keeps `__unit` on both sides, and compares it too.
"""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from sandbox.catalog.model import UNIT_COLUMN
from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.types import Kind
from sandbox.query.choices import hull, unify
from sandbox.query.parse import place_of
from sandbox.query.relations import Contribution, Rows, column
from sandbox.query.sets import PARTS
from sandbox.query.typed import Typed, cast, operand
from sandbox.query.vocabulary import spoken_name


def combined(node: exp.SetOperation, left: Rows, right: Rows, sql: str) -> Rows:
    """The rows of both sides; `sql` is the question's text, for places.

    Raises:
        SandboxError: `sql-join` for two privacy units, `sql-type`, `sql-unsupported`, `bounds-missing`.

    """
    if left.unit != right.unit:
        raise SandboxError(
            ErrorCode.SQL_JOIN,
            f"The two sides protect different units: {left.unit} and {right.unit}.",
            "Aggregate each side, and put the answers together.",
            place=place_of(node, sql),
        )
    distinct = bool(node.args.get("distinct")) or not isinstance(node, exp.Union)
    pairs = {name: (left.columns[name], right.columns[name]) for name in left.columns}
    if distinct and not any(_own(a, left.unit) and _own(b, left.unit) for a, b in pairs.values()):
        raise SandboxError(
            ErrorCode.SQL_UNSUPPORTED,
            f"{spoken_name(node)} of protected rows compares rows of different units.",
            f"Keep the column of the {left.unit} on both sides; or use UNION ALL, or IN and NOT IN.",
            place=place_of(node, sql),
        )
    sides: tuple[list[exp.Expr], list[exp.Expr]] = ([], [])
    columns: dict[str, Typed] = {}
    for name, (a, b) in pairs.items():
        both = unify(sql, node, [t.at(column(name, PARTS)) for t in (a, b)])
        for outputs, typed in zip(sides, both, strict=True):
            outputs.append(_named(_settled(typed) if distinct else typed.sql, name))
        facts = hull(both, [], nullable=a.nullable or b.nullable)
        columns[name] = replace(
            facts, sql=column(name), links=a.links & b.links, unit_level=False, ordinal=False
        )
    trees = [_side(rows.tree, outputs) for rows, outputs in zip((left, right), sides, strict=True)]
    whole = type(node)(this=trees[0], expression=trees[1], distinct=node.args.get("distinct"))
    source = exp.Subquery(this=whole, alias=exp.TableAlias(this=exp.to_identifier(PARTS, quoted=True)))
    outputs = [_named(column(name, PARTS), name) for name in (*columns, UNIT_COLUMN)]
    tree = exp.Select(expressions=outputs).from_(source, copy=False)
    return Rows(tree, columns, left.unit, _bound(node, left.bound, right.bound))


def _bound(node: exp.SetOperation, left: Contribution, right: Contribution) -> Contribution:
    """EXCEPT and INTERSECT keep rows of the left side, at most; UNION those of both."""
    return left.added(right) if isinstance(node, exp.Union) else left


def _own(t: Typed, unit: str) -> bool:
    return f"unit:{unit}" in t.links and not t.nullable


def _settled(t: Typed) -> exp.Expr:
    """0.0 and -0.0 are one row to a comparison, and two to a cast: only the first is left."""
    if t.kind is not Kind.DOUBLE:
        return t.sql
    return exp.Add(this=operand(t.sql), expression=cast(exp.Literal.string("0"), "DOUBLE"))


def _side(tree: exp.Select, outputs: list[exp.Expr]) -> exp.Select:
    source = exp.Subquery(this=tree.copy(), alias=exp.TableAlias(this=exp.to_identifier(PARTS, quoted=True)))
    unit = _named(column(UNIT_COLUMN, PARTS), UNIT_COLUMN)
    return exp.Select(expressions=[*outputs, unit]).from_(source, copy=False)


def _named(tree: exp.Expr, name: str) -> exp.Alias:
    return exp.Alias(this=tree.copy(), alias=exp.to_identifier(name, quoted=True))
