"""What a tree says: a text that is the same for trees of one form, whatever a person called their sources.

It tells questions apart, and never runs. To write SQL of a copy whose aliases are numbered takes far longer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

from sqlglot import exp

from sandbox.query.vocabulary import sources_of

Names = Mapping[str, str]
_NO_NAMES: Names = {}
LONG = 200


def names_in(select: exp.Select) -> Names:
    """The number of each source that has an alias: `s0`, `s1`, … in the order of FROM and JOIN."""
    aliases = ((i, source.args.get("alias")) for i, source in enumerate(sources_of(select)))
    return {alias.name: f"s{i}" for i, alias in aliases if alias is not None}


def meaning(
    tree: exp.Expr,
    names: Names = _NO_NAMES,
    starred: Collection[exp.Select] = (),
    without: Collection[exp.Expr] = (),
) -> str:
    """What `tree` says. Trees that differ in more than aliases say different things.

    Args:
        tree: is not changed.
        names: the sources of the SELECT that it stands in.
        starred: SELECTs whose outputs are left out.
        without: clauses that are left out.

    """
    out: list[str] = []
    stars = {id(select) for select in starred}
    left_out = {id(part) for part in without}

    def write(node: exp.Expr, names: Names) -> None:
        if isinstance(node, exp.Select):
            names = names_in(node)
        elif isinstance(node, exp.CTE):
            names = _NO_NAMES
        out.append(node.key)
        out.append("(")
        of_source = (
            "table" if isinstance(node, exp.Column) else "this" if isinstance(node, exp.TableAlias) else ""
        )
        for name in sorted(node.args):
            value: Any = node.args[name]
            if value is None or value is False or value == [] or id(value) in left_out:
                continue
            out.append(name)
            out.append("=")
            if name == "expressions" and id(node) in stars:
                out.append("*")
            elif name == of_source and value.name in names:
                out.append(names[value.name])
            elif isinstance(value, list):
                out.append("[")
                for one in value:
                    put(one, names)
                out.append("]")
            else:
                put(value, names)
        out.append(")")

    def put(value: Any, names: Names) -> None:
        if isinstance(value, exp.Expr):
            write(value, names)
        else:
            out.append(repr(value))
        out.append(",")

    write(tree, names)
    return "".join(out)


def digest(tree: exp.Expr) -> str:
    """The same for trees of one form with the same names. What stands in several places is read once."""
    known: dict[int, str] = {}

    def said(node: exp.Expr) -> str:
        found = known.get(id(node))
        if found is None:
            inner = ",".join(f"{name}={of(value)}" for name, value in sorted(node.args.items()) if value)
            found = f"{node.key}({inner})"
            if len(found) > LONG:
                found = f"#{hashlib.sha256(found.encode()).hexdigest()}"
            known[id(node)] = found
        return found

    def of(value: Any) -> str:
        if isinstance(value, exp.Expr):
            return said(value)
        return f"[{','.join(map(of, value))}]" if isinstance(value, list) else repr(value)

    return hashlib.sha256(said(tree).encode()).hexdigest()
