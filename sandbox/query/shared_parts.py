"""Parts of a post-processing SELECT that stand in several places, computed once, in a SELECT below it.

A half-width asks what an expression would be if one of its noisy numbers were another; of a correlation that
is a text of fifty thousand characters in which few parts differ. The SELECT

    SELECT f(a / n, a / n) FROM noisy   becomes   SELECT f(p0, p0) FROM (SELECT *, a / n AS p0 FROM noisy)

Only arithmetic on DOUBLE of noisy numbers is moved, and CASE over such: it never raises, so it may run for
rows that another CASE or WHERE would have kept from it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from sandbox.query.half_widths import HALF_WIDTH
from sandbox.query.relations import aliased, column, subquery
from sandbox.query.typed import cast

PREFIX = "__p"
_ARITHMETIC = (
    exp.Paren, exp.Add, exp.Sub, exp.Mul, exp.Greatest, exp.Least, exp.Nullif, exp.Case, exp.If,
)  # fmt: skip
_COMPARISONS = (exp.GT, exp.GTE, exp.LT, exp.LTE)
_Key = tuple[Any, ...]


def shared(tree: exp.Select, numbers: Collection[str]) -> exp.Select:
    """`tree`, or the same SELECT over SELECTs that compute its repeated parts.

    Args:
        tree: reads one table, or it stays as it is. It is not changed.
        numbers: the columns that hold noisy numbers.

    """
    source = tree.args.get("from_")
    if source is None or not isinstance(source.this, exp.Table) or tree.args.get("joins"):
        return tree
    parts = _Parts(source.this.alias_or_name, frozenset(numbers))
    root = parts.number(tree, whole=True)
    below = parts.layers()
    if not below:
        return tree
    result = parts.written(root)
    relation: exp.Expr = source.this.copy()
    for layer in below:
        outputs = [
            exp.Star(),
            *(aliased(parts.written(part, whole=True), parts.names[part]) for part in layer),
        ]
        relation = subquery(exp.Select(expressions=outputs).from_(relation, copy=False), parts.table)
    result.set("from_", exp.From(this=relation))
    assert isinstance(result, exp.Select)  # noqa: S101 -- written anew from one
    return result


@dataclass(slots=True)
class _Parts:
    """Every different part once, by number; a part's number is higher than those within it."""

    table: str
    columns: frozenset[str]
    numbers: dict[_Key, int] = field(default_factory=dict)
    objects: dict[int, int] = field(default_factory=dict)
    nodes: list[exp.Expr] = field(default_factory=list)
    within: list[tuple[tuple[str, Any], ...]] = field(default_factory=list)
    plain: list[bool] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)

    def number(self, node: exp.Expr, *, whole: bool = False) -> int:
        """The number of `node`; a SELECT within the `whole` one is one thing, whatever it holds."""
        if id(node) in self.objects:
            return self.objects[id(node)]
        if isinstance(node, exp.Query) and not whole:
            arguments: tuple[tuple[str, Any], ...] = ()
            key: _Key = (type(node), id(node))
        else:
            arguments = tuple((name, self._argument(value)) for name, value in node.args.items())
            key = (type(node), arguments)
        at = self.numbers.setdefault(key, len(self.nodes))
        if at == len(self.nodes):
            self.nodes.append(node)
            self.within.append(arguments)
            self.plain.append(self._is_plain(node, arguments))
        self.objects[id(node)] = at
        return at

    def layers(self) -> list[list[int]]:
        """The parts that get a name, those that need no other first."""
        times = [0] * len(self.nodes)
        times[-1] = 1
        chosen = set()
        for at in reversed(range(len(self.nodes))):
            if times[at] > 1 and self.plain[at] and _worth_a_name(self.nodes[at]):
                chosen.add(at)
                times[at] = 1  # what has a name is written once
            for inner in _inner(self.within[at]):
                times[inner] += times[at]
        depths: list[int] = []
        layers: list[list[int]] = []
        for at, arguments in enumerate(self.within):
            depth = max((depths[inner] for inner in _inner(arguments)), default=0)
            if at in chosen:
                if depth == len(layers):
                    layers.append([])
                layers[depth].append(at)
                self.names[at] = f"{PREFIX}{len(self.names)}"
                depth += 1
            depths.append(depth)
        return layers

    def written(self, at: int, *, whole: bool = False) -> exp.Expr:
        """Part `at`, written anew: with the names of the parts that have one; `whole`: but not its own."""
        if at in self.names and not whole:
            return column(self.names[at], self.table)
        node = self.nodes[at]
        if not self.within[at]:
            return node.copy()
        made: exp.Expr = type(node)(**{name: self._written(value) for name, value in self.within[at]})
        return made

    def _written(self, value: Any) -> Any:
        if isinstance(value, _Number):
            return self.written(value.at)
        return [self._written(one) for one in value] if isinstance(value, tuple) else value

    def _argument(self, value: Any) -> Any:
        if isinstance(value, exp.Expr):
            return _Number(self.number(value))
        return tuple(self._argument(one) for one in value) if isinstance(value, list) else value

    def _is_plain(self, node: exp.Expr, arguments: tuple[tuple[str, Any], ...]) -> bool:
        """Whether it is arithmetic on DOUBLE of this table's noisy numbers, which never raises."""
        if isinstance(node, exp.Cast) and not isinstance(node, exp.TryCast):
            return node.to.this is exp.DataType.Type.DOUBLE and self._is_number(node.this, arguments)
        if isinstance(node, exp.Column):
            return node.name.startswith(HALF_WIDTH)  # of a noisy number: it will be a DOUBLE
        if isinstance(node, exp.Div):
            divisor = node.expression
            return isinstance(divisor, exp.Nullif) and self._all_plain(arguments)
        if isinstance(node, exp.Sqrt):
            return _not_negative(node.this) and self._all_plain(arguments)
        if isinstance(node, _COMPARISONS):
            sides = zip((node.left, node.right), _inner(arguments), strict=True)
            return all(
                self.plain[at] or (isinstance(side, exp.Literal) and side.is_number) for side, at in sides
            )
        return isinstance(node, _ARITHMETIC) and self._all_plain(arguments)

    def _is_number(self, node: exp.Expr, arguments: tuple[tuple[str, Any], ...]) -> bool:
        """Whether what is cast is a number."""
        if isinstance(node, exp.Column):
            return node.table == self.table and node.name in self.columns
        return isinstance(node, exp.Literal | exp.Parameter) or self.plain[_inner(arguments[:1])[0]]

    def _all_plain(self, arguments: tuple[tuple[str, Any], ...]) -> bool:
        return all(self.plain[inner] for inner in _inner(arguments))


@dataclass(frozen=True, slots=True)
class _Number:
    """Stands for a part within another."""

    at: int


def _worth_a_name(node: exp.Expr) -> bool:
    computed = isinstance(node, exp.Paren) and isinstance(node.this, exp.Binary)
    return computed or isinstance(node, exp.Greatest | exp.Least | exp.Case)


def _not_negative(node: exp.Expr) -> bool:
    """Whether it is GREATEST(…, 0), whose square root exists."""
    zero = cast(exp.Literal.string("0"), "DOUBLE")
    return isinstance(node, exp.Greatest) and zero in node.expressions


def _inner(arguments: tuple[tuple[str, Any], ...]) -> list[int]:
    values = [one for _, value in arguments for one in (value if isinstance(value, tuple) else (value,))]
    return [one.at for one in values if isinstance(one, _Number)]
