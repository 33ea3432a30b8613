"""A grouped SELECT below the private boundary, in two.

Keys and aggregates are computed inside, and what is made of them outside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from sqlglot import exp

from sandbox.errors import ErrorCode, SandboxError
from sandbox.query.expressions import Lowering
from sandbox.query.parse import place_of
from sandbox.query.relations import aliased, column
from sandbox.query.typed import Typed
from sandbox.query.vocabulary import AGGREGATES

INNER = "__agg"
Call = Callable[[exp.Expr, Typed | None], tuple[exp.Expr, Typed]]


@dataclass(slots=True)
class InnerGroups:
    """Collects the columns of the inner SELECT while the outer one is read.

    `nodes` are the keys as the question wrote them, `call` gives the tree and the facts of one aggregate (and
    of its FILTER); `inner` are the columns so far, and `facts` what is known of those with a name of ours.
    """

    nodes: Sequence[exp.Expr]
    lowering: Lowering
    call: Call
    inner: list[exp.Expr] = field(default_factory=list)
    facts: dict[str, Typed] = field(default_factory=dict)

    def key(self, typed: Typed, tree: exp.Expr) -> None:
        """The next key: what is known of it, and how the inner SELECT computes it."""
        name = f"k{len(self.facts)}"
        self.inner.append(aliased(tree.copy(), name))
        self.facts[name] = typed

    def place(self, node: exp.Expr) -> exp.Expr:
        """`node` with keys and aggregates replaced by columns of the inner SELECT.

        Raises:
            SandboxError: `sql-unsupported` for a column that is neither.

        """
        for i, key in enumerate(self.nodes):
            if node == key:
                return column(f"k{i}", INNER)
        condition = None
        aggregate = node
        if isinstance(node, exp.Filter):
            condition, aggregate = self.lowering.boolean(node.expression.this), node.this
        if type(aggregate) in AGGREGATES:
            name = f"g{len(self.facts)}"
            tree, typed = self.call(aggregate, condition)
            self.inner.append(aliased(tree.copy(), name))
            self.facts[name] = typed
            return column(name, INNER)
        if isinstance(node, exp.Subquery):
            return node.copy()  # it looks at nothing around it
        if isinstance(node, exp.Column):
            raise SandboxError(
                ErrorCode.SQL_UNSUPPORTED,
                f"{node.name[:80]} is neither aggregated nor a group key.",
                "Add it to GROUP BY, or aggregate it.",
                place=place_of(node, self.lowering.sql),
            )
        result = node.copy()
        for child in list(result.iter_expressions()):
            child.replace(self.place(child))
        return result

    def outside(self, *, unit_level: bool) -> Lowering:
        """Lowers what was placed; `unit_level`: whether each unit has one group."""

        def lookup(node: exp.Column) -> Typed:
            known = self.facts[node.name]
            return replace(known, sql=column(node.name, INNER), unit_level=unit_level, ordinal=False)

        return Lowering(lookup, self.lowering.sql, self.lowering.nested)
