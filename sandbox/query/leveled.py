"""A SELECT over protected rows that groups on several levels: its boundaries, their family, their answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from sqlglot import exp

from sandbox.errors import ErrorCode, SandboxError
from sandbox.query.boundary import Boundary
from sandbox.query.counting import counting_of, key_domain
from sandbox.query.families import Family
from sandbox.query.finer import added_up, family_of, kin_of
from sandbox.query.grouping_sets import keys_of, level, levels_of, ordered
from sandbox.query.histograms import Fold
from sandbox.query.limits import in_domain, key_literal
from sandbox.query.parse import place_of
from sandbox.query.per_unit import is_unit
from sandbox.query.private import aggregate, key_of
from sandbox.query.public import put_together
from sandbox.query.relations import Public
from sandbox.query.scopes import Scope
from sandbox.query.vocabulary import AGGREGATES


@dataclass(frozen=True, slots=True)
class Levels:
    """A SELECT on several levels: its boundaries, those that agree, what fills its cells, and its answer."""

    boundaries: tuple[Boundary, ...]
    family: Family | None
    folds: tuple[Fold, ...]
    answer: Public


def aggregate_levels(
    select: exp.Select, scope: Scope, name: Callable[[], str], floor: int, sql: str
) -> Levels:
    """The boundary of each level, whether their numbers can be made to agree, and all of them as one answer.

    Where they can, a row counts on every level or on none: one of whose keys is on no list counts on none,
    and of one unit's rows those that the finest level's contribution bounds keep.

    Raises:
        SandboxError: as `aggregate`, and `sql-unsupported` for what belongs around the levels.

    """
    keys = keys_of(select)
    _check(select, keys, scope, sql)
    known = [key_of(k, i, scope, sql) for i, k in enumerate(keys)]
    blanks = {node: key_literal(None, key) for node, key in zip(keys, known, strict=True)}
    sets = levels_of(select, sql)
    axes = [tuple(keys.index(k) for k in own) for own in sets]
    kin = kin_of(known, axes) if scope.bound.once or not scope.bound.found else None
    boundaries: list[Boundary] = []
    counts: list[Boundary] = []
    folds: list[Fold] = []
    answers: list[Public] = []
    for at, own in enumerate(sets):
        totals = None
        if kin is not None and not scope.bound.once and at in kin.places:
            finest = [known[axis] for axis in axes[kin.finest]]
            totals = counting_of(finest, key_domain(finest), scope.bound)
        made = aggregate(level(select, own, blanks), scope, name(), floor, sql, _no_scalar, totals)
        boundaries.append(made.boundary)
        counts += made.counts
        folds += made.folds
        answers.append(made.answer)
    family = family_of(boundaries, axes, kin) if kin is not None else None
    if family is not None and kin is not None:
        boundaries = _related(boundaries, boundaries[kin.finest], family)
    together = answers[0]
    for other in answers[1:]:
        together = put_together(exp.Union(distinct=False), together, other)
    return Levels((*boundaries, *counts), family, tuple(folds), ordered(select, together))


def _related(boundaries: list[Boundary], finest: Boundary, family: Family) -> list[Boundary]:
    """The boundaries of a family over the same rows; where units have many, the coarser as sums."""
    assert finest.domain is not None  # noqa: S101 -- so a family's finest level has
    listed = [in_domain(k, values) for k, values in zip(finest.keys, finest.domain, strict=True)]
    values = {k.name: k.typed.sql for k in finest.keys}
    frame = [_over(test, values) for test in listed]
    framed = {
        b.name: replace(b, rows=b.rows.where(*(f.copy() for f in frame)))
        for b in boundaries
        if b.name in family.levels
    }
    whole = framed[finest.name]
    found = [framed.get(b.name, b) for b in boundaries]
    if finest.once:
        return found
    return [added_up(b, whole, family) if b.name in framed and b is not whole else b for b in found]


def _over(test: exp.Expr, values: dict[str, exp.Expr]) -> exp.Expr:
    """A test of keys by name as one of what they are computed from."""
    result = test.copy()
    for node in list(result.find_all(exp.Column)):
        node.replace(exp.Paren(this=values[node.name].copy()))
    return result


def _check(select: exp.Select, keys: tuple[exp.Expr, ...], scope: Scope, sql: str) -> None:
    unit = next((k for k in keys if is_unit(k, scope)), None)
    if unit is not None:
        raise SandboxError(
            ErrorCode.SQL_UNSUPPORTED,
            f"Levels cannot be grouped by the {scope.unit} itself.",
            "Group by it in a subquery first, then on several levels.",
            place=place_of(unit, sql),
        )
    parts = [*select.selects, *(select.args[p] for p in ("having", "qualify", "order") if select.args.get(p))]
    around = next(
        (
            n
            for p in parts
            for n in _beside(p, keys)
            if isinstance(n, exp.Window | exp.Subquery | exp.Qualify)
        ),
        None,
    )
    if around is not None:
        raise SandboxError(
            ErrorCode.SQL_UNSUPPORTED,
            "Windows and subqueries beside GROUPING SETS, ROLLUP or CUBE are not supported.",
            "Compute them around it: SELECT … FROM (SELECT … GROUP BY ROLLUP (a)) AS q.",
            place=place_of(around, sql),
        )


def _beside(part: exp.Expr, keys: tuple[exp.Expr, ...]) -> Iterator[exp.Expr]:
    """Nodes that are in no key and in no aggregate: what stands in these is of a row, not of a level."""
    inside = (*AGGREGATES, exp.Filter)
    yield from part.walk(prune=lambda n: n in keys or isinstance(n, inside))


def _no_scalar(node: exp.Subquery) -> exp.Select:
    raise AssertionError(node)  # `_check` refused it
