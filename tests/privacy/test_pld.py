"""The ledger's sums beside privacy loss distributions: a second opinion on composition that never loosens.

The privacy loss distribution of a mechanism composes by convolution (Koskela, Jalkoe & Honkela 2020;
Sommer, Meiser & Mohammadi 2019). Here it is put on a grid with every loss rounded up and lost tails counted
as infinite loss, so delta(epsilon) is an upper bound. What the accountant claims has to be at least that; by
how much more tells what its closed forms cost.
"""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pytest

from sandbox.privacy.accountant import conversion_delta, epsilon_to_rho, rho_to_epsilon
from sandbox.privacy.calibrate import Sensitivity, gaussian_for, laplace_for
from sandbox.privacy.mechanisms import Gaussian, Laplace, Mechanism

STEP = 1e-4
Masses = npt.NDArray[np.float64]


def _law(mechanism: Mechanism, reach: int) -> Masses:
    k = np.arange(-reach, reach + 1, dtype=float)
    if isinstance(mechanism, Laplace):
        weights = np.exp(-np.abs(k) / mechanism.scale)
    else:
        weights = np.exp(-((k / mechanism.scale) ** 2) / 2)
    return weights / weights.sum()


class Pld:
    """Masses of the loss at `(first + i) * STEP`, and the mass of infinite loss."""

    def __init__(self, first: int, masses: Masses, infinite: float) -> None:
        self.first, self.masses, self.infinite = first, masses, infinite

    @classmethod
    def of(cls, mechanism: Mechanism, moved: int) -> Pld:
        """Of one number that a unit moves by `moved`."""
        reach = int(60 * mechanism.scale) + moved + 2
        law = _law(mechanism, reach)
        p, q = law[moved:], law[:-moved]  # P(k) and Q(k) = P(k + moved)
        kept = (p > 1e-300) & (q > 1e-300)
        steps = np.ceil(np.log(p[kept] / q[kept]) / STEP - 1e-9).astype(int)
        first = int(steps.min())
        masses = np.bincount(steps - first, weights=p[kept])
        return cls(first, masses, max(0.0, 1 - float(masses.sum())))

    def many(self, times: int) -> Pld:
        """The same `times` over, by squaring."""
        result, base, left = None, self, times
        while left:
            if left & 1:
                result = base if result is None else result.and_also(base)
            base, left = (base.and_also(base) if left > 1 else base), left >> 1
        assert result is not None
        return result

    def and_also(self, other: Pld) -> Pld:
        """Both together."""
        size = len(self.masses) + len(other.masses) - 1
        wide = 1 << (size - 1).bit_length()
        product = np.fft.irfft(np.fft.rfft(self.masses, wide) * np.fft.rfft(other.masses, wide), wide)[:size]
        return Pld(
            self.first + other.first,
            np.maximum(product, 0.0),
            1 - (1 - self.infinite) * (1 - other.infinite),
        )

    def delta(self, epsilon: float) -> float:
        """Least delta at `epsilon`, from above but for the floating point of the FFT (below 1e-12 here)."""
        losses = (self.first + np.arange(len(self.masses))) * STEP
        above = losses > epsilon
        return float((self.masses[above] * -np.expm1(epsilon - losses[above])).sum()) + self.infinite


@pytest.mark.parametrize(("epsilon", "delta"), [("1", "1e-6"), ("0.3", "1e-5"), ("3", "1e-7")])
@pytest.mark.parametrize("questions", [1, 10, 100])
def test_what_the_zcdp_sum_allows_is_private_by_its_loss_distribution(
    epsilon: str, delta: str, questions: int
) -> None:
    """As many Gaussian questions as fill an account: the true delta is below the account's, and not far."""
    kept = conversion_delta(Decimal(delta))
    rho = epsilon_to_rho(Decimal(epsilon), kept)
    noise = gaussian_for(Sensitivity(10, 100), rho / questions)
    spent = questions * noise.rho(10.0)
    claimed = rho_to_epsilon(spent, kept)
    true = Pld.of(noise, 10).many(questions).delta(float(claimed))
    assert true <= float(kept)
    assert true >= float(kept) / 60, "the conversion would be far too dear"


@pytest.mark.parametrize("questions", [1, 5, 40])
def test_what_the_pure_sum_allows_is_private_without_any_delta(questions: int) -> None:
    noise = laplace_for(Sensitivity(3, 9), Decimal(2) / questions)
    together = Pld.of(noise, 3).many(questions)
    assert together.delta(2 + questions * STEP) <= together.infinite + 1e-12
    assert together.delta(1.9 * min(1.0, 3 / questions)) > 1e-12, "half of it would not do"


def test_pure_questions_counted_as_zcdp_are_private_too() -> None:
    """A hundred Laplace questions at 0.05 each: 5 by the pure sum, about 2.2 by the other one."""
    noise = laplace_for(Sensitivity(1, 1), Decimal("0.05"))
    delta = Decimal("1e-6")
    claimed = rho_to_epsilon(100 * noise.loss(1).rho, delta)
    assert claimed < Decimal("3")
    assert Pld.of(noise, 1).many(100).delta(float(claimed)) <= float(delta)


def test_the_second_opinion_can_disagree() -> None:
    """With half of the noise the account's delta would be exceeded, and the check sees it."""
    rho = epsilon_to_rho(Decimal(1), Decimal("1e-6"))
    noise = gaussian_for(Sensitivity(10, 100), rho / 10)
    assert Pld.of(Gaussian(noise.scale / 2), 10).many(10).delta(1.0) > 1e-6
