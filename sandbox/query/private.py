"""An aggregating SELECT over protected rows: its private boundary, and its outputs over the noisy table."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from sqlglot import exp

from sandbox.catalog.model import UNIT_COLUMN
from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.types import Kind
from sandbox.query.boundary import Boundary, Key, Measure, Measuring, key_domain
from sandbox.query.parse import DIALECT, place_of
from sandbox.query.public import Scalar
from sandbox.query.relations import Public, column, result_table
from sandbox.query.scopes import Scope
from sandbox.query.typed import Typed, cast, held
from sandbox.query.vocabulary import AGGREGATES, spoken_name


def aggregate(
    select: exp.Select, scope: Scope, name: str, floor: int, sql: str, scalar: Scalar
) -> tuple[Boundary, Public]:
    """The boundary of `select`, and the post-processing that makes its outputs.

    Args:
        select: qualified; its sources are all protected and joined on one unit.
        scope: its sources.
        name: of the noisy table.
        floor: the policy's least noisy count of units of a group.
        sql: the question's text, for places.
        scalar: gives the post-processing of a SELECT in the place of a value.

    Raises:
        SandboxError: `sql-type`, `sql-unsupported`, `bounds-missing`, `overflow-possible`.

    """
    group = select.args.get("group")
    nodes = list(group.expressions) if group is not None else []
    keys = tuple(_key(node, i, scope, sql) for i, node in enumerate(nodes))
    domain = key_domain(keys) if keys else None
    groups, limit, per_group = _groups(keys, domain, scope)
    measuring = Measuring(scope.bound.once, per_group, [], [])
    outputs = _Outputs(name, nodes, keys, scope, measuring, sql, scalar)
    post = exp.Select(
        expressions=[
            exp.alias_(outputs.of(p.unalias()), exp.to_identifier(p.alias_or_name, quoted=True))
            for p in select.selects
        ]
    ).from_(result_table(name), copy=False)
    outputs.finish(select, post)
    if (keys and (domain is None or floor > 0)) or not measuring.measures:
        measuring.units()
    boundary = Boundary(
        name=name,
        rows=_row_level(select, scope, keys, measuring),
        keys=keys,
        measures=tuple(measuring.measures),
        domain=domain,
        groups=groups,
        limit_groups=limit,
        once=scope.bound.once,
        floor=floor if keys else 0,
        unit=scope.unit,
    )
    return boundary, Public(post, tuple(p.alias_or_name for p in select.selects))


def _key(node: exp.Expr, index: int, scope: Scope, sql: str) -> Key:
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
    return Key(f"k{index}", typed, node.sql(DIALECT).replace('"', "")[:60])


def _groups(
    keys: tuple[Key, ...], domain: tuple[tuple[object, ...], ...] | None, scope: Scope
) -> tuple[int, bool, int]:
    """Most groups of one unit, whether that must be enforced, and most rows of it in one group."""
    bound = scope.bound
    if not keys or all(k.typed.unit_level for k in keys):
        return 1, False, bound.rows
    if domain is not None:
        size = 1
        for values in domain:
            size *= len(values)
        if size <= bound.groups:
            return size, False, bound.rows_per_group
    return bound.groups, not bound.once, bound.rows_per_group


def _row_level(select: exp.Select, scope: Scope, keys: tuple[Key, ...], measuring: Measuring) -> exp.Select:
    outputs: list[exp.Expr] = [exp.alias_(scope.unit_column, exp.to_identifier(UNIT_COLUMN, quoted=True))]
    outputs += [exp.alias_(k.typed.sql.copy(), exp.to_identifier(k.name, quoted=True)) for k in keys]
    outputs += [
        exp.alias_(tree.copy(), exp.to_identifier(f"a{i}", quoted=True))
        for i, tree in enumerate(measuring.arguments)
    ]
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
        sql: str,
        scalar: Scalar,
    ) -> None:
        self._name = name
        self._nodes = nodes
        self._keys = keys
        self._scope = scope
        self._measuring = measuring
        self._sql = sql
        self._scalar = scalar

    def of(self, node: exp.Expr) -> exp.Expr:
        """`node` over the noisy table."""
        for key_node, key in zip(self._nodes, self._keys, strict=True):
            if node == key_node:
                return column(key.name, self._name)
        if isinstance(node, exp.Subquery):
            return exp.Subquery(this=self._scalar(node))
        if isinstance(node, exp.Filter):
            return self._aggregate(node.this, self._scope.lowering.boolean(node.expression.this))
        if type(node) in AGGREGATES:
            return self._aggregate(node, None)
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

    def finish(self, select: exp.Select, post: exp.Select) -> None:
        """HAVING, ORDER BY, LIMIT and OFFSET over the noisy table."""
        having = select.args.get("having")
        if having is not None:
            post.where(self.of(having.this), copy=False)
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

    def _measure(self, measure: Measure) -> exp.Column:
        return column(measure.name, self._name)

    def _aggregate(self, node: exp.Expr, condition: Typed | None) -> exp.Expr:
        try:
            match node:
                case exp.Count():
                    return self._count(node, condition)
                case exp.Sum():
                    typed = self._argument(node.this, condition)
                    measure, *_ = self._measuring.total(typed, _text(node, condition), centred=False)
                    return self._value(measure)
                case exp.Avg():
                    return self._average(self._argument(node.this, condition), _text(node, condition))
        except SandboxError as error:
            if error.place is None:
                error.place = place_of(node, self._sql)
            raise
        raise self._unsupported(node, "Supported aggregates: COUNT, SUM, AVG.")

    def _count(self, node: exp.Count, condition: Typed | None) -> exp.Expr:
        if isinstance(node.this, exp.Distinct):
            return self._count_distinct(node, condition)
        if isinstance(node.this, exp.Star):
            if condition is None:
                return self._measure(self._measuring.count_rows())
            one = Typed(cast(exp.Literal.number(1), "BIGINT"), Kind.INTEGER, nullable=False, unit_level=True)
            return self._measure(self._measuring.count_values(_where(one, condition), _text(node, condition)))
        return self._measure(
            self._measuring.count_values(self._argument(node.this, condition), _text(node, condition))
        )

    def _count_distinct(self, node: exp.Count, condition: Typed | None) -> exp.Expr:
        items = node.this.expressions
        plain = condition is None and len(items) == 1 and isinstance(items[0].unnest(), exp.Column)
        if plain and f"unit:{self._scope.unit}" in self._scope.lowering.lower(items[0].unnest()).links:
            return self._measure(self._measuring.units())
        raise self._unsupported(node, "COUNT(DISTINCT x) is supported for the privacy unit's own column.")

    def _argument(self, node: exp.Expr, condition: Typed | None) -> Typed:
        if isinstance(node, exp.Distinct):
            raise self._unsupported(node, "Drop DISTINCT inside the aggregate.")
        t = self._scope.lowering.lower(node)
        return t if condition is None else _where(t, condition)

    def _average(self, t: Typed, text: str) -> exp.Expr:
        measure, middle, low, high = self._measuring.total(t, text, centred=True)
        count = cast(self._measure(self._measuring.count_values(t, text)), "DOUBLE")
        mean = exp.Add(
            this=_double(middle), expression=exp.Div(this=_as_double(measure, self._name), expression=count)
        )
        enough = exp.GT(this=count.copy(), expression=exp.Literal.number(0))
        return exp.Case(ifs=[exp.If(this=enough, true=held(mean, _double(low), _double(high)))])

    def _value(self, measure: Measure) -> exp.Expr:
        if measure.decimal or measure.scale == 0:
            return self._measure(measure)
        return _as_double(measure, self._name)

    def _unsupported(self, node: exp.Expr, hint: str) -> SandboxError:
        return SandboxError(
            ErrorCode.SQL_UNSUPPORTED,
            f"{spoken_name(node)} is not supported in this form.",
            hint,
            place=place_of(node, self._sql),
        )


def _text(node: exp.Expr, condition: Typed | None) -> str:
    """What the aggregate reads, as the question wrote it."""
    argument = "*" if isinstance(node.this, exp.Star) else node.this.sql(DIALECT).replace('"', "")[:60]
    return (
        argument
        if condition is None
        else f"{argument} where {condition.sql.sql(DIALECT)}".replace('"', "")[:80]
    )


def _where(t: Typed, condition: Typed) -> Typed:
    """The value where the condition holds, NULL elsewhere: FILTER (WHERE …)."""
    tree = exp.Case(ifs=[exp.If(this=condition.sql.copy(), true=t.sql.copy())])
    return replace(t, sql=tree, nullable=True, keys=None, links=frozenset())


def _double(value: Decimal) -> exp.Expr:
    return cast(exp.Literal.string(f"{value:f}"), "DOUBLE")


def _as_double(measure: Measure, table: str) -> exp.Expr:
    value = cast(column(measure.name, table), "DOUBLE")
    if measure.decimal or measure.scale == 0:
        return value
    return exp.Paren(this=exp.Div(this=value, expression=_double(Decimal(10) ** measure.scale)))
