"""Clamps that are found privately: search and total together tell no more than was charged, by the service.

One clamp serves all groups of a question, so that each question is one sample: of how wide its noise is
(which tells the clamp) and of its total. The target's part is the largest that the policy's bound lets it
have.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pytest
from scipy import stats

from sandbox.privacy.calibrate import Sensitivity
from sandbox.service import home as homes
from tests.statistical import unlikely
from tests.statistical.audit import epsilon_at_least
from tests.statistical.instance import asked, make

pytestmark = pytest.mark.long
FOUND = """
  wide:
    unit: {name: person, column: id, when_null: drop}
    bounds: {rows_per_unit: 1, totals: found_privately}
    columns:
      id: {type: integer, use: join_only, nullable: false}
      v: {type: integer, use: open, between: [0, 1000], nullable: false}
"""
EPSILON = 2
UNITS, EACH, MOST = 60, 3, 1000
ASKED = 450  # of one instance, whose budget ends
Sample = tuple[float, float]


def drawn(
    factory: pytest.TempPathFactory, *, with_target: bool, epsilon: int = EPSILON, instances: int = 2
) -> list[Sample]:
    """Half-width and total of each answer."""
    lines = [(i, EACH) for i in range(UNITS)] + [(UNITS, MOST)] * with_target
    found: list[Sample] = []
    for _ in range(instances):
        home = make(factory.mktemp("wide"), FOUND, {"wide": (("id", "v"), lines)})
        for n in range(ASKED):
            answer = asked(home, f"SELECT SUM(v) AS s FROM wide WHERE v >= -{n}", Decimal(epsilon))
            assert answer.cost is not None
            assert answer.cost.pure is not None
            assert answer.cost.pure <= epsilon
            found.append((answer.errors.column("s")[0].as_py(), answer.table.column("s")[0].as_py()))
        homes.close(home)
    return found


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Sample], list[Sample]]:
    return drawn(tmp_path_factory, with_target=True), drawn(tmp_path_factory, with_target=False)


def in_scales(sample: Sample) -> float:
    """How far the total lies above what the others make, in scales of the noise that was chosen."""
    width, total = sample
    return (total - UNITS * EACH) / width * math.log(20)


TOLD: dict[str, Callable[[Sample], float]] = {
    "the total": lambda s: s[1],
    "the clamp": lambda s: s[0],
    "the total in scales": in_scales,
    "the total in scales, where the clamp is low": lambda s: in_scales(s) if s[0] < 20 else -1e9,
    "the total in scales, where the clamp is high": lambda s: in_scales(s) if s[0] >= 20 else -1e9,
}


@pytest.mark.parametrize("told", TOLD)
def test_search_and_total_tell_no_more_than_was_charged(
    pair: tuple[list[Sample], list[Sample]], told: str
) -> None:
    bound = epsilon_at_least(*([TOLD[told](s) for s in samples] for samples in pair))
    print(f"{told}: {bound:.2f} of {EPSILON}")
    assert bound <= EPSILON


def test_half_widths_of_found_clamps_cover_where_the_clamp_cuts_nothing(
    pair: tuple[list[Sample], list[Sample]],
) -> None:
    """Without the target all parts are equal, and no clamp that is found lies below them. Noise on few whole
    steps covers up to 97 %."""
    widths, totals = (np.array(values) for values in zip(*pair[1], strict=True))
    hit = int((abs(totals - UNITS * EACH) <= widths).sum())
    print(f"found: {100 * hit / len(totals):.1f} % of {len(totals)}")
    assert not unlikely(stats.binom(len(totals), 0.94).cdf(hit))
    assert not unlikely(stats.binom(len(totals), 0.975).sf(hit - 1))


def test_noise_that_is_an_eighth_of_what_a_found_clamp_asks_for_is_found_out(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Sensitivity.bounded

    def eighth(groups: int, per_group: int, in_all: int | None = None) -> Sensitivity:
        true = real(groups, per_group, in_all)
        return Sensitivity(max(1, true.l1 // 8), max(1, true.l2_squared // 64))

    monkeypatch.setattr(Sensitivity, "bounded", eighth)
    samples = [drawn(tmp_path_factory, with_target=target, epsilon=1) for target in (True, False)]
    bound = epsilon_at_least(*([in_scales(s) for s in one] for one in samples))
    print(f"broken: {bound:.2f} of 1")
    assert bound > 1
