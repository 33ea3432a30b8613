"""Step 4, analyze: find the private boundaries, and prove bounds and totality of what lies below.

Rules
- A SELECT over protected rows without aggregates is protected rows still.
- A SELECT over protected rows with aggregates is a private boundary; its outputs, HAVING, ORDER BY
  and LIMIT become post-processing of the noisy table.
- A SELECT over public rows (open tables, noisy answers) is post-processing as it stands.
- Grouping by the unit itself stays below the boundary: it gives one protected row per unit.
- Protected joins protected on the unit (`scopes.py`); `a.__unit = b.__unit` is always added.
- A question whose outermost SELECT is protected rows asks for raw data and is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import localcontext
from functools import partial

from sqlglot import exp

from sandbox.catalog.model import UNIT_COLUMN
from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.types import Use
from sandbox.query.authorize import Authorized
from sandbox.query.boundary import Boundary
from sandbox.query.correlated import check_rows_found, found_by_key
from sandbox.query.expressions import Lowering
from sandbox.query.families import Family
from sandbox.query.grouping_sets import has_levels
from sandbox.query.growth import check_parts
from sandbox.query.half_widths import output_errors
from sandbox.query.histograms import Fold
from sandbox.query.kept_parts import different
from sandbox.query.leveled import aggregate_levels
from sandbox.query.nested import not_looked_up, of_open, of_unit
from sandbox.query.open_keys import declared_keys
from sandbox.query.open_rows import readable
from sandbox.query.parse import place_of
from sandbox.query.per_unit import groups_by_unit, rows_per_unit
from sandbox.query.places import placed
from sandbox.query.private import aggregate
from sandbox.query.public import post_process, put_together
from sandbox.query.relations import (
    Open,
    OpenKey,
    Public,
    Rows,
    aliased,
    column,
    open_table,
    protected_table,
    result_table,
)
from sandbox.query.scopes import Scope, combine
from sandbox.query.sets import first_select
from sandbox.query.typed import EXACT, Typed
from sandbox.query.unit_sets import combined
from sandbox.query.unit_windows import has_windows, windowed_rows
from sandbox.query.usages import TableKey, links_of
from sandbox.query.vocabulary import has_aggregate, sources_of

Relation = Rows | Public


@dataclass(frozen=True, slots=True)
class OpenTable:
    """An open table as the question sees it: its name in post-processing, what makes it, its columns."""

    name: str
    tree: exp.Select
    columns: Mapping[str, Typed]


@dataclass(frozen=True, slots=True)
class Analyzed:
    """A question with its private boundaries found and its bounds proved.

    `levels` are the boundaries of each GROUP BY of several levels, `families` those whose noisy numbers are
    made to agree. `keys` of open tables bound what one unit moves, so the versions that are read must have
    been checked for them. `folds` are the counts that are put into cells. `moments` are columns that are a
    noisy day or time.
    `post` runs over the noisy tables and the open tables only. It outputs the columns of
    `authorized.resolved.output`, then a half-width `__h<i>` for each column i in `error_columns`.
    """

    authorized: Authorized
    boundaries: tuple[Boundary, ...]
    open_tables: tuple[OpenTable, ...]
    tables: tuple[TableKey, ...]
    post: exp.Select
    noisy_columns: frozenset[int]
    direct: Mapping[int, tuple[str, str]]
    families: tuple[Family, ...] = ()
    keys: frozenset[OpenKey] = frozenset()
    levels: tuple[frozenset[str], ...] = ()
    folds: tuple[Fold, ...] = ()
    moments: frozenset[int] = frozenset()


_AGGREGATE_AGAIN = (
    "A group for each unit is a row of that unit. Aggregate again: "
    "SELECT AVG(n) FROM (SELECT …, COUNT(*) AS n … GROUP BY …) AS each."
)


def analyze(authorized: Authorized) -> Analyzed:
    """Find boundaries and prove bounds.

    Raises:
        SandboxError: `raw-rows`, `sql-join`, `sql-type`, `sql-unsupported`, `bounds-missing`,
            `overflow-possible`.

    """
    walk = _Walk(authorized)
    root = authorized.resolved.tree
    with localcontext(EXACT), placed(authorized.resolved.parsed.sql):
        result = walk.select(root, {})
        if isinstance(result, Rows):
            raise SandboxError(
                ErrorCode.RAW_ROWS,
                "The question asks for rows of protected data; only aggregates leave the sandbox.",
                _AGGREGATE_AGAIN
                if root.args.get("group")
                else "Aggregate: SELECT COUNT(*), AVG(x) … GROUP BY ….",
                place=place_of(_first_output(root), authorized.resolved.parsed.sql),
            )
    errors = output_errors(result.tree, walk.boundaries, walk.folds)
    read = {t.name for t in different(errors.tree) if isinstance(t, exp.Table)}
    return Analyzed(
        authorized,
        tuple(walk.boundaries),
        tuple(o for o in walk.open_tables if o.name in read),
        tuple(sorted(walk.tables)),
        errors.tree,
        errors.noisy,
        errors.direct,
        tuple(walk.families),
        frozenset(walk.keys),
        tuple(walk.levels),
        tuple(walk.folds),
        errors.moments,
    )


def _first_output(root: exp.Select) -> exp.Expr:
    """The first thing that the question asks for, as it was written."""
    source = root.args.get("from_")
    inner = source.this.this if source is not None and isinstance(source.this, exp.Subquery) else None
    return first_select(inner).selects[0] if isinstance(inner, exp.SetOperation) else root.selects[0]


@dataclass(frozen=True, slots=True)
class _Named:
    """A CTE and the names that could be seen where it was written: a later CTE cannot change its meaning."""

    select: exp.Select
    visible: Mapping[str, _Named]


@dataclass(slots=True)
class _Walk:
    authorized: Authorized
    boundaries: list[Boundary] = field(default_factory=list)
    families: list[Family] = field(default_factory=list)
    levels: list[frozenset[str]] = field(default_factory=list)
    noisy_tables: int = 0
    open_tables: list[OpenTable] = field(default_factory=list)
    tables: set[TableKey] = field(default_factory=set)
    named: dict[int, Relation] = field(default_factory=dict)
    keys: set[OpenKey] = field(default_factory=set)
    folds: list[Fold] = field(default_factory=list)

    @property
    def sql(self) -> str:
        return self.authorized.resolved.parsed.sql

    def select(self, select: exp.Select, outer: Mapping[str, _Named]) -> Relation:
        """One SELECT, its sources first."""
        ctes = dict(outer)
        with_ = select.args.get("with_")
        for cte in with_.expressions if with_ else ():
            ctes[cte.alias] = _Named(cte.this, dict(ctes))
        sources = {s.alias_or_name: self._source(s, select, ctes) for s in sources_of(select)}
        check_parts(s.tree for s in sources.values())
        below = {a: s for a, s in sources.items() if isinstance(s, Rows | Open)}
        if not any(isinstance(s, Rows) for s in sources.values()):
            public = {a: s for a, s in sources.items() if isinstance(s, Public)}
            return self._public(select, public, ctes)
        if len(below) < len(sources):
            why = next((s.why for s in sources.values() if isinstance(s, Public) and s.why), None)
            raise why or SandboxError(
                ErrorCode.SQL_JOIN,
                "Protected rows cannot be joined with noisy answers.",
                "Aggregate the protected table first, in a subquery, then join its answer.",
                place=place_of(select.args["joins"][0], self.sql),
            )
        scope = combine(select, below, self.sql, partial(self._nested, ctes))
        self.keys |= scope.keys
        if has_levels(select):
            levels = aggregate_levels(select, scope, self._name, self._floor(), self.sql)
            self.boundaries += levels.boundaries
            self.levels.append(frozenset(b.name for b in levels.boundaries))
            self.families += [levels.family] if levels.family is not None else []
            self.folds += levels.folds
            return levels.answer
        if groups_by_unit(select, scope):
            return rows_per_unit(select, scope, self.sql)
        self._refuse_order_dependence(select)
        if self._aggregates(select):
            aggregated = aggregate(
                select,
                scope,
                self._name(),
                self._floor(),
                self.sql,
                lambda node: self._scalar(node, ctes),
            )
            self.boundaries += aggregated.boundaries
            self.folds += aggregated.folds
            return aggregated.answer
        return self._rows(select, scope)

    def _public(
        self, select: exp.Select, sources: Mapping[str, Public], ctes: Mapping[str, _Named]
    ) -> Public:
        """Post-processing; of open rows alone, in a form that protected ones can look up if there is one."""
        found = found_by_key(select, sources)
        check_rows_found(select, sources, found, self.sql)
        self.keys |= {key for unique in found.values() for key in unique.keys}
        answer = post_process(select, sources, lambda node: self._scalar(node, ctes))
        if select is self.authorized.resolved.tree:
            return answer
        return readable(select, sources, answer, self.sql, partial(self._nested_open, ctes))

    def _scalar(self, node: exp.Subquery, ctes: Mapping[str, _Named]) -> exp.Select:
        """A SELECT in the place of a value, above the boundary: its own post-processing."""
        inner = self.select(node.this, ctes)
        if isinstance(inner, Rows):
            raise SandboxError(
                ErrorCode.RAW_ROWS,
                "This SELECT gives rows of protected data; only aggregates leave the sandbox.",
                "Aggregate inside it: (SELECT COUNT(*) FROM …).",
                place=place_of(node, self.sql),
            )
        return inner.tree

    def _nested(
        self,
        ctes: Mapping[str, _Named],
        node: exp.In | exp.Subquery,
        lowering: Lowering,
        lookup: Callable[[exp.Column], Typed],
        unit: str,
    ) -> Typed:
        """A SELECT in an expression over protected rows: what open tables say, or rows of the same unit."""
        query = node.args["query"].this if isinstance(node, exp.In) else node.this
        inner = self._whole(query, ctes)
        if isinstance(inner, Open):
            return of_open(node, inner, lowering)
        if isinstance(node, exp.In) and isinstance(inner, Rows):
            found = of_unit(node, inner, lookup, unit)
            if found is not None:
                return found
        raise not_looked_up(node, inner, self.sql)

    def _nested_open(
        self, ctes: Mapping[str, _Named], node: exp.In | exp.Subquery, lowering: Lowering
    ) -> Typed:
        """The same in a SELECT over open tables."""
        query = node.args["query"].this if isinstance(node, exp.In) else node.this
        if not self._reads_open(query, ctes):
            raise lowering.unsupported(node)
        inner = self._whole(query, ctes)
        if not isinstance(inner, Open):
            raise (inner.why if isinstance(inner, Public) else None) or lowering.unsupported(node)
        return of_open(node, inner, lowering)

    def _reads_open(self, query: exp.Expr, ctes: Mapping[str, _Named]) -> bool:
        """Whether every table of a query is an open one: what is noisy is computed once, and not here."""
        tables = self.authorized.resolved.visible.tables
        for table in query.find_all(exp.Table):
            if not table.db:
                cte = ctes.get(table.name)
                if cte is None or not self._reads_open(cte.select, cte.visible):
                    return False
            elif tables[table.db.lower(), table.name.lower()].protection != "open":
                return False
        return True

    def _source(self, source: exp.Expr, select: exp.Select, ctes: Mapping[str, _Named]) -> Relation:
        if isinstance(source, exp.Subquery):
            return self._whole(source.this, ctes)
        assert isinstance(source, exp.Table)  # noqa: S101 -- the vocabulary has no other sources
        if not source.db:
            return self._cte(source, ctes)
        return self._base(source, select)

    def _whole(self, node: exp.Expr, ctes: Mapping[str, _Named]) -> Relation:
        """A SELECT, or a set operation: of protected rows alone, or of answers and open rows."""
        if isinstance(node, exp.Select):
            return self.select(node, ctes)
        assert isinstance(node, exp.SetOperation)  # noqa: S101 -- the vocabulary has no other queries
        left, right = self._whole(node.this, ctes), self._whole(node.expression, ctes)
        if isinstance(left, Rows) and isinstance(right, Rows):
            return combined(node, left, right, self.sql)
        if isinstance(left, Rows) or isinstance(right, Rows):
            rows = node.this if isinstance(left, Rows) else node.expression
            raise SandboxError(
                ErrorCode.SQL_JOIN,
                "Protected rows and answers cannot be put together.",
                "Aggregate on both sides: SELECT COUNT(*) … UNION ALL SELECT COUNT(*) ….",
                place=place_of(first_select(rows).selects[0], self.sql),
            )
        return put_together(node, left, right)

    def _cte(self, source: exp.Table, ctes: Mapping[str, _Named]) -> Relation:
        """One relation for each CTE, however often it is named: its noise is drawn once."""
        cte = ctes.get(source.name)
        if cte is None:
            raise SandboxError(
                ErrorCode.SQL_NAME_UNKNOWN,
                f"The CTE {source.name[:80]} is not known here.",
                "A CTE sees only those written before it, and never itself.",
                place=place_of(source, self.sql),
            )
        if id(cte.select) not in self.named:
            self.named[id(cte.select)] = self.select(cte.select, cte.visible)
        return self.named[id(cte.select)]

    def _base(self, source: exp.Table, select: exp.Select) -> Relation:
        visible = self.authorized.resolved.visible
        key = (source.db.lower(), source.name.lower())
        dataset, table = visible.true_table(key)
        policy = visible.tables[key]
        names = {c.name.lower() for c in select.find_all(exp.Column) if c.table == source.alias_or_name}
        known = {n.lower(): n for n, c in policy.columns.items() if c.use > Use.HIDDEN}
        wanted = frozenset(known[n] for n in names if n in known)
        self.tables.add(key)
        if policy.protection == "open":
            if not wanted and known:
                # It stands for the rows alone: one that every engine can open, if there is one.
                wanted = frozenset({min(known.values(), key=lambda n: policy.columns[n].grade != "open")})
            name = f"open_{len(self.open_tables)}"
            stored, typed = open_table(dataset, table, policy, wanted)
            self.open_tables.append(OpenTable(name, stored, typed))
            columns = tuple(sorted(n.lower() for n in wanted))
            tree = exp.Select(expressions=[column(c) for c in columns]).from_(result_table(name))
            unique = declared_keys(dataset, table, policy)
            return Open(tree, columns, stored=stored, typed=typed, unique=unique)
        links = {n: links_of(visible.tables, key, n) for n in names}
        return protected_table(dataset, table, policy, links, wanted)

    def _floor(self) -> int:
        policies = self.authorized.resolved.visible.datasets
        floors = [
            p.privacy.minimum_group
            for d, p in policies.items()
            if p.privacy and d in {t for t, _ in self.tables}
        ]
        return max(floors, default=0)

    def _name(self) -> str:
        """A new noisy table's name, taken before the SELECTs inside its own take theirs."""
        self.noisy_tables += 1
        return f"noisy_{self.noisy_tables - 1}"

    @staticmethod
    def _aggregates(select: exp.Select) -> bool:
        if select.args.get("group") is not None or select.args.get("having") is not None:
            return True
        return any(has_aggregate(e) for e in select.selects)

    def _refuse_order_dependence(self, select: exp.Select) -> None:
        """Which rows LIMIT keeps depends on all units at once, so it has no bounded sensitivity."""
        if self._aggregates(select):
            return
        for part in ("limit", "offset"):
            node = select.args.get(part)
            if node is not None and select is not self.authorized.resolved.tree:
                raise SandboxError(
                    ErrorCode.SQL_UNSUPPORTED,
                    f"{part.upper()} below an aggregation is not supported on protected rows.",
                    "Filter with WHERE; order and limit the answer.",
                    place=place_of(node, self.sql),
                )

    def _rows(self, select: exp.Select, scope: Scope) -> Rows:
        if has_windows(select):
            return windowed_rows(select, scope, self.sql)
        columns = {p.alias_or_name: scope.lowering.output(p.unalias()) for p in select.selects}
        outputs: list[exp.Expr] = [aliased(t.sql.copy(), n) for n, t in columns.items()]
        outputs.append(aliased(scope.unit_column.copy(), UNIT_COLUMN))
        return Rows(scope.tree(select, outputs), columns, scope.unit, scope.bound)
