"""Window functions within a unit, below the private boundary.

Rules
- PARTITION BY holds the unit's column, or a column that leads to it. The rewriter partitions by the unit
  itself besides, so that a value depends on the rows of one unit alone: sensitivity stays what it was.
- Where the order of equal rows matters they are ordered by all columns that the question reads of them;
  rows that are equal in these too are interchangeable. The storage's order, which other units have a
  hand in, never decides.
- A row number or rank lies within [1, rows of a unit], a count within [0, rows], a sum within rows times
  the bounds of its value; another row's value within the bounds of its column.
- A whole partition's value is the same in all rows of the unit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal

from sqlglot import exp

from sandbox.catalog.model import UNIT_COLUMN
from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.types import Kind
from sandbox.query.choices import hull, unify
from sandbox.query.expressions import Lowering
from sandbox.query.parse import place_of
from sandbox.query.per_unit import aggregate_of_unit, is_unit
from sandbox.query.relations import Rows, column
from sandbox.query.scopes import Scope, most_numbered
from sandbox.query.typed import Typed, cast
from sandbox.query.vocabulary import AGGREGATES, spoken_name

INNER = "__win"
_SHIFTS = (exp.Lag, exp.Lead)
_PLACES = (exp.RowNumber, exp.Rank, exp.DenseRank)
_SHARES = (exp.PercentRank, exp.CumeDist)
_VALUES = (exp.FirstValue, exp.LastValue, exp.NthValue)
_OF_ORDER = (exp.RowNumber, exp.Ntile, exp.Lag, exp.Lead)
_AGGREGATES = (exp.Count, exp.Sum, exp.Avg, exp.Min, exp.Max)
Keep = Callable[[exp.Expr], exp.Column]


def has_windows(select: exp.Select) -> bool:
    """Whether the SELECT itself computes windows, or filters by them."""
    return select.args.get("qualify") is not None or any(
        isinstance(node, exp.Window)
        for part in select.selects
        for node in part.walk(prune=lambda n: isinstance(n, exp.Select))
    )


def windowed_rows(select: exp.Select, scope: Scope, sql: str) -> Rows:
    """A SELECT with windows as protected rows: windows inside, what is computed from them outside.

    Raises:
        SandboxError: `sql-unsupported`, `sql-type`, `bounds-missing`, `overflow-possible`.

    """
    inner: list[exp.Alias] = [_named(scope.unit_column, UNIT_COLUMN)]

    def keep(tree: exp.Expr) -> exp.Column:
        """`tree`, computed inside, as a column of the inner SELECT."""
        known = next((item.alias for item in inner[1:] if item.this == tree), None)
        if known is None:
            known = f"w{len(inner) - 1}"
            inner.append(_named(tree, known))
        return column(known, INNER)

    def kept(typed: Typed) -> Typed:
        return typed.at(keep(typed.sql))

    lowering = Lowering(
        lambda node: kept(scope.lowering.lookup(node)),
        sql,
        lambda node, _: kept(scope.lowering.nested(node, scope.lowering)),
        lambda node: _window(node, scope, sql, keep),
    )
    columns = {p.alias_or_name: lowering.output(p.unalias()) for p in select.selects}
    bound = scope.bound
    qualify = select.args.get("qualify")
    condition = None
    if qualify is not None:
        condition = lowering.boolean(qualify.this).sql.copy()
        bound = bound.held_to(most_numbered(qualify.this, lowering))
    outputs = [_named(t.sql, name) for name, t in columns.items()]
    outputs.append(_named(column(UNIT_COLUMN, INNER), UNIT_COLUMN))
    alias = exp.TableAlias(this=exp.to_identifier(INNER, quoted=True))
    source = exp.Subquery(this=scope.tree(select, list(inner)), alias=alias)
    tree = exp.Select(expressions=outputs).from_(source, copy=False)
    if condition is not None:
        tree.where(condition, copy=False)
    return Rows(tree, columns, scope.unit, bound)


def _named(tree: exp.Expr, name: str) -> exp.Alias:
    return exp.Alias(this=tree.copy(), alias=exp.to_identifier(name, quoted=True))


def _window(node: exp.Window, scope: Scope, sql: str, keep: Keep) -> Typed:
    """One window over the rows of each unit.

    Raises:
        SandboxError: `sql-unsupported`, `sql-type`, `bounds-missing`, `overflow-possible`.

    """
    parts = [p.unnest() for p in node.args.get("partition_by") or ()]
    if not any(isinstance(p, exp.Column) and scope.lowering.lookup(p).links for p in parts):
        raise SandboxError(
            ErrorCode.SQL_UNSUPPORTED,
            "A window over protected rows would mix rows of different units.",
            f"Stay within one {scope.unit}: OVER (PARTITION BY its column …); or aggregate first.",
            place=place_of(node, sql),
        )
    spec = node.args.get("spec")
    if (
        spec is not None
        and spec.args.get("kind") == "RANGE"
        and any(isinstance(spec.args.get(end), exp.Expr) for end in ("start", "end"))
    ):
        raise SandboxError(
            ErrorCode.SQL_UNSUPPORTED,
            "RANGE over a distance is not supported on protected rows: the distance could overflow.",
            "Count rows instead: ROWS BETWEEN 6 PRECEDING AND CURRENT ROW.",
            place=place_of(node, sql),
        )
    further = [scope.lowering.lower(p).sql for p in parts if not is_unit(p, scope)]
    written = node.args["order"].expressions if node.args.get("order") is not None else []
    order = [_ordered(o, scope.lowering.lower(o.this).sql) for o in written]
    call, condition = node.this, None
    if isinstance(call, exp.Filter):
        condition, call = scope.lowering.boolean(call.expression.this), call.this
    whole = not order and spec is None
    full = [*order, *(exp.Ordered(this=tree, nulls_first=False) for tree in _everything(scope))]
    if isinstance(call, _OF_ORDER) or (spec is not None and spec.args.get("kind") == "ROWS"):
        order = full

    def over(function: exp.Expr) -> exp.Column:
        return keep(
            exp.Window(
                this=function.copy(),
                partition_by=[scope.unit_column, *(p.copy() for p in further)],
                order=exp.Order(expressions=[o.copy() for o in order]) if order else None,
                spec=spec.copy() if spec is not None else None,
                over="OVER",
            )
        )

    if isinstance(call, _AGGREGATES):
        tree, typed = aggregate_of_unit(call, condition, scope, sql)
        tree = tree.transform(lambda n: over(n) if type(n) in AGGREGATES else n)
        # Another value in every row but where the frame is the whole partition, and that the unit's rows.
        same = whole and not further
        return replace(typed, sql=tree, links=frozenset(), unit_level=same, ordinal=False, keys=None)
    if condition is not None or type(call) in AGGREGATES:
        raise SandboxError(
            ErrorCode.SQL_UNSUPPORTED,
            f"{spoken_name(call)} is not supported over protected rows in this form.",
            "Supported: COUNT, SUM, AVG, MIN, MAX (also with FILTER), ROW_NUMBER, RANK, LAG and the like.",
            place=place_of(node, sql),
        )
    function, typed = _function(call, scope)
    if isinstance(call, _VALUES) and order is not full:
        # The frame is of peers, whole: which of them is the first is for the value's own order to say.
        last = "offset" if function.args.get("offset") is not None else "this"
        ordered = [o.copy() for o in full]
        function.set(last, exp.Order(this=function.args[last].copy(), expressions=ordered))
    ordinal = isinstance(call, exp.RowNumber) and not further
    return replace(typed, sql=over(function), ordinal=ordinal, links=frozenset(), unit_level=False)


def _ordered(item: exp.Ordered, tree: exp.Expr) -> exp.Ordered:
    return exp.Ordered(
        this=tree.copy(), desc=item.args.get("desc"), nulls_first=bool(item.args.get("nulls_first"))
    )


def _everything(scope: Scope) -> Iterator[exp.Expr]:
    """Every column that the question reads of a row: rows that agree in all of them are interchangeable.

    0.0 and -0.0 are one in an order, yet two as texts.
    """
    for joined in scope.sources:
        for name, typed in sorted(joined.columns.items(), key=lambda item: item[0]):
            yield column(name, joined.alias)
            if typed.kind is Kind.DOUBLE:
                yield cast(column(name, joined.alias), "VARCHAR")


def _function(call: exp.Expr, scope: Scope) -> tuple[exp.Expr, Typed]:
    """A window function that is no aggregate, lowered, with the facts of its value."""
    one = Decimal(1)
    if isinstance(call, _PLACES):
        most = Decimal(scope.bound.rows)
        return call, Typed(call, Kind.INTEGER, low=one, high=most, bounded=False, nullable=False)
    if isinstance(call, _SHARES):
        return call, Typed(call, Kind.DOUBLE, low=Decimal(0), high=one, nullable=False)
    if isinstance(call, exp.Ntile):
        return call, Typed(call, Kind.INTEGER, low=one, high=Decimal(str(call.this.this)), nullable=False)
    value = scope.lowering.lower(call.this)
    default = call.args.get("default") if isinstance(call, _SHIFTS) else None
    if default is not None:
        value, other = unify(scope.lowering.sql, call, [value, scope.lowering.lower(default)])
        facts = hull([value, other], [], nullable=True)
    else:
        facts, other = value, None
    function = type(call)(this=value.sql.copy())
    if call.args.get("offset") is not None:
        function.set("offset", call.args["offset"].copy())
    if other is not None:
        function.set("offset", function.args.get("offset") or exp.Literal.number(1))
        function.set("default", other.sql.copy())
    return function, replace(facts, nullable=True)
