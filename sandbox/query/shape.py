"""The shape of a question for the log: no literal, no comment, and no name that is not published.

A value in double quotes is a name to SQL, so an alias could carry one; the text itself travels as `secret`.
"""

from __future__ import annotations

from sqlglot import exp

from sandbox.policy.published import Published
from sandbox.policy.types import Use
from sandbox.query.parse import DIALECT, Parsed

MOST_SHAPE = 4_000
UNKNOWN_NAME = "_"


def shape(parsed: Parsed, published: Published) -> str:
    """The question with `?` for literals and `_` for names that no policy publishes."""
    names = _published_names(published)

    def blank(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Literal):
            return exp.Placeholder()
        if isinstance(node, exp.Identifier) and node.name.lower() not in names:
            return exp.to_identifier(UNKNOWN_NAME)
        return node

    return parsed.tree.transform(blank).sql(DIALECT, comments=False)[:MOST_SHAPE]


def _published_names(published: Published) -> frozenset[str]:
    names = set[str]()
    for dataset, version in published.policies.items():
        names.add(dataset)
        for table, said in version.content.tables.items():
            names.add(table)
            names |= {name for name, column in said.columns.items() if column.use is not Use.HIDDEN}
    return frozenset(name.lower() for name in names)
