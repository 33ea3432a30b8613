"""Post-processing: what is computed from noisy and open tables alone. It costs nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from sqlglot import exp

from sandbox.errors import ErrorCode, SandboxError
from sandbox.query.relations import Open, Public, column
from sandbox.query.sets import PARTS
from sandbox.query.vocabulary import AGGREGATES, spoken_name

Scalar = Callable[[exp.Subquery], exp.Select]


def post_process(select: exp.Select, sources: Mapping[str, Public], scalar: Scalar) -> Public:
    """The SELECT as it stands, over its public sources; `scalar` gives SELECTs in the place of values."""
    tree = select.copy()
    tree.set("with_", None)
    for part in ("where", "group", "having", "qualify", "order"):
        if tree.args.get(part) is not None:
            _fill(tree.args[part], scalar)
    for item in tree.expressions:
        _fill(item, scalar)
    # Aligned walk: the copy has the same FROM and JOIN items in the same order.
    joins = tree.args.get("joins") or []
    for holder in [*([tree.args["from_"]] if tree.args.get("from_") else []), *joins]:
        alias = holder.this.alias_or_name
        name = exp.TableAlias(this=exp.to_identifier(alias, quoted=True))
        holder.set("this", exp.Subquery(this=sources[alias].tree.copy(), alias=name))
    return Public(total(tree), tuple(p.alias_or_name for p in tree.selects))


def put_together(node: exp.SetOperation, left: Public, right: Public) -> Public:
    """A set operation of public rows, as it stands."""
    whole = type(node)(
        this=left.tree.copy(), expression=right.tree.copy(), distinct=node.args.get("distinct")
    )
    source = exp.Subquery(this=whole, alias=exp.TableAlias(this=exp.to_identifier(PARTS, quoted=True)))
    outputs = [exp.alias_(column(name, PARTS), exp.to_identifier(name, quoted=True)) for name in left.columns]
    tree = exp.Select(expressions=outputs).from_(source, copy=False)
    return Public(tree, left.columns, _of_sets(node) if isinstance(left, Open) else None)


def _of_sets(node: exp.SetOperation) -> SandboxError:
    """Why protected rows cannot look up a set operation of open rows."""
    return SandboxError(
        ErrorCode.SQL_UNSUPPORTED,
        f"{spoken_name(node)} is not supported in what protected rows look up.",
        "Connect two lookups: x IN (SELECT …) OR x IN (SELECT …); AND NOT x IN (SELECT …).",
    )


def _fill(node: exp.Expr, scalar: Scalar) -> None:
    if isinstance(node, exp.Subquery):
        node.set("this", scalar(node))
        return
    for child in node.iter_expressions():
        _fill(child, scalar)


def total(tree: exp.Select) -> exp.Select:
    """The same SELECT, with NULL where casts, divisions and whole-number arithmetic would raise."""
    result = tree.copy()
    for node in reversed(list(result.walk(bfs=False))):  # what is inside comes first
        if node is not result:
            node.replace(_softened(node))
    return result


def _softened(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Div | exp.IntDiv | exp.Mod) and not _not_zero(node.expression):
        zero = exp.Literal.number(0)
        divisor = exp.Nullif(this=exp.Paren(this=node.expression.copy()), expression=zero)
        node = type(node)(this=node.this.copy(), expression=divisor)
    if type(node) is exp.Cast and not _ours(node):
        return exp.TryCast(this=node.this.copy(), to=node.to)
    if not isinstance(node, _OVERFLOWING) or isinstance(node.parent, exp.Try) or is_double(node):
        return node
    # TRY takes no aggregates, windows or subqueries: sums of answers are wide, what is made of them is free.
    inside = node.find(*AGGREGATES, exp.Window, exp.Subquery) is not None or isinstance(
        node.this, exp.Literal
    )
    return node if inside else exp.Try(this=node.copy())


_OVERFLOWING = (
    exp.Add, exp.Sub, exp.Mul, exp.IntDiv, exp.Mod, exp.Neg, exp.Abs, exp.TimestampTrunc, exp.DateTrunc,
)  # fmt: skip


def _not_zero(node: exp.Expr) -> bool:
    return isinstance(node, exp.Nullif) and node.expression.sql() in ("0", "CAST('0' AS DOUBLE)")


def _ours(node: exp.Cast) -> bool:
    """A cast to DOUBLE of a noisy number, a half-width or a constant number: it cannot fail."""
    if not _to_double(node):
        return False
    if isinstance(node.this, exp.Literal):
        return re.fullmatch(r"-?\d+(\.\d+)?", str(node.this.this)) is not None
    return (
        isinstance(node.this, exp.Column) and re.fullmatch(r"[mq]\d+|__[wq]_.*", node.this.name) is not None
    )


def _to_double(node: exp.Cast) -> bool:
    return node.to.this is exp.DataType.Type.DOUBLE


def is_double(node: exp.Expr) -> bool:
    """Whether `node` is surely a DOUBLE, whose arithmetic never raises."""
    match node:
        case exp.Div() | exp.Sqrt() | exp.Ln() | exp.Exp() | exp.Pow():
            return True
        case exp.Cast():
            return _to_double(node)
        case exp.Add() | exp.Sub() | exp.Mul():
            return is_double(node.left) or is_double(node.right)
        case exp.Paren() | exp.Neg() | exp.Abs() | exp.Nullif() | exp.Try() | exp.Round() | exp.Coalesce():
            return is_double(node.this)
        case exp.Least() | exp.Greatest():
            return any(is_double(part) for part in (node.this, *node.expressions))
        case exp.Case():
            return any(is_double(branch.args["true"]) for branch in node.args["ifs"])
    return False
