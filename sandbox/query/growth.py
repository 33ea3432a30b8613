"""How large a question really is: a name stands for an expression, and naming it twice doubles it.

`SELECT a + a AS b, b + b AS c, …`, subqueries that repeat the column of the one before, and CTEs that join
the one before with itself grow a short text to any size: the name resolver writes expressions out, and so
does the engine's optimizer, which no interrupt stops. So sizes are computed before anything is written out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from sqlglot import exp

from sandbox.errors import ErrorCode, SandboxError
from sandbox.query.vocabulary import has_aggregate, sources_of

MOST_PARTS = 20_000
_CLAUSES = ("where", "group", "having", "qualify", "order")

Sizes = Mapping[str, int]


def check_aliases(tree: exp.Expr) -> None:
    """Refuse SELECT lists whose columns, built on one another by name, would grow too large.

    Raises:
        SandboxError: `sql-too-large`.

    """
    for select in tree.find_all(exp.Select):
        known: dict[str, int] = {}
        for item in select.expressions:
            size = _size(item, partial(_alias_size, known))
            known[item.alias_or_name.lower()] = size
            _check(size)
        clauses = [part for name in _CLAUSES if (part := select.args.get(name)) is not None]
        _check(sum(known.values()) + sum(_size(part, partial(_alias_size, known)) for part in clauses))


def check_parts(trees: Iterable[exp.Expr]) -> None:
    """Refuse trees that have too many parts together.

    Raises:
        SandboxError: `sql-too-large`.

    """
    _check(sum(1 for tree in trees for _ in tree.walk()))


def check_expanded(tree: exp.Select) -> None:
    """Refuse a SELECT one of whose expressions is too large once columns of subqueries are written out.

    Raises:
        SandboxError: `sql-too-large`.

    """
    _checked(tree)


def too_deep() -> SandboxError:
    """The refusal of a question whose names, written out, nest deeper than any step could follow."""
    return SandboxError(
        ErrorCode.SQL_TOO_LARGE,
        "The question nests too deeply: its subqueries stand for expressions within expressions.",
        "Name fewer subqueries in one another, or split it into several questions.",
    )


def _whole(query: exp.Query) -> Sizes:
    """Outputs of a SELECT, or of a set operation: of the larger side."""
    if isinstance(query, exp.Select):
        return _outputs(query)
    left, right = _whole(query.this), _whole(query.args["expression"])
    return {name: max(size, right.get(name, 1)) for name, size in left.items()}


def _outputs(select: exp.Select) -> Sizes:
    """Size of each output as a SELECT around it writes it out: what is aggregated is computed once."""
    outputs = {item.alias_or_name: item for item in select.expressions}
    sizes = _checked(select)
    return {name: 1 if size > 1 and _computed_once(outputs[name]) else size for name, size in sizes.items()}


def _checked(select: exp.Select) -> Sizes:
    """Size of each output, written out down to stored columns."""
    sources: dict[str, Sizes] = {}
    for source in sources_of(select):
        inner = source.this if isinstance(source, exp.Subquery) else None
        sources[source.alias_or_name] = _whole(inner) if isinstance(inner, exp.Query) else {}

    def stands_for(column: exp.Column) -> int:
        if column.table:
            return sources.get(column.table, {}).get(column.name, 1)
        return max((sizes.get(column.name, 1) for sizes in sources.values()), default=1)

    outputs = {item.alias_or_name: _size(item, stands_for) for item in select.expressions}
    joins = select.args.get("joins") or []
    parts = [*(j.args.get("on") for j in joins), *(select.args.get(p) for p in _CLAUSES)]
    for size in (*outputs.values(), *(_size(p, stands_for) for p in parts if p is not None)):
        _check(size)
    return outputs


def _computed_once(output: exp.Expr) -> bool:
    return has_aggregate(output) or output.find(exp.Window) is not None


def _alias_size(known: Sizes, column: exp.Column) -> int:
    return 1 if column.table else known.get(column.name.lower(), 1)


def _size(node: exp.Expr, stands_for: Callable[[exp.Column], int]) -> int:
    """Parts of `node` with every column as large as what it stands for."""
    size = 0
    left = [node]
    while left:  # `walk` takes three times as long
        part = left.pop()
        if isinstance(part, exp.Column):
            size += stands_for(part)
        elif isinstance(part, exp.Select):
            size += sum(_outputs(part).values())
        else:
            size += 1
            for value in part.args.values():
                if isinstance(value, exp.Expr):
                    left.append(value)
                elif isinstance(value, list):
                    left += [one for one in value if isinstance(one, exp.Expr)]
    return size


def _check(size: int) -> None:
    if size > MOST_PARTS:
        raise SandboxError(
            ErrorCode.SQL_TOO_LARGE,
            f"The question grows beyond {MOST_PARTS:,} parts: its names stand for too much.",
            "Name fewer computed columns in one another, or split it into several questions.",
        )
