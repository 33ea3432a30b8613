"""Joins in the forms that every later step knows: RIGHT turned round, USING without its COALESCE.

- `a RIGHT JOIN b` is `b LEFT JOIN a`, where it is the first join of its FROM.
- The column of `a JOIN b USING (x)` is COALESCE(a.x, b.x), which is a.x: both are equal, or b has no row.
  So it is still a column as it stands, and the unit's own if a's is.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from sandbox.query.vocabulary import sources_of


def settle_joins(tree: exp.Select) -> None:
    """Turn RIGHT joins round and write columns of USING plainly. Changes `tree`, which is qualified."""
    for select in tree.find_all(exp.Select):
        joins = select.args.get("joins") or []
        if not joins:
            continue
        first, *others = joins
        if (first.args.get("side") or "").upper() == "RIGHT" and not any(
            _side(j) in ("RIGHT", "FULL") for j in others
        ):
            left, right = select.args["from_"].this, first.this
            select.args["from_"].set("this", right.copy())
            first.set("this", left.copy())
            first.set("side", "LEFT")
        if not any(_side(j) in ("RIGHT", "FULL") for j in joins):
            _plain_columns(select)


def _side(join: exp.Join) -> str:
    return (join.args.get("side") or "").upper()


def _plain_columns(select: exp.Select) -> None:
    joins = select.args["joins"]
    may_lack = {j.this.alias_or_name for j in joins if _side(j) == "LEFT"}
    equal = {pair for j in joins if j.args.get("on") is not None for pair in _equal(j.args["on"])}
    order = [s.alias_or_name for s in sources_of(select)]
    own = select.walk(prune=lambda n: isinstance(n, exp.Select) and n is not select)
    for node in [n for n in own if isinstance(n, exp.Coalesce)]:
        parts = [node.this, *node.expressions]
        if not all(isinstance(p, exp.Column) and p.name == node.this.name for p in parts):
            continue
        base = next((p for p in parts if p.table in order and p.table not in may_lack), None)
        if base is None:
            continue
        if all(p is base or (base.name, frozenset({base.table, p.table})) in equal for p in parts):
            node.replace(base.copy())


def _equal(on: exp.Expr) -> Iterator[tuple[str, frozenset[str]]]:
    """Names that an ON compares between two tables, as USING does."""
    for part in on.flatten() if isinstance(on, exp.And) else [on]:
        node = part.unnest()
        if (
            isinstance(node, exp.EQ)
            and isinstance(node.left, exp.Column)
            and isinstance(node.right, exp.Column)
            and node.left.name == node.right.name
        ):
            yield node.left.name, frozenset({node.left.table, node.right.table})
