"""The text of the post-processing SELECT, made once for each question.

The half-widths that it reads follow from the price, not from what is asked. They are columns beside those
of the one noisy table that it reads, so that the engine need not plan it again for others; where it reads
several, or groups them, they are parameters.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import TypeGuard

from sqlglot import exp

from sandbox.query.half_widths import HALF_WIDTH
from sandbox.query.joined_widths import ERROR_PREFIX
from sandbox.query.kept_parts import different
from sandbox.query.meaning import digest, meaning
from sandbox.query.parse import DIALECT
from sandbox.query.relations import column
from sandbox.query.shared_parts import shared
from sandbox.query.typed import cast


@dataclass(frozen=True, slots=True)
class PostSelect:
    """One SELECT over noisy and open tables.

    Attributes:
        text: DuckDB's SQL.
        meaning: what it says, whatever a person called its columns: tells questions apart, never runs.
        widths: by column or parameter, the noisy table and the measure whose half-width it stands for.
        table: the noisy table beside whose columns the half-widths are; None: they are parameters.
        grows: whether it may give more rows than its tables have together.

    """

    text: str
    meaning: str
    widths: Mapping[str, tuple[str, str]]
    table: str | None
    grows: bool


KEPT = 256
WRITTEN: OrderedDict[tuple[str, frozenset[str]], PostSelect] = OrderedDict()
_guard = threading.Lock()


def post_select(post: exp.Select, numbers: Collection[str]) -> PostSelect:
    """The SELECT with its half-widths as columns or parameters; `numbers` are the columns with noise.

    A SELECT that was written before is not written again: constants of WHERE are not in it.
    """
    key = (digest(post), frozenset(numbers))
    with _guard:
        known = WRITTEN.get(key)
        if known is not None:
            WRITTEN.move_to_end(key)
            return known
    made = _post_select(post, numbers)
    with _guard:
        WRITTEN[key] = made
        if len(WRITTEN) > KEPT:
            WRITTEN.popitem(last=False)
    return made


def _post_select(post: exp.Select, numbers: Collection[str]) -> PostSelect:
    parts = list(different(post))
    table = _one_table(post, parts) if numbers else None
    tree = shared(post, numbers)
    names: dict[tuple[str, str], str] = {}
    if table is not None:
        names = {(table, node.name.removeprefix(HALF_WIDTH)): node.name for node in parts if _is_width(node)}
    else:
        tree = post.copy() if tree is post else tree
        for node in list(tree.find_all(exp.Column)):
            if _is_width(node):
                width = (node.table, node.name.removeprefix(HALF_WIDTH))
                name = names.setdefault(width, f"w{len(names)}")
                node.replace(cast(exp.Parameter(this=exp.Var(this=name)), "DOUBLE"))
    grows = any(isinstance(node, exp.Join) for node in parts)
    text = tree.sql(DIALECT, copy=tree is post)
    widths = {name: width for width, name in names.items()}
    return PostSelect(text, meaning(_numbered(post)), widths, table, grows)


def _one_table(post: exp.Select, parts: Iterable[exp.Expr]) -> str | None:
    """The table of a SELECT that reads one, row by row, and whose half-widths are all of its columns."""
    source = post.args.get("from_")
    if source is None or not isinstance(source.this, exp.Table) or source.this.alias:
        return None
    name: str = source.this.name
    clauses = {clause for clause, value in post.args.items() if value}
    if not clauses <= {"expressions", "from_", "where", "order", "limit", "offset"}:
        return None
    for node in parts:
        if isinstance(node, exp.AggFunc | exp.Window) or (isinstance(node, exp.Query) and node is not post):
            return None
        if _is_width(node) and node.table != name:
            return None
    return name


def _is_width(node: exp.Expr) -> TypeGuard[exp.Column]:
    return isinstance(node, exp.Column) and node.name.startswith(HALF_WIDTH)


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
