"""Quicker ways to copy and to walk sqlglot's trees, put in the place of its own.

Planning a question copies thousands of nodes and visits ten thousand, in sqlglot's optimizer as well as here.
Its own methods make a generator for each node and call a method for each argument. These give the same, as a
test sees on every question of the fixtures, and take an eighth off the time of planning.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any, TypeAlias

from sqlglot.expressions.core import Expr, Expression

Prune: TypeAlias = Callable[[Expr], bool] | None
_PLAIN = frozenset({int, str, bool, type(None)})


def copied(tree: Expr, _memo: object = None) -> Expr:
    """A deep copy of `tree`, which stands in no other tree."""
    root = _bare(tree)
    left = [(tree, root)]
    while left:
        node, made = left.pop()
        args = made.args
        for name, value in node.args.items():
            if isinstance(value, Expr):
                inner = args[name] = _bare(value)
                inner.parent, inner.arg_key = made, name
                left.append((value, inner))
            elif type(value) is list:
                args[name] = [_member(one, made, name, i, left) for i, one in enumerate(value)]
            else:
                args[name] = value
    return root


def _member(value: Any, parent: Expr, name: str, index: int, left: list[tuple[Expr, Expr]]) -> Any:
    if not isinstance(value, Expr):
        return value
    made = _bare(value)
    made.parent, made.arg_key, made.index = parent, name, index
    left.append((value, made))
    return made


def _bare(node: Expr) -> Expr:
    """A node like `node`, without arguments."""
    made = node.__class__.__new__(node.__class__)
    made.args = {}
    made.parent = made.arg_key = made.index = None
    made.comments = None if node.comments is None else list(node.comments)
    made._type = None if node._type is None else deepcopy(node._type)
    meta = node._meta
    if meta is not None:
        meta = dict(meta) if all(type(one) in _PLAIN for one in meta.values()) else deepcopy(meta)
    made._meta = meta
    made._hash = None  # it is computed when it is asked for
    return made


def breadth_first(tree: Expr, prune: Prune = None) -> Iterator[Expr]:
    """Every node, the nearest first; nothing below those that `prune` names."""
    queue = deque((tree,))
    put, take = queue.append, queue.popleft
    while queue:
        node = take()
        yield node
        if prune is not None and prune(node):
            continue
        for value in node.args.values():
            if isinstance(value, Expr):
                put(value)
            elif isinstance(value, list):
                for one in value:
                    if isinstance(one, Expr):
                        put(one)


def depth_first(tree: Expr, prune: Prune = None) -> Iterator[Expr]:
    """Every node before those below it, from left to right; nothing below those that `prune` names."""
    left = [tree]
    put, take = left.append, left.pop
    while left:
        node = take()
        yield node
        if prune is not None and prune(node):
            continue
        for value in reversed(node.args.values()):
            if isinstance(value, Expr):
                put(value)
            elif isinstance(value, list):
                for one in reversed(value):
                    if isinstance(one, Expr):
                        put(one)


def walked(tree: Expr, bfs: bool = True, prune: Prune = None) -> Iterator[Expr]:
    """Every node, in one of the two orders."""
    return breadth_first(tree, prune) if bfs else depth_first(tree, prune)


def found(tree: Expr, *kinds: type[Expr], bfs: bool = True) -> Iterator[Expr]:
    """Every node of these kinds, in one of the two orders."""
    return (node for node in walked(tree, bfs) if isinstance(node, kinds))


_QUICK: Mapping[str, Callable[..., Any]] = {
    "__deepcopy__": copied, "copy": copied, "bfs": breadth_first, "dfs": depth_first, "walk": walked,
    "find_all": found,
}  # fmt: skip
OWN: Mapping[str, Callable[..., Any]] = {name: getattr(Expression, name) for name in _QUICK}


def install() -> None:
    """Put these in the place of sqlglot's own; a second time changes nothing."""
    for name, quick in _QUICK.items():
        setattr(Expression, name, quick)
