"""Tails and half-widths against the distributions summed with many digits."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sandbox.privacy.distributions import (
    gaussian_half_width,
    gaussian_tail,
    laplace_half_width,
    laplace_tail,
)


def weights(kind: str, scale: float, up_to: int) -> tuple[list[Decimal], Decimal]:
    """Weights of 0 .. up_to and the sum over all integers, with 40 digits."""
    with localcontext(prec=40):
        s = Decimal(scale)
        if kind == "laplace":
            w = [(-Decimal(k) / s).exp() for k in range(up_to + 1)]
        else:
            w = [(-(Decimal(k) ** 2) / (2 * s * s)).exp() for k in range(up_to + 1)]
        return w, w[0] + 2 * sum(w[1:], Decimal(0))


SMALL = [2.0**-20, 0.05, 0.3, 1.0, 2.5, 7.3, 20.0]


@pytest.mark.parametrize("scale", SMALL)
@pytest.mark.parametrize("kind", ["laplace", "gaussian"])
def test_tails_are_the_sums_and_never_below_them(kind: str, scale: float) -> None:
    reach = max(60, int(scale * (120 if kind == "laplace" else 20)))
    w, total = weights(kind, scale, reach)
    tail = laplace_tail if kind == "laplace" else gaussian_tail
    above = Decimal(0)
    for t in range(reach, 0, -1):
        above += w[t]
        exact = above / total
        claimed = Decimal(tail(scale, t))
        assert claimed >= exact
        if exact > Decimal("1e-40") and t < reach // 2:
            assert claimed <= exact * (1 + Decimal("3e-9"))
        mirrored = Decimal(tail(scale, 1 - t))
        assert 1 - exact <= mirrored or mirrored == 1
        assert mirrored <= (1 - exact) * (1 + Decimal("3e-9"))


@pytest.mark.parametrize("scale", [65.0, 100.0, 300.0])
def test_the_integral_for_large_gaussians_is_never_below_the_sum(scale: float) -> None:
    reach = int(scale * 14)
    w, total = weights("gaussian", scale, reach)
    above = Decimal(0)
    for t in range(reach, 0, -1):
        above += w[t]
        exact = above / total
        claimed = Decimal(gaussian_tail(scale, t))
        assert claimed >= exact
        if t < scale * 8:
            assert claimed <= exact * (1 + Decimal((t / scale**2) ** 2 / 24 + 1e-4))


@pytest.mark.parametrize("scale", SMALL)
@pytest.mark.parametrize("kind", ["laplace", "gaussian"])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_half_widths_are_the_smallest(kind: str, scale: float, confidence: float) -> None:
    w, total = weights(kind, scale, max(60, int(scale * 60)))
    mass, h = w[0], 0
    while mass / total < Decimal(repr(confidence)):
        h += 1
        mass += 2 * w[h]
    half_width = laplace_half_width if kind == "laplace" else gaussian_half_width
    assert half_width(scale, confidence) == h


def test_half_widths_meet_where_the_computation_changes() -> None:
    for confidence in (0.5, 0.95, 0.999):
        widths = [gaussian_half_width(s, confidence) for s in (4095.9, 4096.0, 4096.1)]
        assert widths == sorted(widths)
        assert widths[2] - widths[0] <= 2
        for scale in (4096.5, 5000.25, 10_000.0):
            h = gaussian_half_width(scale, confidence)
            for width, enough in ((h, True), (h - 1, False)):
                x = math.fsum(math.exp(-((k / scale) ** 2) / 2) for k in range(1, width + 1))
                assert ((1 + 2 * x) / (scale * math.sqrt(2 * math.pi)) >= confidence) == enough


def test_the_correction_for_whole_numbers_is_made() -> None:
    # A scale at which the normal quantile alone would give one more than the smallest half-width.
    z = stats.norm.ppf(0.975)
    scale = (10_000.5 + z / (48 * 5102)) / z
    mass = math.fsum(math.exp(-((k / scale) ** 2) / 2) for k in range(1, 10_001))
    assert (1 + 2 * mass) / (scale * math.sqrt(2 * math.pi)) >= 0.95
    assert gaussian_half_width(scale, 0.95) == 10_000


@pytest.mark.parametrize("scale", [1e6, 1e12, 2.0**55])
def test_large_scales_agree_with_the_continuous_distributions(scale: float) -> None:
    assert laplace_half_width(scale, 0.95) == pytest.approx(
        stats.laplace(scale=scale).ppf(0.975), abs=1, rel=1e-9
    )
    assert gaussian_half_width(scale, 0.95) == pytest.approx(
        stats.norm(scale=scale).ppf(0.975), abs=1, rel=1e-9
    )
    for z in (0.5, 2, 8, 30):
        t = int(z * scale)
        assert laplace_tail(scale, t) == pytest.approx(stats.laplace(scale=scale).sf(t), rel=1e-4)
        assert gaussian_tail(scale, t) == pytest.approx(stats.norm(scale=scale).sf(t), rel=1e-4)


@settings(max_examples=200, deadline=None)
@given(
    st.floats(2.0**-20, 2.0**55), st.integers(-(2**62), 2**62), st.sampled_from([laplace_tail, gaussian_tail])
)
def test_a_tail_is_a_probability_that_falls(scale: float, t: int, tail) -> None:  # type: ignore[no-untyped-def]
    here, next_ = tail(scale, t), tail(scale, t + 1)
    assert 0 < next_ <= here <= 1


@pytest.mark.parametrize("confidence", [0.0, 1.0, -1.0, 2.0, math.nan])
def test_a_confidence_that_is_none_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence"):
        laplace_half_width(1.0, confidence)
    with pytest.raises(ValueError, match="confidence"):
        gaussian_half_width(5000.0, confidence)
