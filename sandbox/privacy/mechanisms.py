"""Noise: OpenDP's discrete Laplace and discrete Gaussian on vectors of 64-bit integers.

Rules
- This is the only place where noise is made, and the only place where OpenDP's `contrib` is enabled.
- The loss of a mechanism is what OpenDP's own privacy map says, rounded up to the ledger's step.
- OpenDP adds the noise in unbounded integers and then clamps to int64. Clamping comes after the noise,
  so it is post-processing and costs nothing; inputs within 2**62 and scales within 2**55 keep its
  probability below 1e-55 (docs/privacy-proofs.md), so it is never seen.
- Vectors are cut into pieces for threads: OpenDP samples without holding the interpreter's lock.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from operator import index
from typing import Protocol, TypeAlias

# Not its prelude: that imports whatever it can work with and finds, scikit-learn and pandas among them.
from opendp.domains import atom_domain, vector_domain
from opendp.measurements import make_gaussian, make_laplace
from opendp.metrics import l1_distance, l2_distance
from opendp.mod import enable_features

from sandbox.privacy.accountant import pure_to_rho
from sandbox.privacy.distributions import (
    gaussian_half_width,
    gaussian_tail,
    laplace_half_width,
    laplace_tail,
)
from sandbox.privacy.loss import Loss, spend_epsilon

LARGEST_VALUE = 2**62
LARGEST_SCALE = float(2**55)
SMALLEST_SCALE = 2.0**-20

Progress: TypeAlias = Callable[[int], None]

_PIECE = 4096

enable_features("contrib")


class _Measurement(Protocol):
    """What is used of an OpenDP measurement."""

    def __call__(self, arg: list[int]) -> list[int]: ...

    def map(self, d_in: float) -> float: ...


@dataclass(frozen=True, slots=True)
class Laplace:
    """Discrete Laplace noise of one scale (its standard deviation is about scale * sqrt(2)).

    Raises:
        ValueError: a scale outside 2**-20 .. 2**55.

    """

    scale: float

    def __post_init__(self) -> None:
        _check_scale(self.scale)

    def epsilon(self, l1: int) -> Decimal:
        """Pure loss at L1 sensitivity `l1`: l1 / scale, as OpenDP's map says, rounded up."""
        return spend_epsilon(Decimal(_laplace(self.scale).map(l1)))

    def loss(self, l1: int) -> Loss:
        """Loss at L1 sensitivity `l1`, pure and as zCDP."""
        epsilon = self.epsilon(l1)
        return Loss(epsilon, pure_to_rho(epsilon), Decimal(0))

    def tail(self, at_least: int) -> float:
        """P(noise >= at_least), an upper bound within 2e-9 of it."""
        return laplace_tail(self.scale, at_least)

    def half_width(self, confidence: float = 0.95) -> int:
        """Smallest h with P(-h <= noise <= h) >= confidence."""
        return laplace_half_width(self.scale, confidence)

    def add(self, values: Sequence[int], progress: Progress | None = None) -> list[int]:
        """`values` with independent noise on each.

        Args:
            values: whole numbers within 2**62; a bound on them must be public and proven before.
            progress: called with the number of values done so far, from the calling thread.

        Raises:
            ValueError: a value outside 2**62.

        """
        return _noisy(_laplace(self.scale), values, progress)


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Discrete Gaussian noise of one scale (its standard deviation, never above `scale`).

    Raises:
        ValueError: a scale outside 2**-20 .. 2**55.

    """

    scale: float

    def __post_init__(self) -> None:
        _check_scale(self.scale)

    def rho(self, l2: float) -> Decimal:
        """ZCDP loss at L2 sensitivity `l2`: l2**2 / (2 scale**2), as OpenDP's map says, rounded up.

        `l2` is an upper bound: `Sensitivity.l2` is rounded up from the exact square.
        """
        return spend_epsilon(Decimal(_gaussian(self.scale).map(l2)))

    def loss(self, l2: float) -> Loss:
        """Loss at L2 sensitivity `l2`: zCDP only, so it ends an account's pure sum."""
        return Loss(None, self.rho(l2), Decimal(0))

    def tail(self, at_least: int) -> float:
        """P(noise >= at_least), an upper bound (see `gaussian_tail`)."""
        return gaussian_tail(self.scale, at_least)

    def half_width(self, confidence: float = 0.95) -> int:
        """Smallest h with P(-h <= noise <= h) >= confidence."""
        return gaussian_half_width(self.scale, confidence)

    def add(self, values: Sequence[int], progress: Progress | None = None) -> list[int]:
        """`values` with independent noise on each.

        Args:
            values: whole numbers within 2**62; a bound on them must be public and proven before.
            progress: called with the number of values done so far, from the calling thread.

        Raises:
            ValueError: a value outside 2**62.

        """
        return _noisy(_gaussian(self.scale), values, progress)


Mechanism: TypeAlias = Laplace | Gaussian


def _check_scale(scale: float) -> None:
    if not (math.isfinite(scale) and SMALLEST_SCALE <= scale <= LARGEST_SCALE):
        raise ValueError(f"a scale lies between 2**-20 and 2**55, not {scale}")


@lru_cache(maxsize=1024)
def _laplace(scale: float) -> _Measurement:
    return make_laplace(vector_domain(atom_domain(T="i64")), l1_distance(T="i64"), scale)


@lru_cache(maxsize=1024)
def _gaussian(scale: float) -> _Measurement:
    return make_gaussian(vector_domain(atom_domain(T="i64")), l2_distance(T="f64"), scale)


def _noisy(measurement: _Measurement, values: Sequence[int], progress: Progress | None) -> list[int]:
    numbers = [index(value) for value in values]
    if numbers and (max(numbers) > LARGEST_VALUE or min(numbers) < -LARGEST_VALUE):
        raise ValueError("a value lies outside 2**62")
    pieces = [numbers[start : start + _PIECE] for start in range(0, len(numbers), _PIECE)]
    noisy: list[int] = []
    if len(pieces) <= 1:
        noisy.extend(measurement(numbers) if numbers else ())
        if progress is not None:
            progress(len(noisy))
        return noisy
    # A pool of its own for each large vector: a shared one would be dead in a forked child.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for piece in pool.map(measurement, pieces):
            noisy.extend(piece)
            if progress is not None:
                progress(len(noisy))
    return noisy
