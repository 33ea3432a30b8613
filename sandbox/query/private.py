"""An aggregating SELECT over protected rows: its private boundary, and its outputs over the noisy table."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from sqlglot import exp

from sandbox.catalog.model import UNIT_COLUMN
from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.types import Kind
from sandbox.query.aggregates import Aggregates
from sandbox.query.boundary import Boundary, Key, Measuring, Weight
from sandbox.query.counting import Counting, Domain, counting_of, key_domain
from sandbox.query.histograms import Cells, Fold
from sandbox.query.limits import in_domain
from sandbox.query.parse import place_of
from sandbox.query.places import spoken
from sandbox.query.public import Scalar
from sandbox.query.public_keys import public_keys
from sandbox.query.relations import Public, aliased, column, result_table
from sandbox.query.scopes import Scope
from sandbox.query.vocabulary import AGGREGATES

MOST_NUMBERS = 2_000_000


@dataclass(frozen=True, slots=True)
class Aggregated:
    """An aggregating SELECT: its boundary, the counts that cells are filled from, and its outputs."""

    boundary: Boundary
    counts: tuple[Boundary, ...]
    folds: tuple[Fold, ...]
    answer: Public

    @property
    def boundaries(self) -> tuple[Boundary, ...]:
        """All of them."""
        return (self.boundary, *self.counts)


def aggregate(
    select: exp.Select,
    scope: Scope,
    name: str,
    floor: int,
    sql: str,
    scalar: Scalar,
    totals: Counting | None = None,
) -> Aggregated:
    """The boundary of `select`, and the post-processing that makes its outputs.

    Args:
        select: qualified; its sources are all protected and joined on one unit.
        scope: its sources.
        name: of the noisy table.
        floor: the policy's least noisy count of units of a group.
        sql: the question's text, for places.
        scalar: gives the post-processing of a SELECT in the place of a value.
        totals: how rows count in what adds up; None: as in this grouping.

    Raises:
        SandboxError: `sql-type`, `sql-unsupported`, `bounds-missing`, `overflow-possible`.

    """
    group = select.args.get("group")
    nodes = list(group.expressions) if group is not None else []
    keys = tuple(key_of(node, i, scope, sql) for i, node in enumerate(nodes))
    domain = key_domain(keys) if keys else None
    measuring, cells = _measuring(keys, domain, scope, totals), Cells()
    outputs = _Outputs(name, nodes, keys, scope, measuring, cells, sql, scalar)
    post = exp.Select(
        expressions=[
            exp.alias_(outputs.of(p.unalias()), p.alias_or_name, quoted=True, copy=False)
            for p in select.selects
        ]
    ).from_(result_table(name), copy=False)
    outputs.finish(select, post)
    # Where every number is in a cell, and groups are public, there is nothing else to measure or to hide.
    bare = bool(cells.cells) and not measuring.measures and not measuring.trees
    bare = bare and (not keys or domain is not None)
    if keys and not bare and (domain is None or floor > 0):
        measuring.units(Weight.SELECTS if domain is None else Weight.FLOOR)
    if not measuring.measures and not measuring.trees and not bare:
        measuring.units()
    boundary = _boundary(select, scope, name, keys, measuring, 0 if bare else floor)
    counts = tuple(
        _counts(select, scope, f"{name}_{i}", (*keys, Key(f"k{len(keys)}", by.key, by.text)), floor)
        for i, by in enumerate(cells.values)
    )
    _check_numbers((boundary, *counts), sql, select)
    folds = tuple(
        Fold(f"c{i}", name, counts[at].name, counts[at].measures[0].name, reading, cells.values[at])
        for i, (at, reading) in enumerate(cells.cells)
    )
    answer = Public(post, tuple(p.alias_or_name for p in select.selects))
    return Aggregated(boundary, counts, folds, answer)


def _measuring(
    keys: tuple[Key, ...], domain: Domain | None, scope: Scope, totals: Counting | None = None
) -> Measuring:
    counting = counting_of(keys, domain, scope.bound)
    once, found = scope.bound.once, scope.bound.found
    return Measuring(once, found, counting, totals or counting, _public_groups(keys, domain))


def _boundary(
    select: exp.Select, scope: Scope, name: str, keys: tuple[Key, ...], measuring: Measuring, floor: int
) -> Boundary:
    counting = measuring.counting
    return Boundary(
        name=name,
        rows=_row_level(select, scope, keys, measuring),
        keys=keys,
        measures=tuple(measuring.measures),
        domain=key_domain(keys) if keys else None,
        groups=counting.groups,
        limit_groups=counting.limit,
        once=measuring.once,
        by_row=counting.by_row,
        floor=floor if keys else 0,
        unit=scope.unit,
        trees=tuple(measuring.trees),
    )


def _counts(select: exp.Select, scope: Scope, name: str, keys: tuple[Key, ...], floor: int) -> Boundary:
    """COUNT(*) of each group and value, the last of `keys`: what GROUP BY counts of those on its list."""
    domain, by = key_domain(keys), keys[-1]
    measuring = _measuring(keys, domain, scope)
    measuring.count_rows()
    if domain is None or floor > 0:
        measuring.units(Weight.SELECTS if domain is None else Weight.FLOOR)
    counted = measuring.measures[0]
    measuring.measures[0] = replace(counted, label=f"{counted.label} by {by.label}")
    boundary = _boundary(select, scope, name, keys, measuring, floor)
    listed = in_domain(by, by.typed.keys or ())
    for node in list(listed.find_all(exp.Column)):
        node.replace(exp.Paren(this=by.typed.sql.copy()))
    return replace(boundary, rows=boundary.rows.where(listed))


def _public_groups(keys: tuple[Key, ...], domain: Domain | None) -> int | None:
    """How many groups the answer will have; None where only the data knows."""
    if keys and domain is None:
        return None
    return math.prod(len(values) for values in domain or ())


def _check_numbers(boundaries: tuple[Boundary, ...], sql: str, select: exp.Select) -> None:
    """Refuse more noisy numbers, one for each public group and measure, than are drawn in reasonable time."""
    numbers = sum(len(b.measures) * math.prod(len(v) for v in b.domain or ()) for b in boundaries)
    if numbers > MOST_NUMBERS:
        raise SandboxError(
            ErrorCode.SQL_TOO_LARGE,
            f"The question asks for {numbers:,} noisy numbers; at most {MOST_NUMBERS:,} are drawn at once.",
            "Group by fewer columns, or ask for fewer aggregates.",
            place=place_of(select.args["group"], sql) if select.args.get("group") else None,
        )


def key_of(node: exp.Expr, index: int, scope: Scope, sql: str) -> Key:
    """The group key `node`.

    Raises:
        SandboxError: `sql-type` for kinds that are none, `sql-unsupported` for aggregates.

    """
    typed = scope.lowering.lower(node)
    if typed.kind in (None, Kind.DOUBLE):
        raise SandboxError(
            ErrorCode.SQL_TYPE,
            "A group key is a whole number, decimal, text, date or condition.",
            "Round it, cut it into bands with CASE, or use a column that the policy shows in bands.",
            place=place_of(node, sql),
        )
    if any(type(n) in AGGREGATES for n in node.walk()):
        raise SandboxError(
            ErrorCode.SQL_UNSUPPORTED, "An aggregate may not be a group key.", "Group by columns.",
            place=place_of(node, sql),
        )  # fmt: skip
    typed = replace(typed, keys=public_keys(typed))
    return Key(f"k{index}", typed, spoken(node, 60))


def _row_level(select: exp.Select, scope: Scope, keys: tuple[Key, ...], measuring: Measuring) -> exp.Select:
    outputs: list[exp.Expr] = [aliased(scope.unit_column.copy(), UNIT_COLUMN)]
    outputs += [aliased(k.typed.sql.copy(), k.name) for k in keys]
    outputs += [aliased(tree.copy(), f"a{i}") for i, tree in enumerate(measuring.arguments)]
    return scope.tree(select, outputs)


class _Outputs:
    """Turns output expressions into expressions over the noisy table, collecting measures on the way."""

    def __init__(
        self,
        name: str,
        nodes: list[exp.Expr],
        keys: tuple[Key, ...],
        scope: Scope,
        measuring: Measuring,
        cells: Cells,
        sql: str,
        scalar: Scalar,
    ) -> None:
        self._name = name
        self._nodes = nodes
        self._keys = keys
        self._scope = scope
        self._aggregates = Aggregates(name, scope, measuring, cells, sql)
        self._sql = sql
        self._scalar = scalar

    def of(self, node: exp.Expr) -> exp.Expr:
        """`node` over the noisy table."""
        for key_node, key in zip(self._nodes, self._keys, strict=True):
            if node == key_node:
                return column(key.name, self._name)
        if isinstance(node, exp.Subquery):
            return exp.Subquery(this=self._scalar(node))
        if isinstance(node, exp.Window):
            return self._over(node)
        if isinstance(node, exp.Filter):
            return self._aggregates.of(node.this, self._scope.lowering.boolean(node.expression.this))
        if type(node) in AGGREGATES:
            return self._aggregates.of(node, None)
        if isinstance(node, exp.Column):
            raise SandboxError(
                ErrorCode.SQL_UNSUPPORTED,
                f"{node.name[:80]} is neither aggregated nor a group key.",
                "Add it to GROUP BY, or aggregate it.",
                place=place_of(node, self._sql),
            )
        result = node.copy()
        for child in list(result.iter_expressions()):
            child.replace(self.of(child))
        return result

    def _over(self, node: exp.Window) -> exp.Expr:
        """A window over the groups: its function stays, and what stands inside moves to the noisy table."""
        result = node.copy()
        call = result.this
        inside: list[exp.Expr] = (
            [o.this for o in result.args["order"].expressions] if result.args.get("order") else []
        )
        inside += result.args.get("partition_by") or []
        if isinstance(call, exp.Filter):
            inside.append(call.expression.this)
            call = call.this
        for child in (*inside, *call.iter_expressions()):
            child.replace(self.of(child))
        return result

    def finish(self, select: exp.Select, post: exp.Select) -> None:
        """HAVING, QUALIFY, ORDER BY, LIMIT and OFFSET over the noisy table."""
        having = select.args.get("having")
        if having is not None:
            post.where(self.of(having.this), copy=False)
        qualify = select.args.get("qualify")
        if qualify is not None:
            post.set("qualify", exp.Qualify(this=self.of(qualify.this)))
        names = {p.alias_or_name for p in select.selects}
        order = select.args.get("order")
        if order is not None:
            items = []
            for item in order.expressions:
                moved = item.copy()
                plain = item.this
                by_name = isinstance(plain, exp.Column) and not plain.table and plain.name in names
                moved.set("this", column(plain.name) if by_name else self.of(plain))
                items.append(moved)
            post.set("order", exp.Order(expressions=items))
        for part in ("limit", "offset"):
            if select.args.get(part) is not None:
                post.set(part, select.args[part].copy())
