"""Quantiles of a boundary as what is measured: one tree of ranks for each value, whatever is read from it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from sandbox.privacy.trees import shape_for
from sandbox.query.boundary import MOST_PER_UNIT, Measure, Measures, Measuring, Weight
from sandbox.query.grids import FINE_ROWS, Point, Reading, Tree, grid_of, leaf_of, result_of
from sandbox.query.typed import Typed, overflow

RANKS_OF = "ranks of "


def quantile(measuring: Measuring, t: Typed, text: str, reading: Reading, fraction: Decimal) -> Point:
    """One quantile of x; all quantiles of the same x share one tree, and so one part of the price.

    Raises:
        SandboxError: `sql-type`, `bounds-missing`, `overflow-possible`, `sql-too-large`.

    """
    grid = grid_of(t, text, measuring.public_groups)
    argument = measuring.argument(leaf_of(t, grid))
    trees = measuring.trees
    at = next((i for i, tree in enumerate(trees) if tree.measure.argument == argument), len(trees))
    if at == len(trees):
        counting = measuring.counting
        scale = 0 if measuring.once or counting.by_row else FINE_ROWS
        high = counting.per_group * 10**scale
        in_all = None if counting.sure is None else counting.sure * 10**scale
        if high >= MOST_PER_UNIT:
            raise overflow()
        measure = Measure(
            f"t{at}", Measures.RANKS, argument, False, scale, counting.per_group, 0, high, RANKS_OF + text,
            Weight.SHOWN, in_all=in_all,
        )  # fmt: skip
        trees.append(Tree(measure, grid, shape_for(grid.leaves), ()))
    for point in trees[at].points:
        if (point.reading, point.fraction) == (reading, fraction):
            return point
    name = f"q{sum(len(tree.points) for tree in trees)}"
    made = Point(name, reading, fraction, result_of(t, reading))
    trees[at] = replace(trees[at], points=(*trees[at].points, made))
    return made
