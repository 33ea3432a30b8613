"""Set operations as a question writes them: moved into FROM, where every other step expects them.

`A UNION B ORDER BY x` is `SELECT * FROM (A UNION B) AS parts ORDER BY x`, wherever it stands: at the top, in
a CTE, in the place of a value. Each side is then one plain SELECT, or a set operation itself on the left.
Columns meet by position; they bear the names of the first SELECT.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

PARTS = "parts"
_OF_THE_WHOLE = ("with_", "order", "limit", "offset")


def in_from(tree: exp.Select | exp.SetOperation) -> exp.Select:
    """The question with each of its set operations in a FROM of its own. Changes `tree`."""
    holder = exp.Subquery(this=tree)
    for node in [
        n for n in holder.find_all(exp.SetOperation, bfs=False) if not isinstance(n.parent, exp.SetOperation)
    ]:
        _move(node)
    result = holder.this
    assert isinstance(result, exp.Select)  # noqa: S101 -- a set operation became one
    result.pop()
    return result


def _move(node: exp.SetOperation) -> None:
    outer = exp.Select(expressions=[exp.Star()])
    for part in _OF_THE_WHOLE:
        if node.args.get(part) is not None:
            outer.set(part, node.args[part].pop())
    node.replace(outer)
    alias = exp.TableAlias(this=exp.to_identifier(PARTS))
    outer.set("from_", exp.From(this=exp.Subquery(this=node, alias=alias)))
    for side in _sides(node):
        if isinstance(side, exp.Subquery):
            _unbracket(side)


def _sides(node: exp.SetOperation) -> Iterator[exp.Expr]:
    for side in (node.this, node.expression):
        if isinstance(side, exp.SetOperation):
            yield from _sides(side)
        else:
            yield side


def _unbracket(side: exp.Subquery) -> None:
    """A side in brackets, which may have an order, a limit or CTEs of its own, as a plain SELECT of it."""
    inner = side.this
    if isinstance(inner, exp.SetOperation):
        side.replace(inner)
        _move(inner)
        return
    if any(inner.args.get(part) is not None for part in _OF_THE_WHOLE):
        plain = exp.Select(expressions=[exp.Star()])
        alias = exp.TableAlias(this=exp.to_identifier(PARTS))
        side.replace(plain)
        plain.set("from_", exp.From(this=exp.Subquery(this=inner, alias=alias)))
        return
    side.replace(inner)


def first_select(node: exp.Expr) -> exp.Select:
    """The SELECT that names the columns of a set operation."""
    while isinstance(node, exp.SetOperation):
        node = node.this
    assert isinstance(node, exp.Select)  # noqa: S101 -- `in_from` made it so
    return node


def branches(node: exp.Expr) -> Iterator[exp.Select]:
    """Every SELECT of a set operation, from the left."""
    if isinstance(node, exp.SetOperation):
        yield from branches(node.this)
        yield from branches(node.expression)
    else:
        assert isinstance(node, exp.Select)  # noqa: S101 -- `in_from` made it so
        yield node
