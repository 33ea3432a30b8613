"""Trees of noisy counts: what is consistent, how far ranks are off, and where a quantile lies."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sandbox.privacy.mechanisms import Gaussian, Laplace, Mechanism
from sandbox.privacy.order_statistics import Distribution
from sandbox.privacy.trees import ALONE, Shape, consistent, deviations, node_error, rank_error, shape_for

SHAPES = [Shape(1, 2, 1), Shape(7, 2, 3), Shape(9, 3, 2), Shape(10, 3, 3), shape_for(101), shape_for(1000)]


def levels_of(shape: Shape, leaves: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Exact counts of every level."""
    found = []
    for level, width in enumerate(shape.widths):
        span = shape.branching ** (shape.levels - 1 - level)
        room = np.zeros((leaves.shape[0], width * span))
        room[:, : shape.leaves] = leaves
        found.append(room.reshape(leaves.shape[0], width, span).sum(axis=2))
    return found


def noisy(shape: Shape, mechanism: Mechanism, leaves: NDArray[np.float64]) -> NDArray[np.float64]:
    levels = [
        np.array(mechanism.add(level.astype(int).ravel().tolist()), float).reshape(level.shape)
        for level in levels_of(shape, leaves)
    ]
    return consistent(shape, levels)


@pytest.mark.parametrize("shape", SHAPES)
def test_counts_without_noise_stay_as_they_are(shape: Shape) -> None:
    leaves = np.random.default_rng(1).integers(0, 50, (3, shape.leaves)).astype(float)
    assert np.allclose(consistent(shape, levels_of(shape, leaves)), leaves)


@pytest.mark.parametrize("shape", [Shape(7, 2, 3), Shape(10, 3, 3), Shape(9, 3, 2)])
def test_consistent_counts_are_those_of_least_squares(shape: Shape) -> None:
    """Against the normal equations of all nodes."""
    rows = []
    for level, width in enumerate(shape.widths):
        span = shape.branching ** (shape.levels - 1 - level)
        for node in range(width):
            rows.append([float(node * span <= leaf < (node + 1) * span) for leaf in range(shape.leaves)])
    design = np.array(rows)
    counts = np.random.default_rng(2).normal(size=(4, shape.nodes))
    cut = np.split(counts, np.cumsum(shape.widths)[:-1], axis=1)
    best = np.linalg.lstsq(design, counts.T, rcond=None)[0].T
    assert np.allclose(consistent(shape, cut), best)
    covariance = np.linalg.inv(design.T @ design)
    for fraction in (0.0, 0.3, 1.0):
        for cut_at, deviation in enumerate(deviations(shape, fraction)):
            weights = (np.arange(shape.leaves) < cut_at) - fraction
            assert deviation == pytest.approx(np.sqrt(weights @ covariance @ weights), abs=1e-9)


@pytest.mark.parametrize("leaves", [1, 2, 3, 16, 17, 64, 101, 1000, 4096, 16_384])
def test_a_tree_is_the_best_of_those_that_hold_its_leaves(leaves: int) -> None:
    shape = shape_for(leaves)
    assert shape.branching**shape.levels >= leaves
    assert shape.widths[-1] == leaves
    flat = Shape(leaves, max(2, leaves), 1)
    assert shape.levels * deviations(shape, 0.5).max() <= deviations(flat, 0.5).max() + 1e-12


def test_more_cells_cost_little_rank() -> None:
    """Each time as many cells again, and at last a hundred times: ranks are off three times as far."""
    errors = [rank_error(s, Laplace(float(s.levels)), 0.5) for s in map(shape_for, (64, 256, 1024, 4096))]
    assert errors == sorted(errors)
    assert errors[-1] < 3 * errors[0]


@pytest.mark.parametrize("seed", range(5))
def test_the_cell_of_a_rank_is_where_the_isotonic_regression_passes_it(seed: int) -> None:
    r = np.random.default_rng(seed)
    leaves = r.normal(1, 4, (6, 40))
    distribution = Distribution.of(leaves)
    isotonic = np.array([_pool(list(row)) for row in distribution.left[:, 1:]])
    for index in (0.0, 3.2, 11.0, 25.0):
        found, inside = distribution.at(np.full(6, index))
        passes = (isotonic >= index + 0.5).argmax(axis=1)
        none = ~(isotonic >= index + 0.5).any(axis=1)
        assert np.array_equal(found, np.where(none, 39, passes))
        assert ((inside >= 0) & (inside <= 1)).all()


def _pool(values: list[float]) -> list[float]:
    """Isotonic regression, by pooling what goes down (Barlow et al. 1972)."""
    blocks: list[tuple[float, int]] = []
    for value in values:
        blocks.append((value, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (a, n), (b, m) = blocks[-2:]
            blocks[-2:] = [((a * n + b * m) / (n + m), n + m)]
    return [value for value, n in blocks for _ in range(n)]


@pytest.mark.parametrize("mechanism", [Laplace(3.0), Gaussian(4.0), Laplace(0.4)])
@pytest.mark.parametrize("fraction", [0.05, 0.5, 0.9])
def test_the_interval_holds_the_cell_of_the_quantile(mechanism: Mechanism, fraction: float) -> None:
    """Of 500 answers. Cells are whole and tails thin, so that 98.3 % hold or more: P(fails) < 1e-9."""
    r = np.random.default_rng(7)
    shape = Shape(100, 10, 2)
    one = np.bincount(np.clip(r.gamma(3, 8, 900), 0, 99).astype(int), minlength=100).astype(float)
    leaves = np.tile(one, (500, 1))
    distribution = Distribution.of(noisy(shape, mechanism, leaves))
    reach = deviations(shape, fraction) * node_error(mechanism) + ALONE
    first, last = distribution.between(fraction * distribution.rows, reach)
    truth = int((np.cumsum(one) >= fraction * 900).argmax())
    held = ((first <= truth) & (truth <= last)).mean()
    assert held >= 0.94
