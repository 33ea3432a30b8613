"""When one answer follows from another: sums over released groups, for fewer keys or fewer of their values.

A grouped answer on public keys is a cube of noisy cells. A later question follows from it when it reads the
same rows under the same policy, but for further conditions that speak of the cube's keys alone; when it
groups by some of those keys; and when it measures nothing that the cube has not measured. Then its groups are
sums of cells. That is post-processing of what was paid for and released: it costs nothing, and depends on no
row.

Not everything adds up over groups: a unit in several groups is counted in each, so units (and distinct
values) are summed only where a unit is in one group, or where no key is given up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from sandbox.query.analyze import Analyzed
from sandbox.query.boundary import Boundary, Measure, Measures
from sandbox.query.meaning import meaning, names_in
from sandbox.query.relations import column
from sandbox.query.vocabulary import conjuncts


@dataclass(frozen=True, slots=True)
class Cube:
    """What one boundary reads and measures, as text that is the same for the same meaning.

    Attributes:
        base: the rows, without conditions and outputs.
        conditions: what holds of the rows, part by part.
        keys: key expressions, in the order of the boundary's.
        measures: what each measure is, by its name in the noisy table.
        additive: whether a unit is in one group at most, so that its count adds up.

    """

    base: str
    conditions: tuple[str, ...]
    keys: tuple[str, ...]
    measures: Mapping[str, str]
    additive: bool


@dataclass(frozen=True, slots=True)
class Follows:
    """How a boundary's table follows from a cube's: its columns for its own, and which cells count."""

    keys: tuple[int, ...]
    measures: Mapping[str, str]
    conditions: tuple[exp.Expr, ...]


def cube_of(analyzed: Analyzed) -> Cube | None:
    """The cube that a question would release, or would follow from; None where neither can be.

    It has one boundary, over public keys or none, without quantiles (they are no sums) and without a floor
    that could leave a group empty.
    """
    if len(analyzed.boundaries) != 1 or analyzed.open_tables:
        return None
    (boundary,) = analyzed.boundaries
    if boundary.selects or boundary.floor > 0 or boundary.trees:
        return None
    return _read(boundary)[0]


def follows(analyzed: Analyzed, cube: Cube) -> Follows | None:
    """How the question's one boundary follows from `cube`; None when it does not."""
    boundary = analyzed.boundaries[0]
    own, conditions = _read(boundary)
    if own.base != cube.base or not set(cube.conditions) <= set(own.conditions):
        return None
    if not set(own.keys) <= set(cube.keys):
        return None
    further = [tree for text, tree in conditions.items() if text not in cube.conditions]
    names = names_in(boundary.rows)
    on_keys = [_on_keys(tree, cube, names) for tree in further]
    given_up = set(cube.keys) - set(own.keys)
    measures: dict[str, str] = {}
    for m in boundary.measures:
        same = [name for name, text in cube.measures.items() if text == own.measures[m.name]]
        if not same or (given_up and not (_adds_up(m) or (cube.additive and m.kind is Measures.UNITS))):
            return None
        measures[m.name] = same[0]
    if any(tree is None for tree in on_keys):
        return None
    return Follows(
        tuple(cube.keys.index(k) for k in own.keys), measures, tuple(t for t in on_keys if t is not None)
    )


def _adds_up(m: Measure) -> bool:
    return m.kind not in (Measures.UNITS, Measures.DISTINCT)


def _on_keys(condition: exp.Expr, cube: Cube, names: Mapping[str, str]) -> exp.Expr | None:
    """The condition over the cube's key columns; None when it speaks of anything else."""

    def placed(node: exp.Expr) -> exp.Expr:
        text = meaning(node, names)
        return column(f"k{cube.keys.index(text)}", "cube") if text in cube.keys else node

    tree = condition.copy().transform(placed)
    alien = [c for c in tree.find_all(exp.Column) if c.table != "cube"]
    return None if alien or tree.find(exp.Select) is not None else tree


def _read(boundary: Boundary) -> tuple[Cube, dict[str, exp.Expr]]:
    rows = boundary.rows
    names = names_in(rows)
    outputs = {item.alias: item.this for item in rows.selects}
    conditions: dict[str, exp.Expr] = {}
    starred: list[exp.Select] = []
    where = None
    if _plain(rows):
        where = rows.args.get("where")
        if where is not None:
            conditions = {meaning(c, names): c for c in conjuncts(where.this)}
        # A stored table's columns mean the same in every question under the same policy.
        starred = [rows, *(s for s in rows.find_all(exp.Select) if _of_stored(s))]
    measures = {}
    for m in boundary.measures:
        argument = meaning(outputs[m.argument], names) if m.argument is not None else ""
        facts = (m.kind.value, m.decimal, m.scale, m.decimals, f"{m.middle:f}", argument)
        measures[m.name] = repr(facts)
    keys = tuple(meaning(outputs[k.name], names) for k in boundary.keys)
    base = meaning(rows, starred=starred, without=() if where is None else (where,))
    return Cube(base, tuple(conditions), keys, measures, boundary.groups == 1), conditions


def _of_stored(select: exp.Select) -> bool:
    source = select.args.get("from_")
    return source is not None and isinstance(source.this, exp.Table) and _plain(select)


def _plain(select: exp.Select) -> bool:
    """Whether each row stands for itself: further conditions or other outputs then change no other row."""
    clauses = {name for name, value in select.args.items() if value}
    windows = any(item.find(exp.Window) is not None for item in select.selects)
    return clauses <= {"expressions", "from_", "joins", "where"} and not windows
