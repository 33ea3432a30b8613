"""Bounds of a column that a steward has estimated: what one unit can move, and what is drafted of them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.types import Use
from sandbox.query.value_bounds import bounds_question, drafted, opened_to_stewards
from tests.query.test_neighbours import assert_bounded
from tests.query.world import POLICY, published, random_rows, rewritten

HIDDEN = POLICY.replace("level: {type: integer, use: open}", "level: {type: integer, use: hidden}")
COLUMNS = {"visits": ("days", "cost", "level"), "people": ("age", "score", "weight", "filter_only")}
# Tight, so that bounding has to leave rows out; and loose.
BOUNDS = ((1, 1, 1), (2, 2, 1), (6, 2, 3), (64, 64, 64))


@pytest.mark.parametrize("table", COLUMNS)
@pytest.mark.parametrize("bounds", BOUNDS)
def test_no_unit_moves_more_than_is_paid_for(table: str, bounds: tuple[int, int, int]) -> None:
    """Units with as many rows as thirty, where the policy bounds fewer, and values beyond the range."""
    rows = random_rows(sum(bounds), 12, 30)
    for column in COLUMNS[table]:
        sql = bounds_question("w", table, column)
        whole = column in ("days", "level", "age", "filter_only")
        for low, high in ((-3, 4), (-100_000, 100_000)):
            within = (low, high) if whole else (Decimal(low), Decimal(high))
            world = opened_to_stewards(published(*bounds, HIDDEN), "w", table, column, within)
            for unit in rows.units[:6]:
                assert_bounded(sql, rows, bounds, unit, world=world)


def test_only_the_one_column_is_opened() -> None:
    plain = published(6, 2, 3, HIDDEN)
    world = opened_to_stewards(plain, "w", "visits", "level", (0, 9))
    sql = bounds_question("w", "visits", "level")
    rewritten(sql, world)
    with pytest.raises(SandboxError) as caught:
        rewritten(sql, plain)
    assert caught.value.code is ErrorCode.SQL_NAME_UNKNOWN
    opened = {
        (table, name)
        for table, block in world.policies["w"].content.tables.items()
        for name, column in block.columns.items()
        if column != plain.policies["w"].content.tables[table].columns[name]
    }
    assert opened == {("visits", "level")}
    assert plain.policies["w"].content.tables["visits"].columns["level"].use is Use.HIDDEN


numbers = st.decimals(-(10**12), 10**12, places=3)


@given(numbers, numbers, numbers, numbers, st.sampled_from(("1", "0.01", "0.001")))
def test_drafted_bounds_hold_the_answer_and_lie_in_the_range(
    a: Decimal, b: Decimal, c: Decimal, d: Decimal, step: str
) -> None:
    unit = Decimal(step)
    first, second, third, fourth = sorted(round(one / unit) * unit for one in (a, b, c, d))
    within = first, max(fourth, first + unit)
    low, high = drafted(second, third, within, unit)
    assert within[0] <= low < high <= within[1]
    assert low <= second
    assert third <= high
    assert low % unit == high % unit == 0
