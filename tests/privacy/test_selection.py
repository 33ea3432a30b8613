"""The threshold: least, sound, and kept in simulation."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sandbox.errors import ErrorCode, SandboxError
from sandbox.privacy.calibrate import Sensitivity, gaussian_for, laplace_for
from sandbox.privacy.mechanisms import Gaussian, Laplace, Mechanism
from sandbox.privacy.selection import threshold


def some_pass(noise: Mechanism, t: int, l0: int) -> Fraction:
    """Probability that at least one of `l0` groups of one unit passes `t`."""
    return 1 - (1 - Fraction(noise.tail(t - 1))) ** l0


noises = st.builds(Laplace, st.floats(0.01, 1e13)) | st.builds(Gaussian, st.floats(0.1, 1e13))


@settings(max_examples=150, deadline=None)
@given(noises, st.integers(1, 50), st.decimals("0.000000000000000001", "0.3", places=18))
def test_the_threshold_is_sound_and_least(noise: Mechanism, l0: int, delta: Decimal) -> None:
    t = threshold(noise, l0, delta)
    assert some_pass(noise, t, l0) <= Fraction(delta)
    assert t == 1 or some_pass(noise, t - 1, l0) > Fraction(delta) * (1 - Fraction(1, 10**9))


def test_the_closed_form_of_laplace() -> None:
    # One group, scale 1: least T with exp(-(T - 1)) / (1 + exp(-1)) <= 1e-6 is 1 + ceil(13.5).
    assert threshold(Laplace(1.0), 1, Decimal("1e-6")) == 15


@settings(max_examples=100, deadline=None)
@given(noises, st.integers(1, 20), st.integers(1, 400))
def test_the_threshold_falls_with_delta_and_grows_with_groups(noise: Mechanism, l0: int, d: int) -> None:
    delta = Decimal(d).scaleb(-3 - 1)
    t = threshold(noise, l0, delta)
    assert threshold(noise, l0, delta * 2) <= t
    assert threshold(noise, l0 + 1, delta) >= t


def test_the_floor_only_raises() -> None:
    t = threshold(Laplace(1.0), 1, Decimal("1e-6"))
    assert threshold(Laplace(1.0), 1, Decimal("1e-6"), t - 3) == t
    assert threshold(Laplace(1.0), 1, Decimal("1e-6"), t + 3) == t + 3


def test_a_noisy_count_of_nothing_never_passes() -> None:
    assert threshold(Laplace(1e6), 1, Decimal("0.9")) == 1


@pytest.mark.parametrize("delta", ["0", "-1", "1e-19"])
def test_no_delta_no_names(delta: str) -> None:
    with pytest.raises(SandboxError) as caught:
        threshold(Laplace(1.0), 1, Decimal(delta))
    assert caught.value.code is ErrorCode.DELTA_NEEDED


@pytest.mark.parametrize(
    ("l0", "delta"), [(0, "0.1"), (-1, "0.1"), (1, "1"), (1, "2"), (1, "NaN"), (1, "Infinity")]
)
def test_nonsense_is_refused(l0: int, delta: str) -> None:
    with pytest.raises(ValueError, match="group"):
        threshold(Laplace(1.0), l0, Decimal(delta))


@pytest.mark.parametrize("kind", ["laplace", "gaussian"])
@pytest.mark.parametrize("groups", [1, 3, 8])
def test_a_unit_alone_in_its_groups_is_named_at_most_as_often_as_paid_for(kind: str, groups: int) -> None:
    delta, trials = Decimal("0.05"), 6000
    sensitivity = Sensitivity.bounded(groups, 1)
    noise: Mechanism = (
        laplace_for(sensitivity, Decimal(1))
        if kind == "laplace"
        else gaussian_for(sensitivity, Decimal("0.5"))
    )
    t = threshold(noise, groups, delta)
    noisy = noise.add([1] * (groups * trials))
    named = sum(max(noisy[i * groups : (i + 1) * groups]) >= t for i in range(trials))
    assert stats.binom(trials, float(delta)).sf(named - 1) > 1e-8
    # And it is no higher than it must be: one lower would be seen to cost more than was paid.
    assert some_pass(noise, t - 1, groups) > Fraction(delta)
    assert stats.binom(trials, float(some_pass(noise, t, groups))).cdf(named) > 1e-8
