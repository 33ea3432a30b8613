"""A lower bound of epsilon from answers about neighbouring data.

If a mechanism is (epsilon, delta)-private then P[A in S] <= e^epsilon P[B in S] + delta for every set S.
S is a half-line whose end is chosen on one half of the samples; both probabilities are then bounded on
the other half (Clopper and Pearson, 1934), each wrongly with probability `alpha` at most. So a private
mechanism gets a bound above its epsilon with probability 2 alpha at most for each of the two directions
(Jagielski, Ullman, Oprea 2020), and the better of the two with `FALSE_ALARM` at most.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from tests.statistical import FALSE_ALARM, unlikely

ALPHA = FALSE_ALARM / 4


def epsilon_at_least(a: Sequence[float], b: Sequence[float], delta: float = 0.0) -> float:
    """The largest epsilon that these answers refute, over both directions and both tails."""
    unlikely(FALSE_ALARM)  # one of the checks that are counted
    return max(0.0, _refuted(a, b, delta), _refuted(b, a, delta))


def _refuted(likely: Sequence[float], rare: Sequence[float], delta: float) -> float:
    first, second = np.asarray(likely, float), np.asarray(rare, float)
    half, other = len(first) // 2, len(second) // 2
    sign, end = _best_half_line(first[:half], second[:other], delta)
    hits, misses = sign * first[half:] >= sign * end, sign * second[other:] >= sign * end
    low = lowest(int(hits.sum()), len(hits)) - delta
    high = highest(int(misses.sum()), len(misses))
    return math.log(low / high) if low > 0 else 0.0


def _best_half_line(first: np.ndarray, second: np.ndarray, delta: float) -> tuple[int, float]:
    """The half-line (+1: from `end` up, -1: down) whose bounds on the training halves are furthest
    apart."""
    best = (-math.inf, 1, 0.0)
    for sign in (1, -1):
        for end in np.unique(np.quantile(np.concatenate([first, second]), np.linspace(0.02, 0.98, 49))):
            low = lowest(int((sign * first >= sign * end).sum()), len(first)) - delta
            high = highest(int((sign * second >= sign * end).sum()), len(second))
            if low > 0:
                best = max(best, (math.log(low / high), sign, float(end)))
    return best[1], best[2]


def lowest(hits: int, trials: int) -> float:
    """A probability that is below the true one, but for `ALPHA`."""
    return float(stats.beta.ppf(ALPHA, hits, trials - hits + 1)) if hits else 0.0


def highest(hits: int, trials: int) -> float:
    """A probability that is above the true one, but for `ALPHA`."""
    return float(stats.beta.ppf(1 - ALPHA, hits + 1, trials - hits)) if hits < trials else 1.0
