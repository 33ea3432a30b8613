"""Tails and half-widths of the discrete Laplace and discrete Gaussian, without noise and without data.

Both live on the integers, symmetric about 0:
- discrete Laplace of scale s: P(Z = k) = (1 - q) / (1 + q) * q**|k| with q = exp(-1/s)
  (Ghosh, Roughgarden & Sundararajan 2012; the sampler is Canonne, Kamath & Steinke 2020, section 5.2);
- discrete Gaussian of scale sigma: P(Z = k) proportional to exp(-k**2 / (2 sigma**2))
  (Canonne, Kamath & Steinke 2020, section 1).

Tails are upper bounds: floating point loses at most 1e-12 of them, and they are raised by 1e-9, so a
threshold taken from them is sound. Proofs: docs/privacy-proofs.md.
"""

from __future__ import annotations

import math
import sys
from decimal import ROUND_CEILING, Context, Decimal
from functools import lru_cache
from statistics import NormalDist

_RAISED = 1 + 1e-9
_SMALLEST = sys.float_info.min
_SUMMED_TAIL = 64.0
_SUMMED_WIDTH = 4096.0
_DIGITS = Context(prec=60)


def laplace_tail(scale: float, at_least: int) -> float:
    """P(Z >= at_least) for the discrete Laplace, as an upper bound within 2e-9 of it."""
    if at_least <= 0:
        return _upper(1 - _laplace_upper_half(scale, 1 - at_least))
    return _upper(_laplace_upper_half(scale, at_least))


def gaussian_tail(scale: float, at_least: int) -> float:
    """P(Z >= at_least) for the discrete Gaussian, as an upper bound.

    Up to scale 64 within 2e-9 of the truth; above it the integral from `at_least - 1/2`, which is never
    too small and at most (at_least / scale**2)**2 / 24 of the truth too large.
    """
    if at_least <= 0:
        return _upper(1 - _gaussian_upper_half(scale, 1 - at_least) / _RAISED)
    return _upper(_gaussian_upper_half(scale, at_least))


@lru_cache(maxsize=4096)
def laplace_half_width(scale: float, confidence: float) -> int:
    """Smallest h with P(|Z| <= h) >= confidence for the discrete Laplace.

    P(|Z| > h) = 2 q**(h + 1) / (1 + q), solved for h with 60 digits.
    """
    miss = _DIGITS.subtract(1, _as_written(confidence))
    exact_scale = Decimal(scale)
    ratio = _DIGITS.exp(_DIGITS.divide(-1, exact_scale))
    logarithm = _DIGITS.ln(_DIGITS.divide(2, _DIGITS.multiply(_DIGITS.add(1, ratio), miss)))
    least = _DIGITS.multiply(exact_scale, logarithm).to_integral_value(rounding=ROUND_CEILING)
    return max(0, int(least) - 1)


@lru_cache(maxsize=4096)
def gaussian_half_width(scale: float, confidence: float) -> int:
    """Smallest h with P(|Z| <= h) >= confidence for the discrete Gaussian.

    Up to scale 4096 by summing the distribution. Above it from the normal quantile z with the first
    Euler-Maclaurin term, h + 1/2 = scale * (z - z / (24 scale**2)): the next term is below 1e-9, and the
    result is as exact as float64 is.
    """
    level = float(_as_written(confidence))
    if scale <= _SUMMED_WIDTH:
        wanted = level * gaussian_normaliser(scale)
        width, mass = 0, 1.0
        while mass < wanted:
            width += 1
            weight = math.exp(-((width / scale) ** 2) / 2)
            if weight == 0.0:
                break
            mass += 2 * weight
        return width
    quantile = NormalDist().inv_cdf((1 + level) / 2)
    return math.ceil(scale * (quantile - quantile / (24 * scale**2)) - 0.5)


@lru_cache(maxsize=4096)
def gaussian_normaliser(scale: float) -> float:
    """Sum of exp(-k**2 / (2 scale**2)) over all integers k.

    By Poisson summation it is scale * sqrt(2 pi) * (1 + 2 exp(-2 pi**2 scale**2) + ...), whose bracket
    is 1 in float64 from scale 3 on.
    """
    if scale >= 3:
        return scale * math.sqrt(2 * math.pi)
    return 1 + 2 * math.fsum(math.exp(-((k / scale) ** 2) / 2) for k in range(1, 42 * 3))


def _laplace_upper_half(scale: float, at_least: int) -> float:
    return math.exp(-at_least / scale) / (1 + math.exp(-1 / scale))


@lru_cache(maxsize=4096)
def _gaussian_upper_half(scale: float, at_least: int) -> float:
    if scale > _SUMMED_TAIL:
        return math.erfc((at_least - 0.5) / (scale * math.sqrt(2))) / 2
    first = math.exp(-((at_least / scale) ** 2) / 2)
    doubled = 2 * scale * scale
    relative = 1.0
    k = at_least
    while True:
        k += 1
        term = math.exp(-(k - at_least) * (k + at_least) / doubled)
        relative += term
        if term < 1e-30:
            return first * relative / gaussian_normaliser(scale)


def _upper(probability: float) -> float:
    return min(1.0, max(probability * _RAISED, _SMALLEST))


def _as_written(confidence: float) -> Decimal:
    if not 0 < confidence < 1:
        raise ValueError("a confidence lies between 0 and 1")
    return Decimal(repr(confidence))
