from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import sqlglot
from sqlglot import exp
from sqlglot.expressions.core import Expr, Expression

from sandbox.query import quick_trees
from sandbox.query.parse import DIALECT
from tests.query.fixtures import REWRITES, read

TREES = [
    sqlglot.parse_one(statement, dialect=DIALECT)
    for block in read(REWRITES)
    for statement in block.statements
]


def facts(node: Expr) -> tuple[object, ...]:
    """All that a node knows of itself, its arguments by what they are."""
    place = node.parent and type(node.parent)
    own = (type(node), node.arg_key, node.index, node.comments, node._type, node._meta, place)
    return (*own, [(name, repr(value)) for name, value in node.args.items()])


def walked(method: str, tree: Expr, **options: Any) -> list[int]:
    """The nodes that sqlglot's own method gives, in order."""
    return [id(node) for node in quick_trees.OWN[method](tree, **options)]


def test_they_are_in_use() -> None:
    assert Expression.walk is quick_trees.walked
    assert all(getattr(Expression, name) is not own for name, own in quick_trees.OWN.items())


def test_a_copy_is_what_sqlglot_copies() -> None:
    assert len(TREES) > 100
    for tree in TREES:
        tree.comments, tree.meta["nested"] = ["as written"], {"list": [1]}
        hash(next(tree.find_all(exp.Select)))
        own, quick = quick_trees.OWN["__deepcopy__"](tree, {}), deepcopy(tree)
        for a, b, before in zip(own.walk(), quick.walk(), tree.walk(), strict=True):
            assert facts(a) == facts(b)
            assert b == before
            assert b is not before
            assert b._meta is None or b._meta is not before._meta
        assert quick.meta["nested"]["list"] is not tree.meta["nested"]["list"]
        assert quick.comments is not tree.comments
        assert all(child.parent is node for node in quick.walk() for child in node.iter_expressions())


@pytest.mark.parametrize("prune", [None, lambda node: isinstance(node, exp.Subquery | exp.Func)])
def test_a_walk_goes_where_sqlglot_goes(prune: Callable[[Expr], bool] | None) -> None:
    for tree in TREES:
        assert [id(n) for n in tree.bfs(prune)] == walked("bfs", tree, prune=prune)
        assert [id(n) for n in tree.dfs(prune)] == walked("dfs", tree, prune=prune)
        assert [id(n) for n in tree.walk(bfs=False, prune=prune)] == walked("dfs", tree, prune=prune)
        kinds = (exp.Column, exp.Select)
        assert [id(n) for n in tree.find_all(*kinds)] == [
            i for i, n in zip(walked("bfs", tree), tree.walk(), strict=True) if isinstance(n, kinds)
        ]


def test_a_tree_may_be_as_deep_as_sqlglot_lets_it() -> None:
    tree: exp.Expr = exp.column("x")
    for _ in range(20_000):
        tree = exp.Paren(this=tree)
    assert sum(1 for _ in tree.copy().walk()) == 20_002
