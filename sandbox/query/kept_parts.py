"""Trees that have parts in common: what a change leaves as it was stands in both, and is not copied.

Such trees are read, or copied whole: a node's `parent` is only the one that took it last.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from sqlglot import exp

N = TypeVar("N", bound=exp.Expr)


def parts(tree: exp.Expr, kind: type[N]) -> Iterator[N]:
    """Every part of this kind, in no order that means anything. `find_all` takes three times as long."""
    left: list[exp.Expr] = [tree]
    while left:
        node = left.pop()
        if isinstance(node, kind):
            yield node
        for value in node.args.values():
            if isinstance(value, exp.Expr):
                left.append(value)
            elif isinstance(value, list):
                left += [one for one in value if isinstance(one, exp.Expr)]


def replaced(tree: exp.Expr, part: exp.Expr, by: exp.Expr) -> exp.Expr:
    """`tree` with `by` for each `part` that stands outside of windows.

    What has no such part stands in both trees.
    """
    if tree == part:
        return by
    if isinstance(tree, exp.Window):
        return tree
    changed: dict[str, Any] = {}
    for name, value in tree.args.items():
        if isinstance(value, exp.Expr):
            made: Any = replaced(value, part, by)
            same = made is value
        elif isinstance(value, list):
            made = [replaced(one, part, by) if isinstance(one, exp.Expr) else one for one in value]
            same = all(one is before for one, before in zip(made, value, strict=True))
        else:
            continue
        if not same:
            changed[name] = made
    return type(tree)(**(tree.args | changed)) if changed else tree


def different(tree: exp.Expr) -> Iterator[exp.Expr]:
    """Every object of a tree once, in however many places it stands."""
    seen: set[int] = set()
    stack = [tree]
    while stack:
        node = stack.pop()
        if id(node) not in seen:
            seen.add(id(node))
            yield node
            stack.extend(node.iter_expressions())
