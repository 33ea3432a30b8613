"""The FROM, JOIN and WHERE of a SELECT over protected rows: one scope, joined within the unit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce

from sqlglot import exp

from sandbox.catalog.model import UNIT_COLUMN
from sandbox.errors import ErrorCode, SandboxError
from sandbox.query.expressions import Lowering
from sandbox.query.parse import place_of
from sandbox.query.relations import Contribution, Rows, column
from sandbox.query.typed import Typed


@dataclass(frozen=True, slots=True)
class Scope:
    """Protected sources of one SELECT, joined on the unit."""

    sources: Mapping[str, Rows]
    lowering: Lowering
    unit: str
    bound: Contribution
    ons: tuple[exp.Expr, ...]

    @property
    def unit_column(self) -> exp.Column:
        """`__unit` of the first source."""
        return column(UNIT_COLUMN, next(iter(self.sources)))

    def tree(self, select: exp.Select, outputs: list[exp.Expr]) -> exp.Select:
        """SELECT outputs FROM the sources, joined on `__unit`, WHERE the question's condition."""
        aliases = list(self.sources)
        result = exp.Select(expressions=outputs)
        for alias in aliases:
            identifier = exp.TableAlias(this=exp.to_identifier(alias, quoted=True))
            source = exp.Subquery(this=self.sources[alias].tree.copy(), alias=identifier)
            if alias == aliases[0]:
                result = result.from_(source, copy=False)
            else:
                same = exp.EQ(this=self.unit_column, expression=column(UNIT_COLUMN, alias))
                result = result.join(source, on=same, join_type="INNER", copy=False)
        where = select.args.get("where")
        conditions = [*self.ons, *([self.lowering.boolean(where.this).sql] if where else [])]
        return result.where(*(c.copy() for c in conditions), copy=False) if conditions else result


def sources_of(select: exp.Select) -> Iterator[exp.Expr]:
    """The items of FROM and JOIN."""
    from_ = select.args.get("from_")
    if from_ is not None:
        yield from_.this
    for join in select.args.get("joins") or ():
        yield join.this


def combine(select: exp.Select, sources: Mapping[str, Rows], sql: str) -> Scope:
    """One scope of several protected sources.

    Raises:
        SandboxError: `sql-join` when two sources are not joined on their unit, or not INNER.

    """

    def lookup(node: exp.Column) -> Typed:
        source = sources.get(node.table)
        known = source.columns.get(node.name.lower()) if source is not None else None
        if known is None:
            raise SandboxError(
                ErrorCode.SQL_NAME_UNKNOWN,
                f"There is no column {node.name[:80]} that you may use here.",
                "List the columns: sandbox datasets.",
                place=place_of(node, sql),
            )
        return known.at(column(node.name, node.table))

    lowering = Lowering(lookup, sql)
    _check_joins(select, sources, lowering, sql)
    units = {s.unit for s in sources.values()}
    if len(units) > 1:
        raise SandboxError(
            ErrorCode.SQL_JOIN,
            f"The tables protect different units: {', '.join(sorted(units))}.",
            "Join tables of one privacy unit.",
        )
    ons = tuple(
        lowering.boolean(j.args["on"]).sql for j in select.args.get("joins") or () if j.args.get("on")
    )
    bound = reduce(Contribution.joined, (s.bound for s in sources.values()))
    return Scope(sources, lowering, units.pop(), bound, ons)


def _check_joins(select: exp.Select, sources: Mapping[str, Rows], lowering: Lowering, sql: str) -> None:
    joins = select.args.get("joins") or []
    for join in joins:
        if join.args.get("side") or (join.args.get("kind") or "INNER").upper() not in ("INNER", "CROSS"):
            raise SandboxError(
                ErrorCode.SQL_JOIN,
                "Protected tables are joined by INNER JOIN only.",
                "Use JOIN … ON a.unit = b.unit.",
                place=place_of(join, sql),
            )
    where = select.args.get("where")
    conditions = [j.args["on"] for j in joins if j.args.get("on")] + ([where.this] if where else [])
    joined = {next(iter(sources))}
    equalities = [e for c in conditions for e in _conjuncts(c) if isinstance(e, exp.EQ)]
    grown = True
    while grown:
        grown = False
        for equality in equalities:
            pair = _linked_pair(equality, lowering)
            if pair is not None and len(pair & joined) == 1:
                joined |= pair
                grown = True
    for alias in sources:
        if alias not in joined:
            raise SandboxError(
                ErrorCode.SQL_JOIN,
                f"{alias} is not joined on the privacy unit, so it would mix rows of different units.",
                "Join on the unit's own columns, as in: ON a.id = b.id.",
                place=next((place_of(j, sql) for j in joins if j.this.alias_or_name == alias), None),
            )


def _conjuncts(node: exp.Expr) -> Iterator[exp.Expr]:
    node = node.unnest()
    if isinstance(node, exp.And):
        yield from _conjuncts(node.left)
        yield from _conjuncts(node.right)
    else:
        yield node


def _linked_pair(equality: exp.EQ, lowering: Lowering) -> set[str] | None:
    """The two sources that an equality of linked columns joins."""
    left, right = equality.left.unnest(), equality.right.unnest()
    if not (isinstance(left, exp.Column) and isinstance(right, exp.Column)) or left.table == right.table:
        return None
    shared = lowering.lookup(left).links & lowering.lookup(right).links
    return {left.table, right.table} if shared else None
