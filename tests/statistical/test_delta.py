"""The delta of the threshold: how often a unit alone with its key is named, through the service."""

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
EPSILON = Decimal(1)
ASKED = 60


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = make(tmp_path_factory.mktemp("lab"), with_target=True, delta="0.9", of_question="0.002")
    yield home
    homes.close(home)


def test_a_unit_alone_with_its_key_is_named_as_often_as_delta_says(lab: Home) -> None:
    """400 units, each alone with its tag: 24,000 trials of a probability that was paid for."""
    named, delta = 0, 0.0
    for n in range(ASKED):
        sql = f"SELECT tag, COUNT(*) AS n FROM once WHERE x >= -{n} GROUP BY tag"
        answer = asked(lab, sql, EPSILON)
        tags = answer.table.column("tag").to_pylist()
        assert "everybody" in tags
        named += len(tags) - 1
        assert answer.cost is not None
        delta = max(delta, float(answer.cost.delta))
    trials = ASKED * CELLS
    assert 0 < delta <= 0.002
    assert stats.binom(trials, delta).sf(named - 1) > FALSE_ALARM
