"""GROUPING SETS, ROLLUP and CUBE over protected rows: one private boundary for each level.

Rules
- ROLLUP (a, b) is the levels (a, b), (a), (); CUBE every subset; several of them multiply.
- A key that a level leaves out is NULL in its rows; GROUPING(key) says which of the two a NULL is.
- Every level shares the question's price like any other boundary, and has its own partition selection.
- ORDER BY, LIMIT and OFFSET are about the levels together.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain, combinations, product

from sqlglot import exp

from sandbox.errors import ErrorCode, SandboxError
from sandbox.query.parse import place_of
from sandbox.query.relations import Public, column
from sandbox.query.sets import PARTS
from sandbox.query.vocabulary import AGGREGATES

MOST_LEVELS = 32
_SETS = (exp.Rollup, exp.Cube, exp.GroupingSets)
_GROUPING = (exp.Grouping, exp.GroupingId)
_ORDER = "__o"
Keys = tuple[exp.Expr, ...]


def has_levels(select: exp.Select) -> bool:
    """Whether the SELECT groups on several levels."""
    group = select.args.get("group")
    return group is not None and any(isinstance(e, _SETS) for e in group.expressions)


def levels_of(select: exp.Select, sql: str) -> tuple[Keys, ...]:
    """The keys of each level, in the order written; no level twice.

    Raises:
        SandboxError: `sql-too-large`.

    """
    parts = [_sets(e) for e in select.args["group"].expressions]
    size = 1
    for part in parts:
        size *= len(part)
    if size > MOST_LEVELS:
        raise SandboxError(
            ErrorCode.SQL_TOO_LARGE,
            f"The question groups on {size:,} levels; at most {MOST_LEVELS} share one price.",
            "Name the levels that you need: GROUPING SETS ((a, b), (a), ()).",
            place=place_of(select.args["group"], sql),
        )
    found: list[Keys] = []
    for choice in product(*parts):
        keys = tuple(dict.fromkeys(chain.from_iterable(choice)))
        if not any(set(keys) == set(known) for known in found):
            found.append(keys)
    return tuple(found)


def _sets(node: exp.Expr) -> list[Keys]:
    """The sets that one item of GROUP BY stands for."""
    items = [_members(e) for e in node.expressions] if isinstance(node, _SETS) else []
    match node:
        case exp.Rollup():
            return [tuple(chain.from_iterable(items[:n])) for n in range(len(items), -1, -1)]
        case exp.Cube():
            sizes = range(len(items), -1, -1)
            chosen = chain.from_iterable(combinations(items, n) for n in sizes)
            # Too many to name are only counted, and refused.
            few = len(items) <= MOST_LEVELS.bit_length()
            return [tuple(chain.from_iterable(c)) for c in chosen] if few else [()] * (MOST_LEVELS + 1)
        case exp.GroupingSets():
            return list(
                chain.from_iterable(
                    _sets(e) if isinstance(e, _SETS) else [_members(e)] for e in node.expressions
                )
            )
    return [_members(node)]


def _members(node: exp.Expr) -> Keys:
    if isinstance(node, exp.Tuple):
        return tuple(e.unnest() for e in node.expressions)
    return (node.unnest(),)


def keys_of(select: exp.Select) -> Keys:
    """Every key of GROUP BY once, on whatever level."""
    group = select.args.get("group")
    leaves = [e for item in (group.expressions if group is not None else ()) for e in _leaves(item)]
    return tuple(dict.fromkeys(leaves))


def _leaves(node: exp.Expr) -> Keys:
    if isinstance(node, (*_SETS, exp.Tuple)):
        return tuple(chain.from_iterable(_leaves(e) for e in node.expressions))
    return (node.unnest(),)


def level(select: exp.Select, keys: Keys, blanks: Mapping[exp.Expr, exp.Expr]) -> exp.Select:
    """The SELECT of one level: its own GROUP BY, no order and no limit.

    `blanks`: NULL in the type of each key, for levels that leave it out.
    """
    result = select.copy()
    for part in ("order", "limit", "offset"):
        result.set(part, None)
    result.set("group", exp.Group(expressions=[k.copy() for k in keys]) if keys else None)
    outputs = [
        exp.alias_(_placed(p.unalias(), keys, blanks), exp.to_identifier(p.alias_or_name, quoted=True))
        for p in select.selects
    ]
    for i, item in enumerate(_sorts(select)):
        outputs.append(exp.alias_(_placed(item, keys, blanks), f"{_ORDER}{i}", quoted=True))
    result.set("expressions", outputs)
    if select.args.get("having") is not None:
        result.set("having", exp.Having(this=_placed(select.args["having"].this, keys, blanks)))
    return result


def _placed(node: exp.Expr, keys: Keys, blanks: Mapping[exp.Expr, exp.Expr]) -> exp.Expr:
    if node in blanks:
        return (node if node in keys else blanks[node]).copy()
    if isinstance(node, _GROUPING):
        bits = "".join("0" if e.unnest() in keys else "1" for e in node.expressions)
        return exp.Literal.number(int(bits, 2))
    if type(node) in AGGREGATES or isinstance(node, exp.Filter | exp.Subquery):
        return node.copy()
    result = node.copy()
    for old, new in zip(list(result.iter_expressions()), list(node.iter_expressions()), strict=True):
        old.replace(_placed(new, keys, blanks))
    return result


def _sorts(select: exp.Select) -> list[exp.Expr]:
    """What ORDER BY sorts by that is no output."""
    names = {p.alias_or_name for p in select.selects}
    order = select.args.get("order")
    items = [o.this for o in order.expressions] if order is not None else []
    return [i for i in items if not (isinstance(i, exp.Column) and not i.table and i.name in names)]


def ordered(select: exp.Select, levels: Public) -> Public:
    """The levels together, in the order that the SELECT asks for."""
    tree = levels.tree.copy()
    names = tuple(p.alias_or_name for p in select.selects)
    tree.set("expressions", [p for p in tree.selects if p.alias_or_name in names])
    order = select.args.get("order")
    if order is not None:
        items, hidden = [], _sorts(select)
        for item in order.expressions:
            moved = item.copy()
            at = next((i for i, h in enumerate(hidden) if h is item.this), None)
            moved.set("this", column(item.this.name) if at is None else column(f"{_ORDER}{at}", PARTS))
            items.append(moved)
        tree.set("order", exp.Order(expressions=items))
    for part in ("limit", "offset"):
        if select.args.get(part) is not None:
            tree.set(part, select.args[part].copy())
    return Public(tree, names)
