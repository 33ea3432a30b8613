"""Passes that look at single values of a unit: how many rows of it, in each group, have which value.

COUNT(DISTINCT x) counts a value once, whoever has it. One unit can be the only one to have as many values as
it has in a group, so it keeps as many as its bound allows, those of least hash: with or without it, the
count of a group differs by at most that many.

Quantiles count the rows of each cell of a value's grid. The rows of a unit that has more of them than count
weigh less, so that together they weigh as much as those that do: no row is preferred, no quantile bent.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from sandbox.catalog.model import UNIT_COLUMN
from sandbox.query.boundary import Boundary, Measure
from sandbox.query.grids import Tree
from sandbox.query.limits import hashed, kept, least_hash, listed
from sandbox.query.relations import aliased, column, subquery
from sandbox.query.typed import cast, type_of

CELL = "cell"
ROWS = "n"
ALL_ROWS = "all"
SATURATED = 4 * 10**18


def unit_cells(boundary: Boundary, argument: str) -> exp.Select:
    """One row per unit, group and value of `argument` (NULL too): `__unit`, the keys, `cell`, `n` rows.

    The groups that a unit touches are limited just as they are for every other measure.
    """
    keys = [column(k.name) for k in boundary.keys]
    outputs: list[exp.Expr] = [
        column(UNIT_COLUMN),
        *keys,
        aliased(column(argument), CELL),
        aliased(exp.Count(this=exp.Star()), ROWS),
    ]
    units = exp.Select(expressions=outputs).from_(subquery(boundary.rows.copy(), "r"), copy=False)
    units.where(*listed(boundary), copy=False)
    units.group_by(column(UNIT_COLUMN), *(k.copy() for k in keys), column(argument), copy=False)
    if not boundary.limit_groups:
        return units
    rank = exp.Anonymous(this="dense_rank")
    return kept(units, rank, least_hash(boundary), boundary.groups)


def joined_counts(boundary: Boundary, base: exp.Select | None, counts: Sequence[Measure]) -> exp.Select:
    """`base` (keys and other measures of each group; None: there are neither) with the distinct counts."""
    outputs: list[exp.Expr] = [aliased(column(k.name, "b"), k.name) for k in boundary.keys]
    tree = exp.Select()
    if base is not None:
        tree = tree.from_(subquery(base, "b"), copy=False)
    for i, m in enumerate(counts):
        name = f"x{i}"
        source = subquery(_distinct(boundary, m), name)
        same = [
            exp.NullSafeEQ(this=column(k.name, "b"), expression=column(k.name, name)) for k in boundary.keys
        ]
        if base is None and i == 0:
            tree = tree.from_(source, copy=False)
        else:
            kind = "LEFT" if same else "CROSS"
            tree = tree.join(source, on=exp.and_(*same) if same else None, join_type=kind, copy=False)
    places = {m.name: f"x{i}" for i, m in enumerate(counts)}
    for m in boundary.measures:
        value: exp.Expr = column(m.name, places.get(m.name, "b"))
        if m.name in places:
            value = exp.Coalesce(this=value, expressions=[exp.Literal.number(0)])
        outputs.append(aliased(value, m.name))
    tree.set("expressions", outputs)
    return tree


def _distinct(boundary: Boundary, m: Measure) -> exp.Select:
    """The distinct count of each group that has a value, of each unit as many values as count."""
    assert m.argument is not None  # noqa: S101 -- a distinct count has one
    keys = [column(k.name) for k in boundary.keys]
    values = exp.Select(expressions=[exp.Star()]).from_(
        subquery(unit_cells(boundary, m.argument), "c"), copy=False
    )
    values.where(exp.Not(this=exp.Paren(this=exp.Is(this=column(CELL), expression=exp.Null()))), copy=False)
    order = [hashed(column(CELL)), column(CELL)]
    limited = kept(values, exp.RowNumber(), order, m.high, within=tuple(keys))
    count = exp.Count(this=exp.Distinct(expressions=[column(CELL)]))
    outputs = [*(k.copy() for k in keys), aliased(count, m.name)]
    tree = exp.Select(expressions=outputs).from_(subquery(limited, "v"), copy=False)
    return tree.group_by(*(k.copy() for k in keys), copy=False) if keys else tree


def leaf_counts(boundary: Boundary, tree: Tree) -> exp.Select:
    """One row for each group with a value: the keys, `cell` (a list of cells) and `n` (what each holds).

    Rows count in steps of 10**-`scale` of the tree's measure.
    """
    m = tree.measure
    assert m.argument is not None  # noqa: S101 -- ranks have one
    keys = [column(k.name) for k in boundary.keys]
    known = exp.Not(this=exp.Paren(this=exp.Is(this=column(CELL), expression=exp.Null())))
    if boundary.once or boundary.by_row:
        outputs = [*keys, aliased(column(m.argument), CELL), aliased(exp.Count(this=exp.Star()), ROWS)]
        cells = exp.Select(expressions=outputs).from_(subquery(boundary.rows.copy(), "r"), copy=False)
        cells.group_by(*(k.copy() for k in keys), column(m.argument), copy=False)
    else:
        units = exp.Select(expressions=[exp.Star()]).from_(
            subquery(unit_cells(boundary, m.argument), "c"), copy=False
        )
        units.where(known.copy(), copy=False)
        whole = exp.Window(
            this=exp.Sum(this=column(ROWS)), partition_by=[column(UNIT_COLUMN), *(k.copy() for k in keys)]
        )
        units.select(aliased(whole, ALL_ROWS), copy=False)
        outputs = [*keys, column(CELL), aliased(_saturated(exp.Sum(this=_weight(m))), ROWS)]
        cells = exp.Select(expressions=outputs).from_(subquery(units, "w"), copy=False)
        cells.group_by(*(k.copy() for k in keys), column(CELL), copy=False)
    listed_ = [aliased(exp.Anonymous(this="list", expressions=[column(name)]), name) for name in (CELL, ROWS)]
    result = exp.Select(expressions=[*(k.copy() for k in keys), *listed_]).from_(
        subquery(cells, "l"), copy=False
    )
    result.where(known, copy=False)
    return result.group_by(*(k.copy() for k in keys), copy=False) if keys else result


def _weight(m: Measure) -> exp.Expr:
    """What the rows of one unit and cell weigh, rounded down: all of its cells together at most `m.high`."""
    huge = type_of("HUGEINT")
    own, whole = cast(column(ROWS), huge), column(ALL_ROWS)
    step, most = exp.Literal.number(10**m.scale), exp.Literal.number(m.high)
    few = exp.LTE(this=whole.copy(), expression=exp.Literal.number(m.rows))
    share = exp.IntDiv(
        this=exp.Mul(this=own.copy(), expression=most), expression=cast(whole, type_of("HUGEINT"))
    )
    return exp.Case(ifs=[exp.If(this=few, true=exp.Mul(this=own, expression=step))], default=share)


def _saturated(total: exp.Expr) -> exp.Expr:
    most = cast(exp.Literal.string(str(SATURATED)), type_of("HUGEINT"))
    return cast(exp.Least(this=total, expressions=[most], ignore_nulls=True), "BIGINT")
