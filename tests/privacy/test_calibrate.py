"""Sensitivities against brute force; scales that never overdraw their share."""

from __future__ import annotations

import itertools
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.errors import ErrorCode, SandboxError
from sandbox.privacy.calibrate import Sensitivity, gaussian_for, laplace_for


@pytest.mark.parametrize("groups", [0, 1, 2, 3])
@pytest.mark.parametrize("per_group", [0, 1, 3])
@pytest.mark.parametrize("in_all", [None, 0, 1, 4, 100])
def test_no_contribution_within_its_bounds_moves_more(
    groups: int, per_group: int, in_all: int | None
) -> None:
    sensitivity = Sensitivity.bounded(groups, per_group, in_all)
    for change in itertools.product(range(-per_group, per_group + 1), repeat=groups):
        if in_all is None or sum(map(abs, change)) <= in_all:
            assert sum(map(abs, change)) <= sensitivity.l1
            assert sum(x * x for x in change) <= sensitivity.l2_squared


def test_the_bounds_are_reached() -> None:
    assert Sensitivity.bounded(4, 5) == Sensitivity(20, 100)
    assert Sensitivity.bounded(4, 5, 10) == Sensitivity(10, 50)
    assert Sensitivity.bounded(4, 5, 3) == Sensitivity(3, 9)
    assert Sensitivity.bounded(1, 7) == Sensitivity(7, 49)


@pytest.mark.parametrize("fields", [(0, 1), (1, 0), (-1, 1), (1, -5)])
def test_no_sensitivity_below_one(fields: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="sensitivity"):
        Sensitivity(*fields)


@pytest.mark.parametrize("fields", [(-1, 1, None), (1, -1, None), (1, 1, -1)])
def test_negative_bounds_are_refused(fields: tuple[int, int, int | None]) -> None:
    with pytest.raises(ValueError, match="negative"):
        Sensitivity.bounded(*fields)


@given(st.integers(1, 2**124))
def test_l2_is_rounded_up(squared: int) -> None:
    l2 = Sensitivity(1, squared).l2
    assert Fraction(l2) ** 2 >= squared
    assert Fraction(l2) ** 2 <= squared * (1 + Fraction(1, 2**49))


shares = st.decimals("0.000000000001", "1000", places=12) | st.decimals("0.0001", "1000", places=30)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 2**40), shares)
def test_laplace_spends_its_share_and_never_more(l1: int, share: Decimal) -> None:
    try:
        noise = laplace_for(Sensitivity(l1, l1 * l1), share)
    except SandboxError as error:
        assert error.code is ErrorCode.OVERFLOW_POSSIBLE  # noqa: PT017
        assert l1 / share > 2**54
        return
    assert noise.epsilon(l1) <= share
    assert noise.epsilon(l1) >= share * (1 - Decimal("1e-12")) - Decimal("2e-12") or noise.scale < 2.0**-19


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 2**40), st.integers(1, 1000), shares)
def test_gaussian_spends_its_share_and_never_more(linf: int, l0: int, share: Decimal) -> None:
    sensitivity = Sensitivity.bounded(l0, linf)
    try:
        noise = gaussian_for(sensitivity, share)
    except SandboxError as error:
        assert error.code is ErrorCode.OVERFLOW_POSSIBLE  # noqa: PT017
        return
    assert noise.rho(sensitivity.l2) <= share
    assert noise.rho(sensitivity.l2) >= share * (1 - Decimal("1e-11")) - Decimal("2e-12")


@pytest.mark.parametrize("share", ["0", "-1", "1e-13", "NaN", "Infinity", "-Infinity"])
def test_a_share_of_nothing_is_refused(share: str) -> None:
    for scale_for in (laplace_for, gaussian_for):
        with pytest.raises(SandboxError) as caught:
            scale_for(Sensitivity(1, 1), Decimal(share))
        assert caught.value.code is ErrorCode.EPSILON_INVALID


def test_noise_beyond_64_bits_is_refused() -> None:
    wide = Sensitivity(2**62 + 1, 2**124)
    for scale_for in (laplace_for, gaussian_for):
        with pytest.raises(SandboxError) as caught:
            scale_for(wide, Decimal(1000))
        assert caught.value.code is ErrorCode.OVERFLOW_POSSIBLE
        with pytest.raises(SandboxError):
            scale_for(Sensitivity(2**60, 2**120), Decimal("1e-6"))
