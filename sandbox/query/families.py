"""Levels of one GROUP BY whose exact numbers add up: what their noise is once they are made to agree.

Each level S of a product of public keys is measured with noise of variance v_S per cell. Tables are
the orthogonal sum of effects T (a subset of the keys: what varies with all of T and with nothing less).
A level that contains T measures its effect, summed over the other keys, with variance n v_S, n the
combinations of those. The best linear unbiased estimate weighs them by 1 / (n v_S): for a hierarchy (ROLLUP)
that is Hay, Rastogi, Miklau & Suciu (2010, section 4), for CUBE least squares over all marginals (Ding,
Winslett, Han & Li 2011).
Its variance in a cell of level S:
    sum over T within S of (1 / n_(S-T))**2 * u_T * prod_(i in T) (1 - 1 / n_i)
    1 / u_T = sum over S' around T of 1 / (n_(S'-T) v_S')
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from sandbox.privacy.mechanisms import Laplace, Mechanism

MOST_AXES = 6
Axes = tuple[int, ...]
Names = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Family:
    """The noisy tables of one GROUP BY, by name, and which of its keys (axes of `sizes`) each of them has.

    `finest` is the one that has them all. `shared`: each measure that adds up, by its name on each level.
    """

    levels: Mapping[str, Axes]
    sizes: tuple[int, ...]
    finest: str
    shared: tuple[Names, ...] = ()


def variance(mechanism: Mechanism) -> float:
    """Of the noise: 2 q / (1 - q)**2, q = e**(-1 / scale), of Laplace; at most scale**2 of Gaussian."""
    if not isinstance(mechanism, Laplace):
        return float(mechanism.scale) ** 2
    return 1 / (2 * math.sinh(1 / (2 * mechanism.scale)) ** 2)


def half_widths(family: Family, noise: Mapping[str, tuple[float, int]]) -> dict[str, int] | None:
    """The half-width of each level once all agree; `noise`: variance and half-width of each alone.

    None where agreement, whose whole numbers are rounded, would make some level worse. The half-width
    shrinks with the standard deviation: sums of several noises have lighter tails than one of them.
    """
    found: dict[str, int] = {}
    for level, (raw, width) in noise.items():
        own = family.levels[level]
        better = sum(
            _effect(family, noise, effect) * math.prod(1 - 1 / family.sizes[i] for i in effect)
            / _cells(family, own, effect) ** 2
            for n in range(len(own) + 1)
            for effect in combinations(sorted(own), n)
        ) + _rounding(family, own)  # fmt: skip
        if better > raw:
            return None
        found[level] = min(width, math.ceil(width * math.sqrt(better / raw)))
    return found


def _effect(family: Family, noise: Mapping[str, tuple[float, int]], effect: Axes) -> float:
    precision = sum(
        1 / (_cells(family, own, effect) * noise[level][0])
        for level, own in family.levels.items()
        if level in noise and set(effect) <= set(own)
    )
    return 1 / precision


def _cells(family: Family, own: Axes, effect: Axes) -> int:
    """Cells of a level with `own` keys that make one of the table of `effect` alone."""
    return math.prod(family.sizes[i] for i in own if i not in effect)


def _rounding(family: Family, own: Axes) -> float:
    """Variance of rounding a cell of this level, at most: its leaves are rounded key after key."""
    if not own:
        return 1 / 12  # the nearest whole number
    if tuple(sorted(own)) == tuple(range(len(own))):
        return 1 / 4  # one of the two nearest
    return math.prod(family.sizes[i] for i in range(len(family.sizes)) if i not in own) / 4
