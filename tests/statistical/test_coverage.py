"""The half-widths that are stated cover the truth as often as they say, through the service."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from scipy import stats

from sandbox.service import home as homes
from sandbox.service.home import Home
from tests.statistical import FALSE_ALARM
from tests.statistical.instance import CELLS, asked, make

pytestmark = pytest.mark.long
# Every cell holds two units in the middle of the bounds and one at their upper ends.
TRUTH = {"COUNT(*)": 3.0, "SUM(x)": 200.0, "SUM(d)": 5.0, "COUNT_IF(x > 60)": 1.0, "COUNT(DISTINCT id)": 3.0}
ASKED = 10
SLACK = 0.01  # whole numbers step over 95 %, and 1 % is what is promised


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = make(tmp_path_factory.mktemp("lab"), with_target=True)
    yield home
    homes.close(home)


@pytest.mark.parametrize("call", TRUTH)
def test_a_half_width_covers_the_truth_95_times_of_a_hundred(lab: Home, call: str) -> None:
    covered = 0
    for n in range(ASKED):
        sql = f"SELECT cell, {call} AS a FROM once WHERE x >= -{n} GROUP BY cell"
        answer = asked(lab, sql, Decimal("0.5"))
        pairs = zip(answer.table.column("a").to_pylist(), answer.errors.column("a").to_pylist(), strict=True)
        covered += sum(abs(float(value) - TRUTH[call]) <= half for value, half in pairs)
    trials = ASKED * CELLS
    assert stats.binom(trials, 0.95 - SLACK).cdf(covered) > FALSE_ALARM
    assert stats.binom(trials, 0.95 + SLACK + 0.01).sf(covered - 1) > FALSE_ALARM
