"""Post-processing: what is computed from noisy and open tables alone. It costs nothing.

Error bars of computed columns: a column e(m_0, m_1, …) of the noisy numbers m_i with half-widths h_i
gets sqrt(sum_i d_i**2), d_i the larger of |e(… m_i + h_i …) - e(…)| and |e(…) - e(… m_i - h_i …)|, rounding
left aside: it covers what h_i covers where e is monotone in one noisy number, and is the first-order
propagation (JCGM 100:2008, section 5.1.3) of several. It reads released numbers only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from sandbox.query.boundary import Boundary
from sandbox.query.relations import Public, column
from sandbox.query.typed import cast
from sandbox.query.vocabulary import AGGREGATES

ERROR_PREFIX = "__h"
HALF_WIDTH = "__w_"


@dataclass(frozen=True, slots=True)
class WithErrors:
    """A post-processing SELECT whose half-widths follow its columns.

    `noisy`: indexes of columns that depend on noise. `direct`: those that are one noisy number as it is.
    """

    tree: exp.Select
    noisy: frozenset[int]
    direct: Mapping[int, tuple[str, str]]


Scalar = Callable[[exp.Subquery], exp.Select]


def post_process(select: exp.Select, sources: Mapping[str, Public], scalar: Scalar) -> Public:
    """The SELECT as it stands, over its public sources; `scalar` gives SELECTs in the place of values."""
    tree = select.copy()
    tree.set("with_", None)
    for part in ("where", "group", "having", "order"):
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
    if not isinstance(node, _OVERFLOWING) or isinstance(node.parent, exp.Try) or _is_double(node):
        return node
    # TRY takes neither aggregates nor subqueries: sums of answers are wide, what is made of them is not held.
    inside = node.find(*AGGREGATES, exp.Subquery) is not None or isinstance(node.this, exp.Literal)
    return node if inside else exp.Try(this=node.copy())


_OVERFLOWING = (
    exp.Add, exp.Sub, exp.Mul, exp.IntDiv, exp.Mod, exp.Neg, exp.Abs, exp.TimestampTrunc, exp.DateTrunc,
)  # fmt: skip


def _not_zero(node: exp.Expr) -> bool:
    return isinstance(node, exp.Nullif) and node.expression.sql() in ("0", "CAST('0' AS DOUBLE)")


def _ours(node: exp.Cast) -> bool:
    """A cast to DOUBLE of a noisy number, a half-width or a constant number: it cannot fail."""
    if not node.is_type("double"):
        return False
    if isinstance(node.this, exp.Literal):
        return re.fullmatch(r"-?\d+(\.\d+)?", str(node.this.this)) is not None
    return isinstance(node.this, exp.Column) and re.fullmatch(r"m\d+|__w_.*", node.this.name) is not None


def _is_double(node: exp.Expr) -> bool:
    """Whether `node` is surely a DOUBLE, whose arithmetic never raises."""
    match node:
        case exp.Div() | exp.Sqrt() | exp.Ln() | exp.Exp() | exp.Pow():
            return True
        case exp.Cast():
            return node.is_type("double")
        case exp.Add() | exp.Sub() | exp.Mul():
            return _is_double(node.left) or _is_double(node.right)
        case exp.Paren() | exp.Neg() | exp.Abs() | exp.Nullif() | exp.Try() | exp.Round() | exp.Coalesce():
            return _is_double(node.this)
        case exp.Least() | exp.Greatest():
            return any(_is_double(part) for part in (node.this, *node.expressions))
        case exp.Case():
            return any(_is_double(branch.args["true"]) for branch in node.args["ifs"])
    return False


def output_errors(tree: exp.Select, boundaries: Sequence[Boundary]) -> WithErrors:
    """Add a half-width column for each output that is computed row by row from one noisy table."""
    tree = total(tree)
    source = tree.args.get("from_")
    direct_source = source.this if source is not None and isinstance(source.this, exp.Table) else None
    boundary = next(
        (b for b in boundaries if direct_source is not None and b.name == direct_source.name), None
    )
    if boundary is None:
        noisy = frozenset(range(len(tree.selects))) if boundaries else frozenset[int]()
        return WithErrors(tree, noisy, {})
    measures = {m.name for m in boundary.measures}
    found: set[int] = set()
    direct: dict[int, tuple[str, str]] = {}
    for i, projection in enumerate(list(tree.selects)):
        value = projection.unalias()
        if value.find(exp.Subquery) is not None:
            found.add(i)  # noisy numbers of other tables are in it: no half-width is better than a small one
            continue
        used = sorted({c.name for c in value.find_all(exp.Column) if c.name in measures})
        if not used:
            continue
        found.add(i)
        alias = exp.to_identifier(f"{ERROR_PREFIX}{i}", quoted=True)
        if isinstance(value, exp.Column):
            direct[i] = (boundary.name, value.name)
            shown = exp.Not(this=exp.Paren(this=exp.Is(this=value.copy(), expression=exp.Null())))
            width = column(HALF_WIDTH + value.name, boundary.name)
            tree.select(exp.alias_(exp.Case(ifs=[exp.If(this=shown, true=width)]), alias), copy=False)
            continue
        squares = [_square(value, name, boundary.name) for name in used]
        sum_of_squares: exp.Expr = squares[0]
        for square in squares[1:]:
            sum_of_squares = exp.Add(this=sum_of_squares, expression=square)
        tree.select(exp.alias_(exp.Sqrt(this=sum_of_squares), alias), copy=False)
    return WithErrors(tree, frozenset(found), direct)


def _square(value: exp.Expr, name: str, table: str) -> exp.Expr:
    # A rounded number moves in steps, which a difference misses or doubles: move what is rounded.
    value = value.transform(lambda n: n.this if isinstance(n, exp.Round | exp.Floor | exp.Ceil) else n)
    here = _as_number(value)
    sides: list[exp.Expr] = []
    for node in (exp.Add, exp.Sub):
        moved = exp.Paren(this=value.copy())
        for c in list(moved.find_all(exp.Column)):
            if c.name == name:
                width = column(HALF_WIDTH + name, table)
                c.replace(exp.Paren(this=node(this=cast(c.copy(), "DOUBLE"), expression=width)))
        sides.append(exp.Abs(this=exp.Sub(this=_as_number(moved), expression=here.copy())))
    # GREATEST skips NULL: where the value ends on one side, the other side speaks.
    further = exp.Greatest(this=sides[0], expressions=[sides[1]], ignore_nulls=True)
    return exp.Pow(this=further, expression=exp.Literal.number(2))


def _as_number(value: exp.Expr) -> exp.Expr:
    return exp.TryCast(this=value.copy(), to=exp.DataType.build("DOUBLE"))
