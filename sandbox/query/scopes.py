"""The FROM, JOIN and WHERE of a SELECT over protected rows: one scope, joined within the unit.

Rules
- Protected sources are joined on their unit: the question says so by an equality of the unit's columns
  (or of a foreign key that leads to it), and `a.__unit = b.__unit` is added.
- An open source is joined on an equality of columns. How many of its rows one row meets is not known, so
  the contribution bounds are enforced after such a join, never assumed; unless a declared key is compared.
- INNER, and LEFT with protected rows on the left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from sandbox.catalog.model import UNIT_COLUMN
from sandbox.errors import ErrorCode, SandboxError
from sandbox.query.correlated import check_rows_found
from sandbox.query.expressions import Lowering
from sandbox.query.narrowed import of_remaining
from sandbox.query.open_keys import keys_met
from sandbox.query.parse import place_of
from sandbox.query.relations import Contribution, Open, OpenKey, Rows, Unique, column
from sandbox.query.typed import Typed, whole_constant
from sandbox.query.vocabulary import conjuncts

MOST_JOINED_ROWS = 1_000_000
Source = Rows | Open
# One row meets every row of an open table with its key: each further one could multiply the time it takes.
MOST_OPEN = 2
NestedInUnit = Callable[[exp.In | exp.Subquery, Lowering, Callable[[exp.Column], Typed], str], Typed]


@dataclass(frozen=True, slots=True)
class Joined:
    """One source: LEFT or not, and its ON condition (None: none, or moved into `where`)."""

    alias: str
    source: Source
    left: bool
    on: exp.Expr | None

    @property
    def columns(self) -> Mapping[str, Typed]:
        """What is known of its columns."""
        return _columns(self.source)


@dataclass(frozen=True, slots=True)
class Scope:
    """Sources of one SELECT; the first is protected. `bound` relies on the keys of open tables in `keys`.

    `filtering` lowers what rows are filtered by, `lowering` what is computed of those that are left.
    """

    sources: tuple[Joined, ...]
    filtering: Lowering
    lowering: Lowering
    unit: str
    bound: Contribution
    conditions: tuple[exp.Expr, ...]
    keys: frozenset[OpenKey] = frozenset()

    @property
    def unit_column(self) -> exp.Column:
        """`__unit` of the first source."""
        return column(UNIT_COLUMN, self.sources[0].alias)

    def tree(self, select: exp.Select, outputs: list[exp.Expr]) -> exp.Select:
        """SELECT outputs FROM the sources, WHERE the question's conditions."""
        result = exp.Select(expressions=outputs)
        for i, joined in enumerate(self.sources):
            identifier = exp.TableAlias(this=exp.to_identifier(joined.alias, quoted=True))
            stored = joined.source.stored if isinstance(joined.source, Open) else joined.source.tree
            source = exp.Subquery(this=stored.copy(), alias=identifier)
            if i == 0:
                result = result.from_(source, copy=False)
                continue
            ons = [joined.on.copy()] if joined.on is not None else []
            if isinstance(joined.source, Rows):
                ons.insert(0, exp.EQ(this=self.unit_column, expression=column(UNIT_COLUMN, joined.alias)))
            kind = "LEFT" if joined.left else "INNER" if ons else "CROSS"
            result = result.join(source, on=exp.and_(*ons) if ons else None, join_type=kind, copy=False)
        where = select.args.get("where")
        conditions = [*self.conditions, *([self.filtering.boolean(where.this).sql] if where else [])]
        return result.where(*(c.copy() for c in conditions), copy=False) if conditions else result


def combine(
    select: exp.Select,
    sources: Mapping[str, Source],
    sql: str,
    nested: NestedInUnit,
) -> Scope:
    """One scope of several sources, at least one of them protected.

    Args:
        select: qualified.
        sources: by alias, in the order of FROM.
        sql: the question's text, for places.
        nested: lowers a SELECT in an expression, given what lowers the rest of it, the columns as they are
            before any outer join, and the privacy unit.

    Raises:
        SandboxError: `sql-join` when sources are not joined on their unit, or not INNER or LEFT.

    """
    left = _left_joined(select, sources, sql)
    steady: set[str] = set()

    def stored(node: exp.Column) -> Typed:
        source = sources.get(node.table)
        known = _columns(source).get(node.name.lower()) if source is not None else None
        if known is None:
            raise SandboxError(
                ErrorCode.SQL_NAME_UNKNOWN,
                f"There is no column {node.name[:80]} that you may use here.",
                "List the columns: sandbox datasets.",
                place=place_of(node, sql),
            )
        found = known.at(column(node.name, node.table))
        # Joined rows may repeat a row's number.
        return found if len(sources) == 1 else replace(found, ordinal=False)

    def lookup(node: exp.Column) -> Typed:
        found = stored(node)
        if node.table not in left:
            return found
        # Whether a row on the left finds its partner may differ between the rows of one unit, unless the unit
        # is all that is compared and has one row at most. Without a partner its unit's column is NULL, so
        # that it stands for the unit in the join's own condition alone.
        same = found.unit_level and node.table in steady
        return replace(found, nullable=True, unit_level=same, links=frozenset())

    units = {s.unit for s in sources.values() if isinstance(s, Rows)}
    if len(units) > 1:
        raise SandboxError(
            ErrorCode.SQL_JOIN,
            f"The tables protect different units: {', '.join(sorted(units))}.",
            "Join tables of one privacy unit.",
        )
    unit = next(iter(units))

    def looked_up(node: exp.In | exp.Subquery, lowering: Lowering) -> Typed:
        def of_unit(column: exp.Column) -> Typed:
            return stored(column) if column.table in sources else lowering.lookup(column)

        found = nested(node, lowering, of_unit, unit)
        outer = isinstance(node.this, exp.Column) and node.this.table in left
        return replace(found, nullable=True, unit_level=False) if outer else found

    protected = frozenset(alias for alias, s in sources.items() if isinstance(s, Rows))
    keys = keys_met(select, sources, left, stored, protected)
    _check_spread(select, sources, keys, sql)
    check_rows_found(select, sources, keys, sql)
    order, free = _order(sources, left)
    lowering = Lowering(lookup, sql, looked_up)
    _check_connected(select, sources, order[0], stored, sql)
    steady |= _steady(select, sources, left, stored)
    ons = {j.this.alias_or_name: j.args["on"] for j in select.args.get("joins") or () if j.args.get("on")}
    joined = []
    conditions = []
    for i, alias in enumerate(order):
        on = lowering.boolean(ons[alias]).sql if alias in ons else None
        if on is not None and i < free:
            conditions.append(on)
            on = None
        joined.append(Joined(alias, sources[alias], alias in left, on))
    bound = _bound([sources[alias] for alias in order if alias not in keys])
    where = select.args.get("where")
    if where is not None:
        bound = bound.held_to(most_numbered(where.this, lowering))
    if bound.met > MOST_JOINED_ROWS:
        raise SandboxError(
            ErrorCode.SQL_JOIN,
            f"One {next(iter(units))} may have {bound.met:,} rows in this join; "
            f"at most {MOST_JOINED_ROWS:,} are joined.",
            "Aggregate each table within the unit first: SELECT id, COUNT(*) … GROUP BY id.",
            place=place_of(select.args["joins"][-1], sql) if select.args.get("joins") else None,
        )
    remaining = of_remaining(where, lowering)
    return Scope(
        tuple(joined),
        lowering,
        remaining,
        units.pop(),
        bound,
        tuple(conditions),
        frozenset(key for met in keys.values() for key in met.keys),
    )


def _check_spread(
    select: exp.Select, sources: Mapping[str, Source], keys: Mapping[str, Unique], sql: str
) -> None:
    """Refuse more open tables whose rows multiply than can be joined in reasonable time."""
    if sum(s.spread for alias, s in sources.items() if isinstance(s, Open) and alias not in keys) > MOST_OPEN:
        raise SandboxError(
            ErrorCode.SQL_JOIN,
            f"At most {MOST_OPEN} open tables can be joined to protected rows at once, beside those joined "
            "by a key that their policy declares unique.",
            "Join the answer to the others: aggregate first, in a subquery.",
            place=place_of(select.args["joins"][-1], sql),
        )


def _bound(sources: Sequence[Source]) -> Contribution:
    """Bounds of the join of sources, the first of them protected."""
    bound: Contribution | None = None
    for source in sources:
        if isinstance(source, Open):
            assert bound is not None  # noqa: S101 -- the first is protected
            bound = bound.fanned_out()
        else:
            bound = source.bound if bound is None else bound.joined(source.bound)
    assert bound is not None  # noqa: S101 -- as above
    return bound


def _columns(source: Source) -> Mapping[str, Typed]:
    return source.typed if isinstance(source, Open) else source.columns


def _order(sources: Mapping[str, Source], left: frozenset[str]) -> tuple[list[str], int]:
    """Aliases with a protected one first, and how many of them may come in any order.

    Those before the first LEFT join may: their own conditions may stand in WHERE, which keeps or drops rows
    of the left side whole. From there on, and where LEFT joins follow a protected one at once, as written.
    """
    names = list(sources)
    if left and isinstance(sources[names[0]], Rows):
        return names, 0
    free = next((i for i, name in enumerate(names) if name in left), len(names))
    return sorted(names[:free], key=lambda a: isinstance(sources[a], Open)) + names[free:], free


def _left_joined(select: exp.Select, sources: Mapping[str, Source], sql: str) -> frozenset[str]:
    """Aliases on the right of a LEFT join."""
    left: set[str] = set()
    names = list(sources)
    for join in select.args.get("joins") or ():
        side, kind = (join.args.get("side") or "").upper(), (join.args.get("kind") or "INNER").upper()
        name = join.this.alias_or_name
        before = names[: names.index(name)]
        if (
            side == "LEFT"
            and kind in ("INNER", "OUTER")
            and any(isinstance(sources[b], Rows) for b in before)
        ):
            left.add(name)
        elif side or kind not in ("INNER", "CROSS"):
            raise SandboxError(
                ErrorCode.SQL_JOIN,
                "Protected tables are joined by INNER JOIN, or by LEFT JOIN with protected rows on the left.",
                "Use JOIN … ON a.unit = b.unit, or turn the LEFT JOIN round.",
                place=place_of(join, sql),
            )
    return frozenset(left)


def _steady(
    select: exp.Select,
    sources: Mapping[str, Source],
    left: frozenset[str],
    stored: Callable[[exp.Column], Typed],
) -> set[str]:
    """Outer-joined sources of one row of each unit, joined on nothing but the unit of an inner one."""
    found = set()
    for join in select.args.get("joins") or ():
        alias, on = join.this.alias_or_name, join.args.get("on")
        source = sources[alias]
        if alias not in left or not isinstance(on, exp.EQ) or not isinstance(source, Rows):
            continue
        pair = _pair(on, sources, stored)
        if source.bound.once and pair is not None and alias in pair and not (pair - {alias}) & left:
            found.add(alias)
    return found


def _check_connected(
    select: exp.Select,
    sources: Mapping[str, Source],
    first: str,
    stored: Callable[[exp.Column], Typed],
    sql: str,
) -> None:
    """Every protected source hangs together by its unit, every open one by some equality."""
    joins = select.args.get("joins") or []
    where = select.args.get("where")
    conditions = [j.args["on"] for j in joins if j.args.get("on")] + ([where.this] if where else [])
    equalities = [e for c in conditions for e in conjuncts(c) if isinstance(e, exp.EQ)]
    joined = {first}
    grown = True
    while grown:
        grown = False
        for equality in equalities:
            pair = _pair(equality, sources, stored)
            if pair is not None and len(pair & joined) == 1:
                joined |= pair
                grown = True
    for alias, source in sources.items():
        if alias in joined:
            continue
        what, hint = (
            ("is not joined on the privacy unit, so it would mix rows of different units.", "ON a.id = b.id")
            if isinstance(source, Rows)
            else ("is not joined to the protected rows by an equality of columns.", "ON a.city = b.city")
        )
        raise SandboxError(
            ErrorCode.SQL_JOIN,
            f"{alias} {what}",
            f"Write the equality, as in: {hint}.",
            place=next((place_of(j, sql) for j in joins if j.this.alias_or_name == alias), None),
        )


def most_numbered(condition: exp.Expr, lowering: Lowering) -> int | None:
    """Most rows of one unit that a condition on their number keeps (`number <= 3`); None: any."""
    most: list[int] = []
    for part in conjuncts(condition):
        if not isinstance(part, exp.EQ | exp.LT | exp.LTE):
            continue
        number, limit = part.left.unnest(), whole_constant(part.right.unnest(), MOST_JOINED_ROWS)
        if limit is None or not isinstance(number, exp.Column | exp.Window):
            continue
        if lowering.lower(number).ordinal:
            most.append(1 if isinstance(part, exp.EQ) else limit - isinstance(part, exp.LT))
    return min(most, default=None)


def _pair(
    equality: exp.EQ, sources: Mapping[str, Source], stored: Callable[[exp.Column], Typed]
) -> set[str] | None:
    """The two sources that an equality of columns joins: linked ones when both are protected."""
    left, right = equality.left.unnest(), equality.right.unnest()
    if not (isinstance(left, exp.Column) and isinstance(right, exp.Column)) or left.table == right.table:
        return None
    a, b = stored(left), stored(right)
    protected = isinstance(sources[left.table], Rows) and isinstance(sources[right.table], Rows)
    return {left.table, right.table} if not protected or a.links & b.links else None
