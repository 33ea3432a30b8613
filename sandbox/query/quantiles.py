"""Noise on the ranks of each group, and the quantiles that are read from what comes out.

What is read is post-processing: it sees noisy counts, the tree and the noise's scale. Half-widths cover the
quantile of the bounded rows 95 times in 100, whatever the rows are (`privacy/trees.py`); they end at the
value's bounds, so that of an extreme quantile may reach them. Those of days and times are in days.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from sandbox.policy.types import Kind
from sandbox.privacy.mechanisms import Mechanism
from sandbox.privacy.order_statistics import Distribution, Floats, Whole
from sandbox.privacy.trees import ALONE, consistent, deviations, node_error, rank_error
from sandbox.query.cells import CELL, ROWS
from sandbox.query.grids import EXTREME, MOST_NODES, Grid, Point, Reading, Tree
from sandbox.query.half_widths import OWN_WIDTH
from sandbox.query.price import PricedBoundary

_EPOCH = datetime(1970, 1, 1)
_DAY = 86_400_000_000  # microseconds


def with_quantiles(priced: PricedBoundary, table: pa.Table, ranks: Sequence[pa.Table]) -> pa.Table:
    """`table` (one row per group that is shown) with a column for each quantile and for its half-width.

    Where only the data knows the groups, the first of them have quantiles, as many as noise is drawn for; the
    others have none.
    """
    boundary = priced.boundary
    mechanisms = {n.measure.name: n.mechanism for n in priced.noise}
    groups = list(zip(*(table.column(k.name).to_pylist() for k in boundary.keys), strict=True)) or [()]
    groups = groups[: table.num_rows]
    for tree, exact in zip(boundary.trees, ranks, strict=True):
        mechanism = mechanisms[tree.measure.name]
        filled = groups[: most_groups(tree)]
        counts = _leaves(tree, exact, [k.name for k in boundary.keys], filled)
        noisy = Distribution.of(_noisy_leaves(tree, mechanism, counts))
        for point in tree.points:
            values, widths = _read(tree, mechanism, noisy, point)
            if tree.grid.kind is Kind.TIMESTAMP:
                widths /= _DAY
            none = [None] * (len(groups) - len(filled))
            cells = [*_cells(point, tree.grid, values, noisy.rows >= 0.5), *none]
            table = table.append_column(point.name, pa.array(cells, _type(point)))
            table = table.append_column(
                OWN_WIDTH + point.name, pa.array([*widths.tolist(), *none], pa.float64())
            )
    return table


def most_groups(tree: Tree) -> int:
    """For how many groups noise is drawn."""
    return max(1, 4 * MOST_NODES // tree.shape.nodes)


def _leaves(tree: Tree, exact: pa.Table, keys: list[str], groups: list[tuple[Any, ...]]) -> Whole:
    """Exact rows of each leaf (groups x leaves), in steps of the measure."""
    places = {group: i for i, group in enumerate(groups)}
    counts = np.zeros((len(groups), tree.shape.leaves), np.int64)
    found = list(zip(*(exact.column(k).to_pylist() for k in keys), strict=True)) or [()] * exact.num_rows
    for row, group in enumerate(found):
        place = places.get(group)
        cells = exact.column(CELL)[row].values
        if place is None or cells is None:
            continue
        leaf = np.clip(cells.to_numpy(zero_copy_only=False), 0, tree.shape.leaves - 1)
        np.add.at(counts[place], leaf, exact.column(ROWS)[row].values.to_numpy(zero_copy_only=False))
    return counts


def _noisy_leaves(tree: Tree, mechanism: Mechanism, counts: Whole) -> Floats:
    """Consistent noisy rows of each leaf (groups x leaves), in rows."""
    shape, groups = tree.shape, counts.shape[0]
    if not groups:
        return np.zeros((0, shape.leaves))
    levels = []
    for level, width in enumerate(shape.widths):
        span = shape.branching ** (shape.levels - 1 - level)
        room = np.zeros((groups, width * span), np.int64)
        room[:, : shape.leaves] = counts
        levels.append(room.reshape(groups, width, span).sum(axis=2))
    drawn = np.array(mechanism.add(np.concatenate(levels, axis=1).ravel().tolist()), float)
    cut = np.split(drawn.reshape(groups, shape.nodes), np.cumsum(shape.widths)[:-1], axis=1)
    rows: Floats = consistent(shape, list(cut)) / 10**tree.measure.scale
    return rows


def extreme_rows(tree: Tree, mechanism: Mechanism, point: Point) -> float:
    """How many rows MIN and MAX stay away from the end."""
    return EXTREME * rank_error(tree.shape, mechanism, point.end) * 10.0**-tree.measure.scale


def _read(tree: Tree, mechanism: Mechanism, noisy: Distribution, point: Point) -> tuple[Floats, Floats]:
    """The quantile of each group and its half-width, in the grid's numbers."""
    rows, fraction = np.maximum(np.rint(noisy.rows), 0.0), float(point.fraction)
    aside = np.minimum(extreme_rows(tree, mechanism, point), rows / 2)
    match point.reading:
        case Reading.MIN:
            index, rank = aside, aside
        case Reading.MAX:
            index, rank = rows - 1 - aside, rows - aside
        case Reading.DISC:
            index, rank = np.ceil(fraction * rows - 1e-9) - 1, fraction * rows
        case Reading.CONT:
            index, rank = fraction * (rows - 1), fraction * rows
    index = np.clip(index, 0.0, np.maximum(rows - 1, 0.0))
    if point.reading is Reading.CONT:
        lower, upper = (_values(tree.grid, *noisy.at(end)) for end in (np.floor(index), np.ceil(index)))
        values = lower + (index - np.floor(index)) * (upper - lower)
    else:
        values = _values(tree.grid, *noisy.at(index))
    node = node_error(mechanism) / 10**tree.measure.scale
    first, last = noisy.between(rank, deviations(tree.shape, point.end) * node + ALONE)
    low, _ = _edges(tree.grid, first)
    _, high = _edges(tree.grid, last)
    return values, np.maximum(np.maximum(values - low, high - values), 0.0)


def _edges(grid: Grid, leaf: Whole) -> tuple[Floats, Floats]:
    """Least and greatest value of a leaf."""
    low, high, cell = float(grid.low), float(grid.high), float(grid.cell)
    left = low + leaf * cell
    return np.minimum(left, high), np.minimum(left + cell - float(grid.step), high)


def _values(grid: Grid, leaf: Whole, inside: Floats) -> Floats:
    """The value that lies `inside` a leaf, whose rows are taken to be spread evenly over it."""
    left, right = _edges(grid, leaf)
    if grid.exact:
        return left
    step = float(grid.step)
    return np.clip(left - step / 2 + inside * float(grid.cell), left, right)


def _type(point: Point) -> pa.DataType:
    typed = point.typed
    if typed.kind is Kind.DECIMAL:
        return pa.decimal128(38, typed.scale)
    types: dict[Kind | None, pa.DataType] = {
        Kind.INTEGER: pa.int64(), Kind.DATE: pa.date32(), Kind.TIMESTAMP: pa.timestamp("us"),
    }  # fmt: skip
    return types.get(typed.kind, pa.float64())


def _cells(point: Point, grid: Grid, values: Floats, known: Any) -> list[Any]:
    """Values as the answer's type holds them; NULL where the noisy group has no row."""
    return [
        _cell(point, grid, v) if k else None for v, k in zip(values.tolist(), known.tolist(), strict=True)
    ]


def _cell(point: Point, grid: Grid, value: float) -> Any:
    match point.typed.kind:
        case Kind.INTEGER:
            return round(value)
        case Kind.DECIMAL:
            return round(Decimal(repr(round(value, 12))), point.typed.scale)
        case Kind.DATE:
            return (_EPOCH + timedelta(days=round(value))).date()
        case Kind.TIMESTAMP if grid.kind is Kind.DATE:
            return _EPOCH + timedelta(days=value)
        case Kind.TIMESTAMP:
            return _EPOCH + timedelta(microseconds=round(value))
    return value
