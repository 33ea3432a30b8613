"""The epsilon that is charged bounds what neighbours' answers tell, for each aggregate, by the service."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from sandbox.privacy.mechanisms import Laplace
from sandbox.service import home as homes
from sandbox.service.home import Home
from tests.statistical.audit import epsilon_at_least
from tests.statistical.instance import CELLS, asked, make

pytestmark = pytest.mark.long
EPSILON = Decimal(1)
ASKED = 10
Pair = tuple[Home, Home]
# What one target alone moves as far as it may: here the bound must come close to what was charged.
TIGHT = (
    "COUNT(*)",
    "COUNT(x)",
    "SUM(d)",
    "SUM(x - 50)",
    "COUNT(*) FILTER (WHERE x > 60)",
    "COUNT_IF(x > 60)",
)
LOOSE = (
    "SUM(x)", "AVG(x)", "AVG(d)", "VAR_POP(x)", "VAR_SAMP(x)", "STDDEV(x)", "STDDEV_POP(d)",
    "COVAR_POP(x, y)", "COVAR_SAMP(x, y)", "CORR(x, y)", "REGR_SLOPE(x, y)", "REGR_INTERCEPT(x, y)",
    "COUNT(DISTINCT id)", "COUNT(DISTINCT x)", "SUM(CASE WHEN x > 60 THEN d END)",
    "SUM(x) FILTER (WHERE y > 60)", "SUM(SQRT(x))", "AVG(LN(x + 1))",
)  # fmt: skip


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    opened = [make(tmp_path_factory.mktemp("lab"), with_target=target) for target in (True, False)]
    yield opened[0], opened[1]
    for home in opened:
        homes.close(home)


def samples(home: Home, call: str, source: str, times: int = ASKED) -> list[float]:
    """The call's answer for every cell, asked `times` times with literals of its own."""
    found: list[float] = []
    for n in range(times):
        sql = f"SELECT cell, {call} AS a FROM {source} WHERE x >= -{n} GROUP BY cell ORDER BY cell"
        answer = asked(home, sql, EPSILON)
        assert answer.cost is not None
        assert answer.cost.pure is not None, "with so small a delta the least error is Laplace's"
        assert answer.cost.pure <= EPSILON
        values = answer.table.column("a").to_pylist()
        assert len(values) == CELLS
        found += [-1e9 if value is None else float(value) for value in values]
    return found


@pytest.mark.parametrize("call", [*TIGHT, *LOOSE])
def test_neighbours_tell_no_more_than_was_charged(pair: Pair, call: str) -> None:
    bound = epsilon_at_least(samples(pair[0], call, "once"), samples(pair[1], call, "once"))
    assert bound <= float(EPSILON)
    if call in TIGHT:
        assert bound >= 0.5 * float(EPSILON), "the audit sees too little to mean anything"


@pytest.mark.parametrize("call", ["COUNT(*)", "SUM(x)", "AVG(x)", "COUNT(DISTINCT id)", "VAR_POP(x)"])
def test_a_unit_in_several_cells_tells_no_more_either(pair: Pair, call: str) -> None:
    """The target of a pair of cells is in both, with as many rows as count; both tell no more together."""

    def pairs(values: list[float]) -> list[float]:
        return [a + b for a, b in zip(values[::2], values[1::2], strict=True)]

    a, b = (pairs(samples(home, call, "often", 2 * ASKED)) for home in pair)
    assert epsilon_at_least(a, b) <= float(EPSILON)


def test_the_audit_sees_noise_that_is_too_small() -> None:
    """Half of the noise that epsilon 1 needs is found out."""
    n = ASKED * CELLS
    assert epsilon_at_least(Laplace(0.5).add([1] * n), Laplace(0.5).add([0] * n)) > float(EPSILON)
    assert epsilon_at_least(Laplace(1.0).add([1] * n), Laplace(1.0).add([0] * n)) <= float(EPSILON)
