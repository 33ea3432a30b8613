"""Open tables of which one row meets at most one row, because a declared key is compared as a whole.

Where a policy's `checks` declare a key of an open table unique, and the load has checked it, an equality of
all its columns with columns of rows that are there already finds one row or none: the join adds no rows, so
the contribution bounds of the other side still hold (docs/privacy-proofs.md, section 1).

Only what compares without loss counts: whole numbers with whole numbers, texts with texts, days with days;
and never behind a mask, which makes different keys alike. NULL is equal to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from sqlglot import exp

from sandbox.policy.types import Kind, TablePolicy
from sandbox.query.relations import Open, OpenKey, Rows, Unique
from sandbox.query.typed import Typed
from sandbox.query.vocabulary import conjuncts

_EXACT = (Kind.INTEGER, Kind.TEXT, Kind.DATE)


def declared_keys(dataset: str, table: str, policy: TablePolicy) -> tuple[Unique, ...]:
    """The keys of an open table that a join may rely on."""
    keys = (
        OpenKey(dataset, table, frozenset(name.lower() for name in key))
        for key in policy.checks.unique
        if all(policy.columns[n].type in _EXACT and policy.columns[n].shown_as is None for n in key)
    )
    return tuple(Unique(key.columns, frozenset({key})) for key in keys)


def keys_met(
    select: exp.Select,
    sources: Mapping[str, Rows | Open],
    left: frozenset[str],
    stored: Callable[[exp.Column], Typed],
    fixed: frozenset[str],
) -> dict[str, Unique]:
    """By alias of each open source of which a joined row meets at most one row: the key that says so.

    Args:
        select: qualified.
        sources: by alias.
        left: aliases on the right of a LEFT join, whose own condition may decide nothing about others.
        stored: what is known of a column.
        fixed: aliases of the sources whose rows are there already.

    """
    equal: dict[str, dict[str, set[str]]] = {}
    for own, equality in _equalities(select, left):
        sides = equality.left.unnest(), equality.right.unnest()
        for mine, other in (sides, reversed(sides)):
            if not isinstance(mine, exp.Column) or not isinstance(other, exp.Column):
                continue
            if _compared(mine, other, stored) and own in (None, mine.table):
                equal.setdefault(mine.table, {}).setdefault(mine.name.lower(), set()).add(other.table)
    there = set(fixed)
    found: dict[str, Unique] = {}
    grown = True
    while grown:
        grown = False
        for alias, source in sources.items():
            if alias in there or not isinstance(source, Open):
                continue
            by = equal.get(alias, {})
            key = next((k for k in source.unique if all(by.get(c, set()) & there for c in k.columns)), None)
            if key is not None:
                there.add(alias)
                found[alias] = key
                grown = True
    return found


def _equalities(select: exp.Select, left: frozenset[str]) -> Iterator[tuple[str | None, exp.EQ]]:
    """Equalities that every joined row meets (None), or every row of one outer-joined source (its alias)."""
    where = select.args.get("where")
    conditions: list[tuple[str | None, exp.Expr]] = [(None, where.this)] if where is not None else []
    for join in select.args.get("joins") or ():
        if join.args.get("on") is not None:
            alias = join.this.alias_or_name
            conditions.append((alias if alias in left else None, join.args["on"]))
    for own, condition in conditions:
        for part in conjuncts(condition):
            if isinstance(part, exp.EQ):
                yield own, part


def _compared(mine: exp.Column, other: exp.Column, stored: Callable[[exp.Column], Typed]) -> bool:
    """Whether two columns of different sources are compared without loss."""
    kind = stored(mine).kind
    return mine.table != other.table and kind in _EXACT and kind is stored(other).kind
