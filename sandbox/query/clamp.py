"""Clamps that are found privately: where a policy bounds one unit's totals widely only.

A unit's part of a group falls into one bucket of a public grid, by its size. A noisy count of the parts in
each bucket, paid for with a small share, tells where the parts end; the clamp is chosen from these noisy
counts and nothing else, and the noise on the total then follows from it. Proof: docs/privacy-proofs.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from sandbox.privacy.calibrate import Sensitivity
from sandbox.privacy.mechanisms import Mechanism

SHARE = Decimal("0.1")  # of a measure's price, for the counts of its buckets
# Probability that one of all empty buckets is taken for the end of the parts. What it would cost is a clamp
# of up to the policy's bound, so it has to be rare.
SPURIOUS = 1e-6
SPURIOUS_OF_FEW = 1e-3  # the same where nothing is that sure: a clamp of 1 would be as bad
DOUBT = 8


@dataclass(frozen=True, slots=True)
class Search:
    """How the clamp of one measure is found.

    Attributes:
        grid: the clamps to choose from, in whole units, rising; the last one is the policy's bound.
        mechanism: noise on the count of parts in each bucket.
        epsilon: share of epsilon that these counts take.
        rest: what is left for the total: epsilon (Laplace) or rho (Gaussian).
        chosen: the clamp, once it was found.

    """

    grid: tuple[int, ...]
    mechanism: Mechanism
    epsilon: Decimal
    rest: Decimal
    chosen: int | None = None


@lru_cache(maxsize=256)
def grid(most: int) -> tuple[int, ...]:
    """Whole powers of the square root of 2, rounded down, up to `most`, which is the last."""
    values: list[int] = []
    power = 0
    while not values or values[-1] < most:
        step = min(most, math.isqrt(1 << power))
        if not values or step > values[-1]:
            values.append(step)
        power += 1
    return tuple(values)


def counts_sensitivity(groups: int) -> Sensitivity:
    """How far one unit moves the counts of the buckets: it has a part in each of at most `groups` groups.

    Each part is in one bucket, and all of them may be in the same one: L1 = groups, L2 = groups.
    """
    return Sensitivity.bounded(1, groups)


def choose(noisy: Sequence[int], clamps: Sequence[int], noise: Mechanism) -> int:
    """Index of the clamp for these noisy counts of parts per bucket.

    First the highest bucket that noise alone would hardly ever fill so (`SPURIOUS`, over all buckets). Then
    upwards: a bucket is believed where noise would rarely fill it so, the more rarely the dearer a mistake
    is. A clamp that is k times too high makes the noise k times too large, so what is asked grows with k
    squared and with the number of buckets that might be mistaken. No bias is corrected: what lies above the
    highest bucket that is believed cannot be told from noise.
    """
    tails = [noise.tail(count) for count in noisy]
    sure = [b for b, tail in enumerate(tails) if tail * len(clamps) <= SPURIOUS]
    few = [b for b, tail in enumerate(tails) if tail * len(clamps) <= SPURIOUS_OF_FEW]
    at = max(sure or few, default=0)
    for b in range(at + 1, len(clamps)):
        if tails[b] * DOUBT * (clamps[b] / clamps[at]) ** 2 * (b - at) <= 1:
            at = b
    return at
