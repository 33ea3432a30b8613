"""The audits find out what they exist for: a sensitivity, a price or a half-width that is wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sandbox.privacy.calibrate import Sensitivity
from sandbox.privacy.mechanisms import Laplace
from sandbox.query.boundary import Boundary, Measure, Measures
from sandbox.service import home as homes
from tests.statistical.audit import epsilon_at_least
from tests.statistical.test_epsilon import AUDITS, EPSILON, audited, opened

pytestmark = pytest.mark.long
REAL = Boundary.sensitivity


def smaller(by: int, *kinds: Measures) -> object:
    """Sensitivities that are too small by a factor, of these kinds of measures."""

    def sensitivity(boundary: Boundary, measure: Measure) -> Sensitivity:
        true = REAL(boundary, measure)
        if kinds and measure.kind not in kinds:
            return true
        return Sensitivity(max(1, true.l1 // by), max(1, true.l2_squared // by**2))

    return sensitivity


@pytest.mark.parametrize(("name", "by"), [("SUM(d)", 2), ("SUM(x - 50)", 2), ("moments", 4)])
def test_a_sensitivity_that_is_too_small_is_found_out(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, name: str, by: int
) -> None:
    """By half for one number; of moments, whose count keeps its own and has a part of the price, more."""
    monkeypatch.setattr(Boundary, "sensitivity", smaller(by))
    pair = opened(tmp_path_factory)
    bound = audited(pair, replace(AUDITS[name], times=8))
    print(f"{name}: {bound:.2f}")
    for home in pair:
        homes.close(home)
    assert bound > float(EPSILON), bound


def test_the_audit_alone_sees_noise_that_is_too_small() -> None:
    n = 8_000
    assert epsilon_at_least(Laplace(0.5).add([1] * n), Laplace(0.5).add([0] * n)) > float(EPSILON)
    assert epsilon_at_least(Laplace(1.0).add([1] * n), Laplace(1.0).add([0] * n)) <= float(EPSILON)
