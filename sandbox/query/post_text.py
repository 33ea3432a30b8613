"""The text of the post-processing SELECT, made once for each question.

The half-widths that it reads are parameters: they follow from the price, not from what is asked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass

from sqlglot import exp

from sandbox.query.half_widths import HALF_WIDTH
from sandbox.query.joined_widths import ERROR_PREFIX
from sandbox.query.kept_parts import different
from sandbox.query.parse import DIALECT
from sandbox.query.relations import column
from sandbox.query.shared_parts import shared
from sandbox.query.typed import cast
from sandbox.query.vocabulary import sources_of


@dataclass(frozen=True, slots=True)
class PostSelect:
    """One SELECT over noisy and open tables.

    Attributes:
        text: DuckDB's SQL.
        meaning: the same, names that a person chose numbered: tells questions apart, never runs.
        widths: by parameter, the noisy table and the measure whose half-width it stands for.
        grows: whether it may give more rows than its tables have together.

    """

    text: str
    meaning: str
    widths: Mapping[str, tuple[str, str]]
    grows: bool


def post_select(post: exp.Select, numbers: Collection[str]) -> PostSelect:
    """The SELECT with its half-widths turned into parameters; `numbers` are the columns with noise."""
    tree = shared(post, numbers)
    tree = post.copy() if tree is post else tree
    names: dict[tuple[str, str], str] = {}
    for node in list(tree.find_all(exp.Column)):
        if node.name.startswith(HALF_WIDTH):
            width = (node.table, node.name.removeprefix(HALF_WIDTH))
            name = names.setdefault(width, f"w{len(names)}")
            node.replace(cast(exp.Parameter(this=exp.Var(this=name)), "DOUBLE"))
    grows = any(isinstance(node, exp.Join) for node in different(post))
    text = tree.sql(DIALECT, copy=False)
    meaning = nameless(_numbered(post)).sql(DIALECT, copy=False)
    return PostSelect(text, meaning, {n: width for width, n in names.items()}, grows)


def _numbered(post: exp.Select) -> exp.Select:
    """A copy of `post`, its outputs numbered. What they are called changes nothing.

    Their half-widths are left out: they follow from them and from the boundaries.
    """
    outputs = [p for p in post.selects if not p.alias_or_name.startswith(ERROR_PREFIX)]
    tree = exp.Select(**deepcopy(post.args | {"expressions": outputs}))
    names = {item.alias_or_name: f"c{i}" for i, item in enumerate(tree.selects)}
    for item in tree.selects:
        if isinstance(item, exp.Alias):
            item.set("alias", exp.to_identifier(names[item.alias], quoted=True))
    for ordered in tree.args["order"].expressions if tree.args.get("order") else ():
        by = ordered.this
        if isinstance(by, exp.Column) and not by.table and by.name in names:
            ordered.set("this", column(names[by.name]))
    return tree


def nameless(tree: exp.Select) -> exp.Select:
    """`tree`, changed: the aliases of its sources numbered, in it and in every SELECT within."""
    for select in list(tree.find_all(exp.Select)):
        renamed: dict[str, str] = {}
        for i, source in enumerate(sources_of(select)):
            alias = source.args.get("alias")
            if alias is not None:
                renamed[alias.name] = f"s{i}"
                alias.set("this", exp.to_identifier(f"s{i}", quoted=True))
        for reference in list(_own_columns(select)):
            if reference.table in renamed:
                reference.set("table", exp.to_identifier(renamed[reference.table], quoted=True))
    return tree


def _own_columns(select: exp.Select) -> Iterator[exp.Column]:
    """Columns of `select` itself: a SELECT within it reaches into no other."""
    for node in select.walk(prune=lambda n: isinstance(n, exp.Select) and n is not select):
        if isinstance(node, exp.Column):
            yield node
