"""Quantiles from a tree of noisy counts.

The values between public bounds are cut into equal cells, the leaves of a tree; a node counts the rows below
it. Every level is one vector on which one row counts once, so with h levels a row counts h times in all.

- Noisy counts of a node and of its children contradict each other. Least squares make them agree and lower
  the error of both (Hay, Rastogi, Miklau & Suciu 2010, section 4; here with weights, for incomplete trees).
- The number of levels is the one with the least error of a rank, the loss being split over the levels: one
  level up to some dozens of leaves, branchings of 9 to 26 above (Qardaji, Yang & Li 2013, section 4.2).
- How far a rank is off depends on the tree and the noise alone, never on a row. So the interval of a quantile
  is the set of cells whose noisy ranks do not exclude it: it covers the quantile however rows are spread.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from sandbox.privacy.mechanisms import Laplace, Mechanism

Floats: TypeAlias = NDArray[np.float64]

MOST_LEVELS = 4
ALONE = 1.0  # a rank is a whole number of rows: quantiles between two rows are off by one at most
_LAPLACE = 2.9957322735539909  # ln(20): the 95 % half-width of a Laplace in its scale
_GAUSSIAN = 1.9599639845400545  # that of a Gaussian


@dataclass(frozen=True, slots=True)
class Shape:
    """A tree: `branching` children per node, `levels` below the root, the last of `leaves` cells."""

    leaves: int
    branching: int
    levels: int

    @property
    def widths(self) -> tuple[int, ...]:
        """Nodes of each level, from the top; nodes without a leaf do not exist."""
        spans = [self.branching ** (self.levels - level) for level in range(1, self.levels + 1)]
        return tuple(-(-self.leaves // span) for span in spans)

    @property
    def nodes(self) -> int:
        """Nodes of all levels."""
        return sum(self.widths)


@lru_cache(maxsize=1024)
def shape_for(leaves: int) -> Shape:
    """The tree over `leaves` cells with the least error of a median's rank."""
    made = []
    for levels in range(1, MOST_LEVELS + 1):
        branching = next(b for b in range(2, max(2, leaves) + 1) if b**levels >= leaves)
        made.append(Shape(leaves, branching, levels))
    return min(made, key=lambda s: s.levels * float(deviations(s, 0.5).max()))


def rank_error(shape: Shape, mechanism: Mechanism, fraction: float) -> float:
    """95 % half-width of the rank of a quantile, wherever it lies, in the steps of the counts.

    A sum of several noises has thinner tails than one Laplace of the same variance: it covers at least that.
    """
    return float(deviations(shape, fraction).max()) * node_error(mechanism)


def node_error(mechanism: Mechanism) -> float:
    """95 % half-width of one noisy count, with no rounding to whole numbers."""
    return mechanism.scale * (_LAPLACE if isinstance(mechanism, Laplace) else _GAUSSIAN)


def consistent(shape: Shape, counts: list[Floats]) -> Floats:
    """Counts of the leaves (groups x leaves) that agree best with the noisy `counts` of every level.

    `counts`: groups x nodes of each level, from the top, with noise of one variance.
    """
    shares = _shares(shape)
    groups, b = counts[0].shape[0], shape.branching
    padded = [_padded(c, v.size) for c, v in zip(counts, shares, strict=True)]
    below = [padded[-1]]  # each node from the counts of itself and below
    for own, v, (_, inner) in zip(padded[-2::-1], shares[-2::-1], list(pairwise(shares))[::-1], strict=True):
        sums = below[0].reshape(groups, v.size, b).sum(axis=2)
        total = inner.reshape(v.size, b).sum(axis=1)
        below.insert(0, v * (own + np.divide(sums, total, out=np.zeros_like(sums), where=total > 0)))
    held = below[0]  # and then from those above and beside, too
    for known, v in zip(below[1:], shares[1:], strict=True):
        parts = known.reshape(groups, held.shape[1], b)
        weights = v.reshape(held.shape[1], b)
        total = weights.sum(axis=1, keepdims=True)
        weights = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
        missing = held - parts.sum(axis=2)
        held = (parts + missing[:, :, None] * weights).reshape(groups, -1)
    return held[:, : shape.leaves]


def _padded(counts: Floats, size: int) -> Floats:
    room = np.zeros((counts.shape[0], size))
    room[:, : counts.shape[1]] = counts
    return room


@lru_cache(maxsize=256)
def _shares(shape: Shape) -> tuple[Floats, ...]:
    """Variance of each node's best estimate from the counts of itself and below; 0 where there is no node."""
    widths, b = shape.widths, shape.branching
    sizes = [widths[0] * b**level for level in range(shape.levels)]
    last = (np.arange(sizes[-1]) < widths[-1]).astype(float)
    found = [last]
    for size in sizes[-2::-1]:
        total = found[0].reshape(size, b).sum(axis=1)
        found.insert(0, total / (1 + total))
    return tuple(found)


@lru_cache(maxsize=1024)
def deviations(shape: Shape, fraction: float) -> Floats:
    """How far the rank of a cut is off, at the cut before each leaf and after the last.

    The standard deviation of (noisy rows left of the cut) - fraction * (all noisy rows), in standard
    deviations of one noisy count.
    """
    shares, b, leaves = _shares(shape), shape.branching, shape.leaves
    at = np.arange(leaves)
    # Left of the cut, within the node on its path: a part `inside` of the node's own error, and `apart` of it
    # the variance of how the node's rows are dealt to its children.
    inside, apart = np.ones(leaves), np.zeros(leaves)
    for level in range(shape.levels - 1, 0, -1):
        v = shares[level]
        path = at // b ** (shape.levels - 1 - level)
        before = np.concatenate(([0.0], np.cumsum(v)))
        left = before[path] - before[path // b * b]
        total = v.reshape(-1, b).sum(axis=1)[path // b]
        part = left + inside * v[path]
        apart = apart + left + inside**2 * v[path] - part**2 / total
        inside = part / total
    v = shares[0]
    path = at // b ** (shape.levels - 1)
    left = np.concatenate(([0.0], np.cumsum(v)))[path]
    whole = float(v.sum())
    variance = left + inside**2 * v[path] + apart
    shared = left + inside * v[path]
    found = np.concatenate(([0.0], variance)) - 2 * fraction * np.concatenate(([0.0], shared))
    result: Floats = np.sqrt(np.maximum(found + fraction**2 * whole, 0.0))
    return result
