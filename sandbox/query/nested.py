"""SELECTs inside expressions over protected rows: lookups in open tables, and rows of the same unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlglot import exp

from sandbox.catalog.model import UNIT_COLUMN
from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.types import Kind
from sandbox.query.expressions import ASK_FIRST, Lowering
from sandbox.query.parse import place_of
from sandbox.query.relations import Open, Public, Rows, aliased, as_source, column
from sandbox.query.typed import Typed, operand

LOOKED_UP = "__o"


def of_open(node: exp.In | exp.Subquery, inner: Open, lowering: Lowering) -> Typed:
    """What open tables say: `x IN (SELECT k …)`, or one value that is the same for every row.

    Raises:
        SandboxError: `sql-type` for kinds that cannot be compared or several columns, `sql-unsupported`
            where there may be several values.

    """
    return _among(node, inner, lowering) if isinstance(node, exp.In) else _one_value(node, inner, lowering)


def of_unit(node: exp.In, inner: Rows, lookup: Callable[[exp.Column], Typed], unit: str) -> Typed | None:
    """`x IN (SELECT y …)`, both the unit: whether it has such a row; None where they are not.

    `lookup`: the columns as they are before any outer join.
    """
    outputs = node.args["query"].this.selects
    if len(outputs) != 1 or not isinstance(node.this, exp.Column) or inner.unit != unit:
        return None
    if not lookup(node.this).links & inner.columns[outputs[0].alias_or_name].links:
        return None
    own = exp.Select(expressions=[column(UNIT_COLUMN)])
    own = own.from_(exp.Subquery(this=inner.tree, alias=exp.TableAlias(this=exp.to_identifier("s"))))
    unit_here = column(UNIT_COLUMN, node.this.table)
    # NULL IN (…) is NULL or FALSE by whether *anybody* is in the list: it must depend on nobody.
    known = exp.Not(this=exp.Paren(this=exp.Is(this=unit_here.copy(), expression=exp.Null())))
    among_them = exp.In(this=unit_here, query=exp.Subquery(this=own))
    tree = exp.Case(ifs=[exp.If(this=known, true=among_them)])
    return Typed(tree, Kind.BOOLEAN, keys=(False, True), nullable=False, unit_level=True)


def _among(node: exp.In, inner: Open, lowering: Lowering) -> Typed:
    """`x IN (SELECT k …)` over open tables, NULL as DuckDB has it."""
    own = lowering.lower(node.this)
    a, b = lowering.alike(node, [own, _column(node, inner, lowering)])
    keys = exp.Select(expressions=[aliased(b.sql.copy(), "k")])
    keys = keys.from_(as_source(inner.stored, LOOKED_UP), copy=False)
    return lowering.truth(exp.In(this=operand(a.sql), query=exp.Subquery(this=keys)), a, b)


def _one_value(node: exp.Subquery, inner: Open, lowering: Lowering) -> Typed:
    """`(SELECT MAX(v) FROM open …)`: a value that is the same for every row."""
    known = _column(node, inner, lowering)
    if not inner.single:
        raise SandboxError(
            ErrorCode.SQL_UNSUPPORTED,
            "This SELECT in the place of a value may find several rows.",
            "Aggregate in it: (SELECT MAX(x) FROM …); or look up by a key: … WHERE open.key = t.column.",
            place=place_of(node, lowering.sql),
        )
    return replace(known, sql=exp.Subquery(this=inner.stored.copy()), nullable=True, bounded=False, keys=None)


def _column(node: exp.Expr, inner: Open, lowering: Lowering) -> Typed:
    """The one column of a lookup. It is no row's own, so it is the same for all rows of a unit."""
    if len(inner.columns) != 1:
        raise SandboxError(
            ErrorCode.SQL_TYPE,
            f"This SELECT has {len(inner.columns)} columns where one is compared.",
            "Name one column in it.",
            place=place_of(node, lowering.sql),
        )
    (name,) = inner.columns
    return replace(inner.typed[name], sql=column(name, LOOKED_UP), unit_level=True)


def not_looked_up(node: exp.In | exp.Subquery, inner: Rows | Public, sql: str) -> SandboxError:
    """The refusal of any other SELECT in an expression over protected rows."""
    if isinstance(inner, Public):
        if inner.why is not None:
            return inner.why
        return SandboxError(
            ErrorCode.SQL_UNSUPPORTED,
            "A noisy answer cannot decide about protected rows in the same question.",
            ASK_FIRST,
            place=place_of(node, sql),
        )
    return SandboxError(
        ErrorCode.SQL_JOIN if isinstance(node, exp.In) else ErrorCode.SQL_UNSUPPORTED,
        "A SELECT in an expression on protected rows compares units, as in: id IN (SELECT id FROM …); "
        "or it looks at open tables alone.",
        "Join on the unit in FROM; or aggregate within it: (SELECT MAX(x) FROM v WHERE v.id = p.id).",
        place=place_of(node, sql),
    )
