"""Noisy levels of one GROUP BY made to agree: parts add up to their totals, and all become more exact.

The best linear unbiased estimate of `families.py`, from noisy numbers alone: post-processing. It is made of
what the levels differ by, which is as small as the noise, so that no sum loses a digit; then
the leaves are rounded to whole units, key after key by largest remainders, and every total is their sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import numpy.typing as npt

from sandbox.query.families import Family

Reals = npt.NDArray[np.float64]
Wholes = npt.NDArray[np.int64]
MOST = 2**61  # of the sum of all leaves in absolute value: every total fits 64 bits


def agreed(family: Family, noisy: Mapping[str, Wholes], variances: Mapping[str, float]) -> dict[str, Wholes]:
    """One measure on each of its levels; arrays are flat, in the order of the keys, the last one fastest."""
    axes = tuple(range(len(family.sizes)))
    shaped = {level: _shaped(family, level, values) for level, values in noisy.items()}
    leaves = shaped[family.finest]
    if float(np.abs(leaves.astype(np.float64)).sum()) >= MOST:
        return dict(noisy)
    residuals = {
        level: (values - _total(leaves, axes, family.levels[level])).astype(np.float64)
        for level, values in shaped.items()
    }
    better = leaves + _rounded(_estimate(family, residuals, variances))
    return {level: _flat(family, level, _total(better, axes, family.levels[level])) for level in noisy}


def _shaped(family: Family, level: str, values: Wholes) -> Wholes:
    """With one axis for each key of the family, in its order; of length 1 where the level lacks the key."""
    own = family.levels[level]
    array = values.reshape([family.sizes[i] for i in own])
    array = np.transpose(array, np.argsort(own)) if own else array
    return array.reshape([size if i in own else 1 for i, size in enumerate(family.sizes)])


def _flat(family: Family, level: str, array: Wholes) -> Wholes:
    own = family.levels[level]
    kept = array.reshape([family.sizes[i] for i in sorted(own)])
    back = np.argsort(np.argsort(own)) if own else None
    return (np.transpose(kept, back) if back is not None else kept).reshape(-1)


def _total(leaves: Wholes, axes: tuple[int, ...], own: tuple[int, ...]) -> Wholes:
    total: Wholes = leaves.sum(axis=tuple(i for i in axes if i not in own), keepdims=True)
    return total


def _estimate(family: Family, residuals: Mapping[str, Reals], variances: Mapping[str, float]) -> Reals:
    """What to add to each leaf: effect by effect, the mean of all levels that measure it."""
    axes = tuple(range(len(family.sizes)))
    result = np.zeros(family.sizes)
    for n in range(len(axes) + 1):
        for effect in combinations(axes, n):
            weights = 0.0
            sums = np.zeros([size if i in effect else 1 for i, size in enumerate(family.sizes)])
            for level, values in residuals.items():
                own = family.levels[level]
                if not set(effect) <= set(own):
                    continue
                over = tuple(i for i in own if i not in effect)
                weight = 1 / (variances[level] * float(np.prod([family.sizes[i] for i in over])))
                sums += weight * values.sum(axis=over, keepdims=True)
                weights += weight
            sums /= weights
            for axis in effect:
                sums -= sums.mean(axis=axis, keepdims=True)
            result += sums / float(np.prod([s for i, s in enumerate(family.sizes) if i not in effect]))
    return result


def _rounded(leaves: Reals) -> Wholes:
    """Whole numbers, each less than one away, and so is every sum over the last keys."""
    total: Wholes = np.rint(leaves.sum()).astype(np.int64)
    for n in range(1, leaves.ndim + 1):
        parts = leaves.sum(axis=tuple(range(n, leaves.ndim)))
        lower = np.floor(parts)
        missing = np.asarray(total)[..., np.newaxis] - lower.sum(axis=-1, keepdims=True)
        place = np.argsort(np.argsort(-(parts - lower), axis=-1, kind="stable"), axis=-1, kind="stable")
        total = (lower + (place < missing)).astype(np.int64)
    return total
