"""Half-widths of answers that are joined: each column has those of the side that it comes from.

    SELECT a.n, a.n / b.m FROM (SELECT k, m0 AS n …) AS a JOIN (SELECT k, m0 AS m …) AS b ON a.k = b.k

A row of the join is made of one row of each side, so what is computed of it moves as its noisy numbers do.
Which rows meet must not be chosen by noise: conditions of joins read keys alone. Where a LEFT join finds no
row the number is NULL and has no half-width; what stands in for it (COALESCE) is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from sandbox.query.kept_parts import different
from sandbox.query.relations import column
from sandbox.query.vocabulary import has_aggregate

ERROR_PREFIX = "__h"
Vectors = frozenset[tuple[str, str]]
"""Names of boundaries, each with a measure (or tree of ranks) of it: one vector with one mechanism."""


@dataclass(frozen=True, slots=True)
class Number:
    """A noisy column: its half-width (None: it has none), and the noise behind it.

    `direct`: the noisy number that it is as it stands, by boundary and measure. `alone`: nothing that is
    computed of it has a half-width.
    """

    width: exp.Expr | None
    vectors: Vectors
    moment: bool = False
    direct: tuple[str, str] | None = None
    alone: bool = False


Numbers = Mapping[tuple[str, str], Number]
"""Noisy columns by table and name."""


@dataclass(frozen=True, slots=True)
class WithErrors:
    """A post-processing SELECT whose half-widths follow its columns.

    In these, parts that are the same may be the same object (see `kept_parts`): it is read or copied.
    `noisy`: indexes of columns that depend on noise. `direct`: those that are one noisy number as it is.
    `moments`: those that are a noisy day or time. `alone`: those, and maps. `vectors`: the noise behind each
    column with a half-width.
    """

    tree: exp.Select
    noisy: frozenset[int]
    direct: Mapping[int, tuple[str, str]]
    moments: frozenset[int] = frozenset()
    alone: frozenset[int] = frozenset()
    vectors: Mapping[int, Vectors] = field(default_factory=dict)


def aggregates(tree: exp.Select) -> bool:
    """Whether rows of the SELECT are not rows of its sources."""
    parts = [*tree.selects, *(tree.args[p] for p in ("order", "qualify") if tree.args.get(p))]
    grouped = any(tree.args.get(part) for part in ("group", "having", "distinct"))
    return grouped or any(has_aggregate(p) for p in parts)


def joined(tree: exp.Select, errors_of: Callable[[exp.Select], WithErrors]) -> Numbers | None:
    """The noisy columns of the sides of a join (or of one SELECT), each of which gets its half-widths.

    None where rows are not made of one row of each side. `errors_of`: a side with its half-widths. `tree` is
    changed.
    """
    joins = tree.args.get("joins") or []
    if tree.args.get("from_") is None or aggregates(tree):
        return None
    if any(p.find(exp.Window) is not None for p in tree.selects):
        return None  # which rows are in its frame, the join decides
    holders = [tree.args["from_"], *joins]
    if not all(isinstance(h.this, exp.Subquery) and isinstance(h.this.this, exp.Select) for h in holders):
        return None
    if any(
        h.this.this.args.get(part) for h in holders for part in ("limit", "offset", "qualify", "distinct")
    ):
        return None  # which rows there are, noise decides
    found: dict[tuple[str, str], Number] = {}
    sides = []
    for holder in holders:
        alias, names = holder.this.alias_or_name, [p.alias_or_name for p in holder.this.this.selects]
        side = errors_of(holder.this.this)
        sides.append(side.tree)
        known = {p.alias_or_name for p in side.tree.selects[len(names) :]}
        for i in side.noisy:
            width = column(f"{ERROR_PREFIX}{i}", alias) if f"{ERROR_PREFIX}{i}" in known else None
            vectors, moment = side.vectors.get(i, Vectors()), i in side.moments
            found[alias, names[i]] = Number(width, vectors, moment, side.direct.get(i), i in side.alone)
    ons = [c for join in joins for c in _conditions(join)]
    if any((c.table, c.name) in found or not c.table for c in ons):
        return None
    for holder, side_tree in zip(holders, sides, strict=True):
        holder.this.set("this", side_tree)
    return found


def leave_out_unread(tree: exp.Select) -> None:
    """Take out of the sides of a join, and of theirs, the half-widths that nothing reads; changes `tree`."""
    read = {(c.table, c.name) for p in tree.selects for c in different(p) if isinstance(c, exp.Column)}
    for holder in (tree.args.get("from_"), *(tree.args.get("joins") or ())):
        side = holder.this.this if holder is not None and isinstance(holder.this, exp.Subquery) else None
        if isinstance(side, exp.Select):
            alias = holder.this.alias_or_name
            names = [(alias, p.alias_or_name) for p in side.selects]
            kept = [not name.startswith(ERROR_PREFIX) or (of, name) in read for of, name in names]
            side.set("expressions", [p for p, keep in zip(side.selects, kept, strict=True) if keep])
            leave_out_unread(side)


def _conditions(join: exp.Join) -> list[exp.Column]:
    on = [join.args["on"]] if join.args.get("on") is not None else []
    using = [n if isinstance(n, exp.Column) else exp.Column(this=n) for n in join.args.get("using") or ()]
    return [*using, *(c for part in on for c in part.find_all(exp.Column))]
