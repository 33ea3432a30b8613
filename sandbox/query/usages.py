"""How a question uses each protected or open column: what the policy decides on.

The use of a column is set by the construct around it, going outward, also through subqueries:
a condition is `filter`, a group key `group_by`, COUNT `count_distinct_only`, SUM and AVG `sum_mean`,
an equality of two units and grouping by the unit `join_only`, and a value that reaches the answer as
it is `open`. After a LEFT JOIN on the unit, `IS NULL` of the column that joined is `join_only` too: it says
what NOT EXISTS says.

Only a column as it stands joins, is a unit or is merely counted. What is computed from it can single out
one value (COUNT(NULLIF(id, 7)), GROUP BY id // 10): that is a condition or a group key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlglot import exp

from sandbox.errors import Place
from sandbox.policy.types import TablePolicy, Use
from sandbox.query.grouping_sets import keys_of
from sandbox.query.parse import place_of
from sandbox.query.vocabulary import AGGREGATES, conjuncts, has_aggregate

TableKey = tuple[str, str]
Origin = tuple[TableKey, str]

_PREDICATES = (
    exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Is, exp.In,
    exp.Between, exp.Like, exp.ILike, exp.StartsWith, exp.EndsWith, exp.Contains, exp.RegexpLike,
    exp.SimilarTo,
)  # fmt: skip
# Of aggregates whose value is compared, or named in the answer; of all others SUM_MEAN.
_USES: dict[type, Use] = {
    exp.CountIf: Use.FILTER,
    exp.Mode: Use.GROUP_BY,
    exp.AnonymousAggFunc: Use.GROUP_BY,
}


@dataclass(frozen=True, slots=True)
class Flow:
    """What one column of a relation is made of.

    `bare`: it is a stored column itself, nothing computed. `outer`: an outer join may make it NULL.
    `met`: that join was on the unit by this very column, so that NULL says that nothing was met, no more.
    """

    origins: frozenset[Origin]
    bare: bool
    outer: bool = False
    met: bool = False


Columns = Mapping[str, Flow]
NOTHING = Flow(frozenset(), bare=False)


@dataclass(frozen=True, slots=True)
class ColumnUsage:
    """One use of one column (`column` None: the table itself), in lower-case names."""

    table: TableKey
    column: str | None
    use: Use
    where: Place | None


def collect(tree: exp.Select, tables: Mapping[TableKey, TablePolicy], sql: str) -> tuple[ColumnUsage, ...]:
    """Every use in a qualified tree."""
    walk = _Walk(tables, sql, [])
    output = walk.select(tree, {})
    for projection in tree.selects:
        # Values that reach the answer as they are. For protected tables step 4 refuses them all.
        origins = output[projection.alias_or_name].origins
        walk.use(frozenset(o for o in origins if tables[o[0]].protection == "open"), Use.OPEN, projection)
    return tuple(walk.found)


@dataclass(frozen=True, slots=True)
class _Names:
    """What is visible in one SELECT: the columns of its sources by alias, and CTEs."""

    columns: dict[str, Columns]
    ctes: Mapping[str, Columns]


@dataclass(frozen=True, slots=True)
class _Walk:
    tables: Mapping[TableKey, TablePolicy]
    sql: str
    found: list[ColumnUsage]

    def use(self, origins: frozenset[Origin], use: Use, node: exp.Expr) -> None:
        if not origins:
            return
        where = place_of(node, self.sql)
        self.found.extend(ColumnUsage(table, column, use, where) for table, column in sorted(origins))

    def select(self, select: exp.Select, outer: Mapping[str, Columns]) -> Columns:
        """Origins of a SELECT's outputs; records every use inside it."""
        ctes = dict(outer)
        with_ = select.args.get("with_")
        for cte in with_.expressions if with_ else ():
            ctes[cte.alias] = self.select(cte.this, ctes)
        scope = _Names({}, ctes)
        joins = select.args.get("joins") or []
        from_ = select.args.get("from_")
        for source in [*([from_.this] if from_ else []), *(j.this for j in joins)]:
            scope.columns[source.alias_or_name] = self._source(source, ctes)
        for join in joins:
            if join.args.get("on"):
                self._condition(join.args["on"], scope)
        for join in joins:
            side = (join.args.get("side") or "").upper()
            if side:
                # Past its own condition the other side of an outer join may be NULL: it is no unit there.
                met = self._met(join, scope) if side == "LEFT" else frozenset()
                for alias in [join.this.alias_or_name] if side == "LEFT" else list(scope.columns):
                    flows = scope.columns[alias]
                    scope.columns[alias] = {
                        n: replace(f, outer=True, met=n in met and not f.outer) for n, f in flows.items()
                    }
        if select.args.get("where"):
            self._condition(select.args["where"].this, scope)
        group = select.args.get("group")
        keys = keys_of(select)
        for key in keys:
            self._key(key, scope)
        if select.args.get("having"):
            self._condition(select.args["having"].this, scope)
        if select.args.get("qualify"):
            self._condition(select.args["qualify"].this, scope)
        aggregated = group is not None or any(has_aggregate(e) for e in select.selects)
        for ordered in select.args["order"].expressions if select.args.get("order") else ():
            origins = self._value(ordered.this, scope)
            if not aggregated:
                self.use(origins, Use.FILTER, ordered)
        # Grouped by the unit, rows stay protected and their keys keep flowing outwards as values.
        below = not aggregated or any(self._is_unit(k, scope) for k in keys)
        outputs: dict[str, Flow] = {}
        for projection in select.selects:
            value = projection.unalias()
            origins = self._value(value, scope)
            flow = self._flow(value, scope)
            outputs[projection.alias_or_name] = replace(flow, origins=origins) if below else NOTHING
            if not below:
                self.use(origins, Use.GROUP_BY, projection)
        return outputs

    def _met(self, join: exp.Join, scope: _Names) -> frozenset[str]:
        """Columns of a LEFT join's source by which it joins the unit: NULL behind it where no row met."""
        found: set[str] = set()
        for part in conjuncts(join.args["on"]) if join.args.get("on") else ():
            if isinstance(part, exp.EQ) and self._joins_units(part, scope):
                sides = [s for s in (part.left.unnest(), part.right.unnest()) if isinstance(s, exp.Column)]
                theirs = {s.name.lower() for s in sides if s.table == join.this.alias_or_name}
                found |= theirs if len({s.table for s in sides}) > 1 else set()
        return frozenset(found)

    def _key(self, key: exp.Expr, scope: _Names) -> None:
        """A group key; grouping by the unit itself is what joining on it is: rows of one unit meet."""
        use = Use.JOIN_ONLY if self._is_unit(key, scope) else Use.GROUP_BY
        self.use(self._value(key, scope), use, key)

    def _is_unit(self, node: exp.Expr, scope: _Names) -> bool:
        return any(link.startswith("unit:") for link in self._links(self._flow(node, scope)))

    def _source(self, source: exp.Expr, ctes: Mapping[str, Columns]) -> Columns:
        if isinstance(source, exp.Subquery):
            return self._whole(source.this, ctes)
        assert isinstance(source, exp.Table)  # noqa: S101 -- the vocabulary has no other sources
        if not source.db:
            return ctes.get(source.name, {})
        key = (source.db.lower(), source.name.lower())
        self.found.append(ColumnUsage(key, None, Use.COUNT_DISTINCT_ONLY, place_of(source, self.sql)))
        return {c.lower(): Flow(frozenset({(key, c.lower())}), bare=True) for c in self.tables[key].columns}

    def _whole(self, node: exp.Expr, ctes: Mapping[str, Columns]) -> Columns:
        """A SELECT, or a set operation of some: their columns meet by position."""
        if isinstance(node, exp.Select):
            return self.select(node, ctes)
        left, right = self._whole(node.this, ctes), self._whole(node.expression, ctes)
        compared = bool(node.args.get("distinct")) or not isinstance(node, exp.Union)
        found: dict[str, Flow] = {}
        for (name, a), b in zip(left.items(), right.values(), strict=True):
            if compared:
                use = Use.JOIN_ONLY if self._links(a) & self._links(b) else Use.GROUP_BY
                self.use(a.origins | b.origins, use, node)
            found[name] = Flow(a.origins | b.origins, bare=a.bare and b.bare, outer=a.outer or b.outer)
        return found

    def _condition(self, node: exp.Expr, scope: _Names) -> None:
        self.use(self._value(node, scope), Use.FILTER, node)

    def _value(self, node: exp.Expr, scope: _Names) -> frozenset[Origin]:
        """Origins whose values flow through `node`; uses inside it are recorded on the way."""
        if isinstance(node, exp.Column):
            return self._flow(node, scope).origins
        if isinstance(node, exp.Select):
            return frozenset().union(*(f.origins for f in self.select(node, scope.ctes).values()))
        if isinstance(node, exp.In) and node.args.get("query") is not None:
            return self._semi_join(node, scope)
        if isinstance(node, exp.EQ) and self._joins_units(node, scope):
            for side in (node.left, node.right):
                self.use(self._value(side, scope), Use.JOIN_ONLY, side)
            return frozenset()
        if (
            isinstance(node, exp.Is)
            and isinstance(node.expression, exp.Null)
            and self._flow(node.this, scope).met
        ):
            # What NOT EXISTS says, in other words.
            self.use(self._value(node.this, scope), Use.JOIN_ONLY, node)
            return frozenset()
        if isinstance(node, exp.Case | exp.If | exp.Nullif):
            return self._choice(node, scope)
        if isinstance(node, exp.Window):
            return self._window(node, scope)
        if isinstance(node, exp.Count):
            self._count(node, scope)
            return frozenset()
        parts = [self._value(child, scope) for child in node.iter_expressions()]
        origins = frozenset().union(*parts)
        if isinstance(node, _PREDICATES):
            self.use(origins, Use.FILTER, node)
            return frozenset()
        if type(node) in AGGREGATES:
            self.use(origins, _USES.get(type(node), Use.SUM_MEAN), node)
            return frozenset()
        if isinstance(node, exp.Filter | exp.Where):
            self.use(origins, Use.FILTER, node)
            return frozenset()
        return origins

    def _window(self, node: exp.Window, scope: _Names) -> frozenset[Origin]:
        """A window: its partition meets rows of one unit, or groups; its order compares."""
        for part in node.args.get("partition_by") or ():
            linked = bool(self._links(self._flow(part, scope)))
            self.use(self._value(part, scope), Use.JOIN_ONLY if linked else Use.GROUP_BY, part)
        for ordered in node.args["order"].expressions if node.args.get("order") is not None else ():
            self.use(self._value(ordered.this, scope), Use.FILTER, ordered)
        return self._value(node.this, scope)

    def _choice(self, node: exp.Expr, scope: _Names) -> frozenset[Origin]:
        """CASE, IF and NULLIF: what decides is a condition, what is chosen flows on."""
        if isinstance(node, exp.Nullif):
            self._condition(node.this, scope)
            self._condition(node.expression, scope)
            return self._value(node.this, scope)
        ifs = node.args["ifs"] if isinstance(node, exp.Case) else [node]
        if isinstance(node, exp.Case) and node.this is not None:
            self._condition(node.this, scope)
        for branch in ifs:
            self._condition(branch.this, scope)
        chosen = [*(b.args["true"] for b in ifs), node.args.get("default"), node.args.get("false")]
        return frozenset().union(*(self._value(c, scope) for c in chosen if c is not None))

    def _count(self, node: exp.Count, scope: _Names) -> None:
        """COUNT tells which values are NULL; of a computed value that is a condition."""
        counted = node.this.expressions if isinstance(node.this, exp.Distinct) else [node.this]
        for item in counted:
            use = Use.COUNT_DISTINCT_ONLY if self._flow(item, scope).bare else Use.FILTER
            self.use(self._value(item, scope), use, node)

    def _semi_join(self, node: exp.In, scope: _Names) -> frozenset[Origin]:
        """`x IN (SELECT y …)`: a join on the unit where both are its columns, else a condition."""
        outputs = list(self.select(node.args["query"].this, scope.ctes).values())
        theirs = outputs[0] if len(outputs) == 1 else NOTHING
        mine = replace(self._flow(node.this, scope), outer=False)  # NULL is in no list
        joins = self._links(mine) & self._links(theirs)
        use = Use.JOIN_ONLY if joins else Use.FILTER
        for origins in (self._value(node.this, scope), *(f.origins for f in outputs)):
            self.use(origins, use, node)
        return frozenset()

    def _joins_units(self, node: exp.EQ, scope: _Names) -> bool:
        """Whether both sides are the unit's column, or a foreign key that leads to it and its target."""
        left, right = (self._links(self._flow(side, scope)) for side in (node.left, node.right))
        return bool(left & right)

    @staticmethod
    def _flow(node: exp.Expr, scope: _Names) -> Flow:
        """What `node` is made of, when it is a column; otherwise nothing that could join."""
        node = node.unnest()
        if not isinstance(node, exp.Column):
            return NOTHING
        return scope.columns.get(node.table, {}).get(node.name.lower(), NOTHING)

    def _links(self, flow: Flow) -> frozenset[str]:
        """Identities by which a bare column joins: what is computed from a unit's column is no unit."""
        if flow.outer or not flow.bare:
            return frozenset()
        links = [links_of(self.tables, *o) for o in flow.origins]
        return frozenset.intersection(*links) if links else frozenset()


def links_of(tables: Mapping[TableKey, TablePolicy], key: TableKey, column: str) -> frozenset[str]:
    """Identities by which a column joins without leaving its unit (see `typed.Typed.links`).

    A masked column has none: what its mask shows is not the unit.
    """
    if any(c.shown_as is not None for n, c in tables[key].columns.items() if n.lower() == column):
        return frozenset()
    unit = tables[key].unit
    links: set[str] = set()
    if unit is not None and unit.column is not None and unit.column.lower() == column:
        links.add(f"unit:{unit.name}")
    if unit is not None and unit.through is not None and unit.through.column.lower() == column:
        links.add(f"{key[0]}.{unit.through.references.lower()}")
    own = f"{key[0]}.{key[1]}.{column}"
    for (dataset, _), table in tables.items():
        through = table.unit.through if table.unit is not None else None
        if through is not None and dataset == key[0] and f"{dataset}.{through.references.lower()}" == own:
            links.add(own)
    return frozenset(links)
