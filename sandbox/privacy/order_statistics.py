"""Where a quantile lies in a noisy cumulative distribution, and between where it must lie.

A noisy distribution goes up and down. The cell of a rank is where its isotonic regression, the nearest one
that only goes up, passes the rank: that is where the running sum of (distribution - rank) is least
(Robertson, Wright & Dykstra 1988, theorem 1.4.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Whole: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Distribution:
    """Noisy rows left of each cut (groups x cuts): before the first leaf, between leaves, after the last."""

    left: Floats

    @classmethod
    def of(cls, leaves: Floats) -> Distribution:
        """From rows of each leaf (groups x leaves)."""
        return cls(np.concatenate((np.zeros((leaves.shape[0], 1)), np.cumsum(leaves, axis=1)), axis=1))

    @property
    def rows(self) -> Floats:
        """Noisy rows of each group."""
        all_rows: Floats = self.left[:, -1]
        return all_rows

    def at(self, index: Floats) -> tuple[Whole, Floats]:
        """The leaf of the row of this index (from 0) in each group, and how far into it the row lies."""
        rank = (index + 0.5)[:, None]
        runs = np.cumsum(self.left[:, 1:] - rank, axis=1)
        starts = np.concatenate((np.zeros((runs.shape[0], 1)), runs), axis=1)
        leaf = np.minimum(np.argmin(starts, axis=1), runs.shape[1] - 1)
        groups = np.arange(leaf.size)
        before, after = self.left[groups, leaf], self.left[groups, leaf + 1]
        held = after - before
        inside = np.divide(rank[:, 0] - before, held, out=np.full(leaf.size, 0.5), where=held > 0)
        return leaf.astype(np.int64), np.clip(inside, 0.0, 1.0)

    def between(self, rank: Floats, reach: Floats) -> tuple[Whole, Whole]:
        """First and last leaf that may hold the row of this rank, the cuts being off by at most `reach`.

        A leaf is excluded when all of it surely lies below the rank, or above.
        """
        below = self.left[:, 1:] >= rank[:, None] - reach[None, 1:]
        first = np.where(below.any(axis=1), np.argmax(below, axis=1), below.shape[1] - 1)
        above = self.left[:, :-1] <= rank[:, None] + reach[None, :-1]
        last = above.shape[1] - 1 - np.argmax(above[:, ::-1], axis=1)
        last = np.where(above.any(axis=1), last, 0)
        return first.astype(np.int64), np.maximum(first, last).astype(np.int64)
