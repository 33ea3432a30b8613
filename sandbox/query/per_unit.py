"""Aggregates within a unit, below the private boundary: `SELECT id, SUM(x) … GROUP BY id`.

Each output depends on the rows of one unit alone, so it is a protected row still: one per unit where the
unit is the only key. Bounds follow from the contribution bounds and are enforced here: a count lies within
[0, rows], a sum within rows times the bounds of its value, a mean, minimum or maximum within them.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from sqlglot import exp

from sandbox.catalog.model import UNIT_COLUMN
from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.types import Kind
from sandbox.query.boundary import MOST_ROWS, fixed_point, to_units
from sandbox.query.grids import Reading
from sandbox.query.inner_groups import INNER, InnerGroups
from sandbox.query.parse import place_of
from sandbox.query.readings import QUANTILES, wanted
from sandbox.query.relations import Contribution, Rows, aliased, column
from sandbox.query.scopes import Scope
from sandbox.query.typed import (
    NATIVE_WIDTH,
    Typed,
    as_double,
    cast,
    clamped,
    decimal_type,
    digits,
    held,
    overflow,
    type_of,
)
from sandbox.query.vocabulary import spoken_name


def groups_by_unit(select: exp.Select, scope: Scope) -> bool:
    """Whether a key of the SELECT is the privacy unit itself."""
    group = select.args.get("group")
    keys = group.expressions if group is not None else []
    return any(is_unit(k, scope) for k in keys)


def is_unit(node: exp.Expr, scope: Scope) -> bool:
    """Whether `node` is the column of the privacy unit."""
    return isinstance(node, exp.Column) and f"unit:{scope.unit}" in scope.lowering.lookup(node).links


def rows_per_unit(select: exp.Select, scope: Scope, sql: str) -> Rows:
    """The SELECT as protected rows: one per unit and further key.

    Raises:
        SandboxError: `sql-unsupported`, `sql-type`, `bounds-missing`, `overflow-possible`.

    """
    _refuse_order(select, sql)
    nodes = list(select.args["group"].expressions)
    groups = InnerGroups(nodes, scope.lowering, lambda node, test: aggregate_of_unit(node, test, scope, sql))
    groups.inner.append(_named(scope.unit_column, UNIT_COLUMN))
    grouped: list[exp.Expr] = [scope.unit_column]
    for node in nodes:
        typed = scope.lowering.lower(node)
        if is_unit(node, scope):
            groups.key(typed, exp.Min(this=typed.sql.copy()))
        else:
            groups.key(typed, typed.sql)
            grouped.append(typed.sql.copy())
    alone = len(grouped) == 1
    outputs = {p.alias_or_name: groups.place(p.unalias()) for p in select.selects}
    having = groups.place(select.args["having"].this) if select.args.get("having") is not None else None
    lowering = groups.outside(unit_level=alone)
    columns = {name: lowering.lower(node) for name, node in outputs.items()}
    first = scope.tree(select, groups.inner).group_by(*grouped, copy=False)
    source = exp.Subquery(this=first, alias=exp.TableAlias(this=exp.to_identifier(INNER, quoted=True)))
    last = [_named(t.sql.copy(), n) for n, t in columns.items()]
    last.append(_named(column(UNIT_COLUMN, INNER), UNIT_COLUMN))
    tree = exp.Select(expressions=last).from_(source, copy=False)
    if having is not None:
        tree = tree.where(lowering.boolean(having).sql.copy(), copy=False)
    most = 1 if alone else scope.bound.groups
    met = 1 if alone else scope.bound.met
    sure = 1 if alone else scope.bound.sure
    found = scope.bound.found
    return Rows(tree, columns, scope.unit, Contribution(most, most, most, alone, met, sure, found))


def _refuse_order(select: exp.Select, sql: str) -> None:
    """Refuse what orders the groups of all units at once, and windows beside the aggregates of one."""
    for part in ("limit", "offset"):
        if select.args.get(part) is not None:
            raise SandboxError(
                ErrorCode.SQL_UNSUPPORTED,
                f"{part.upper()} below the last aggregation is not supported on protected rows.",
                "Order and limit the answer.",
                place=place_of(select.args[part], sql),
            )
    parts = [*select.selects, select.args.get("qualify"), select.args.get("having")]
    window = next(
        (w for p in parts if p is not None and (w := p.find(exp.Window, exp.Qualify)) is not None), None
    )
    if window is not None:
        raise SandboxError(
            ErrorCode.SQL_UNSUPPORTED,
            "A window beside the aggregates of one unit is not supported.",
            "Aggregate in a subquery: SELECT …, RANK() OVER (PARTITION BY id ORDER BY s) FROM (SELECT …).",
            place=place_of(window, sql),
        )


def _named(tree: exp.Expr, name: str) -> exp.Expr:
    return aliased(tree.copy(), name)


def aggregate_of_unit(
    node: exp.Expr, condition: Typed | None, scope: Scope, sql: str
) -> tuple[exp.Expr, Typed]:
    """The exact aggregate of one unit, and its facts: COUNT, COUNT_IF, SUM, AVG, MIN, MAX or a quantile.

    Of others, such as a variance, the last digits depend on the order of rows: other units could change it.
    """
    most = Decimal(scope.bound.rows)
    if isinstance(node, exp.CountIf):
        test = scope.lowering.boolean(node.this).sql
        test = test if condition is None else _when(condition, test)
        known = exp.GT(this=exp.Count(this=test.copy()), expression=exp.Literal.number(0))
        true = exp.Count(this=exp.Case(ifs=[exp.If(this=test.copy(), true=exp.Literal.number(1))]))
        tree: exp.Expr = exp.Case(ifs=[exp.If(this=known, true=true)])  # DuckDB's is NULL where all are
        return tree, Typed(tree, Kind.INTEGER, low=Decimal(0), high=most, bounded=False)
    if isinstance(node, exp.Count):
        tree = _count(node, condition, scope, sql)
        return tree, Typed(tree, Kind.INTEGER, low=Decimal(0), high=most, bounded=False, nullable=False)
    if isinstance(node.this, exp.Distinct):
        raise SandboxError(
            ErrorCode.SQL_UNSUPPORTED,
            f"{spoken_name(node)} of DISTINCT values is not supported.",
            "Drop DISTINCT inside the aggregate.",
            place=place_of(node, sql),
        )
    if type(node) not in QUANTILES and not isinstance(node, exp.Sum | exp.Avg):
        raise SandboxError(
            ErrorCode.SQL_UNSUPPORTED,
            f"{spoken_name(node)} within a unit is not supported.",
            "Supported within a unit: COUNT, COUNT_IF, SUM, AVG, MIN, MAX, MEDIAN and quantiles.",
            place=place_of(node, sql),
        )
    t = scope.lowering.lower(node.this)
    if condition is not None:
        t = replace(t, sql=_when(condition, t.sql), keys=None)
    t = replace(t, nullable=True, links=frozenset(), ordinal=False)  # sums of numbers may be alike
    if isinstance(node, exp.Min | exp.Max):
        bounded = clamped(t) if t.number and t.low is not None and t.high is not None else t
        return type(node)(this=bounded.sql.copy()), bounded
    if not t.number:
        raise SandboxError(
            ErrorCode.SQL_TYPE,
            f"{spoken_name(node)} needs a number.",
            "Cast it, or count it.",
            place=place_of(node, sql),
        )
    if t.low is None or t.high is None:
        raise _unbounded(node, sql)
    bounded = clamped(t)
    if type(node) in QUANTILES:
        return _quantile(node, bounded, sql)
    if bounded.kind is Kind.DOUBLE:
        # A sum of doubles depends on the order of rows, which other units could change: sum whole units.
        assert bounded.low is not None  # noqa: S101 -- clamped
        assert bounded.high is not None  # noqa: S101
        scale = fixed_point(bounded, max(abs(bounded.low), abs(bounded.high)) * most)
        step = Decimal(10) ** scale
        whole = Typed(
            to_units(bounded, scale), Kind.INTEGER, low=bounded.low * step - 1, high=bounded.high * step + 1
        )
        tree, total = (exp.Avg(this=whole.sql), bounded) if isinstance(node, exp.Avg) else _sum(whole, most)
        low, high = (
            (total.low, total.high)
            if total is bounded
            else (_scaled(total.low, step), _scaled(total.high, step))
        )
        divided = exp.Div(
            this=cast(tree, "DOUBLE"), expression=cast(exp.Literal.string(f"{step:f}"), "DOUBLE")
        )
        return divided, replace(bounded, low=low, high=high, bounded=False, keys=None)
    if isinstance(node, exp.Avg):
        return exp.Avg(this=bounded.sql.copy()), replace(as_double(bounded), bounded=False, keys=None)
    return _sum(bounded, most)


def _quantile(node: exp.Expr, t: Typed, sql: str) -> tuple[exp.Expr, Typed]:
    """A quantile of one unit's bounded numbers: it lies between two of them, in whichever order they come."""
    reading, fraction = wanted(node, sql)
    if reading in (Reading.MIN, Reading.MAX):
        return (exp.Min if reading is Reading.MIN else exp.Max)(this=t.sql.copy()), t
    between = reading is Reading.CONT and (t.kind is not Kind.DECIMAL or t.width > NATIVE_WIDTH)
    value = as_double(t) if between else t
    call = exp.PercentileCont if reading is Reading.CONT else exp.PercentileDisc
    tree = call(this=value.sql.copy(), expression=exp.Literal.number(f"{fraction:f}"))
    return tree, replace(value, sql=tree, keys=None, bounded=not between, near=between)


def _scaled(value: Decimal | None, step: Decimal) -> Decimal | None:
    return None if value is None else value / step


def _count(node: exp.Count, condition: Typed | None, scope: Scope, sql: str) -> exp.Expr:
    distinct = isinstance(node.this, exp.Distinct)
    argument = node.this.expressions[0] if distinct else node.this
    if distinct and len(node.this.expressions) != 1:
        raise SandboxError(
            ErrorCode.SQL_UNSUPPORTED,
            "COUNT(DISTINCT …) takes one column.",
            "Count one column.",
            place=place_of(node, sql),
        )
    value: exp.Expr
    if isinstance(argument, exp.Star):
        if condition is None:
            return exp.Count(this=exp.Star())
        value = exp.Literal.number(1)
    else:
        value = scope.lowering.lower(argument).sql
    if condition is not None:
        value = _when(condition, value)
    return exp.Count(this=exp.Distinct(expressions=[value.copy()]) if distinct else value.copy())


def _sum(t: Typed, most: Decimal) -> tuple[exp.Expr, Typed]:
    assert t.low is not None  # noqa: S101 -- clamped
    assert t.high is not None  # noqa: S101
    low, high = min(Decimal(0), t.low * most), max(Decimal(0), t.high * most)
    size = max(abs(t.low), abs(t.high)) * Decimal(10) ** t.scale
    width = digits(low, high, t.scale)
    if size * MOST_ROWS >= Decimal(10) ** 37 or width > 18:
        raise overflow()
    kind: exp.DataType = decimal_type(38, t.scale) if t.kind is Kind.DECIMAL else type_of("HUGEINT")
    ends = [cast(exp.Literal.string(f"{v:f}"), kind) for v in (low, high)]
    total = exp.Sum(this=t.sql.copy())
    # LEAST and GREATEST skip NULL: the sum of no value stays NULL through CASE.
    inside = held(cast(total, kind), *ends)
    known = exp.Not(this=exp.Paren(this=exp.Is(this=total.copy(), expression=exp.Null())))
    narrow = decimal_type(width, t.scale) if t.kind is Kind.DECIMAL else type_of("BIGINT")
    tree = exp.Case(ifs=[exp.If(this=known, true=cast(inside, narrow))])
    width = width if t.kind is Kind.DECIMAL else 0
    return tree, replace(t, low=low, high=high, width=width, bounded=True, keys=None)


def _when(condition: Typed, value: exp.Expr) -> exp.Expr:
    return exp.Case(ifs=[exp.If(this=condition.sql.copy(), true=value.copy())])


def _unbounded(node: exp.Expr, sql: str) -> SandboxError:
    return SandboxError(
        ErrorCode.BOUNDS_MISSING,
        f"The value of {spoken_name(node)} has no public bounds.",
        "Bound it: LEAST(GREATEST(x, low), high); or ask a steward for `between`.",
        place=place_of(node, sql),
    )
