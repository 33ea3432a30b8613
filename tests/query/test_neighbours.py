"""The neighbour property: removing one unit moves the bounded answer by at most the declared sensitivity.

And totality: no row value makes an accepted question raise.
"""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.published import Published
from sandbox.privacy.calibrate import Sensitivity
from sandbox.privacy.mechanisms import Laplace
from sandbox.query.boundary import Boundary, Measure
from sandbox.query.clamp import Search, counts_sensitivity, grid
from sandbox.query.found import counts, totals
from sandbox.query.noise import whole_units
from tests.query.questions import nested_questions, questions, windowed_questions
from tests.query.world import (
    Rows,
    bucket_tables,
    engine,
    exact_tables,
    found_world,
    published,
    random_rows,
    rank_tables,
    rewritten,
    silent_answer,
)

# What a random question may be refused for: arithmetic of unproved range, or kinds that do not mix.
HONEST = {
    ErrorCode.OVERFLOW_POSSIBLE,
    ErrorCode.BOUNDS_MISSING,
    ErrorCode.SQL_TYPE,
    ErrorCode.SQL_TOO_LARGE,
}


def _keys(boundary: Boundary, table: pa.Table) -> list[tuple[Any, ...]]:
    columns = [table.column(k.name).to_pylist() for k in boundary.keys]
    return list(zip(*columns, strict=True)) or [()] * len(table)


def _vectors(boundary: Boundary, table: pa.Table) -> dict[str, dict[tuple[Any, ...], int]]:
    """Each measure as a map from group to integer units."""
    keys = _keys(boundary, table)
    return {
        m.name: dict(zip(keys, whole_units(table.column(m.name), m).to_pylist(), strict=True))
        for m in boundary.measures
    }


def _assert_clamps_bounded(
    boundary: Boundary, m: Measure, big: tuple[pa.Table, pa.Table], small: tuple[pa.Table, pa.Table]
) -> None:
    """Of a measure whose clamp is found: the counts of its buckets, and its totals at every clamp."""
    search = Search(grid(m.most), Laplace(1.0), Decimal(1), Decimal(1))
    moves = [abs(a - b) for a, b in zip(counts(big[1], search), counts(small[1], search), strict=True)]
    most = counts_sensitivity(boundary.groups)
    assert sum(moves) <= most.l1
    assert sum(x * x for x in moves) <= most.l2_squared
    for clamp in search.grid:
        at = [
            dict(
                zip(
                    _keys(boundary, exact), totals(boundary, exact, table, search.grid, clamp, m), strict=True
                )
            )
            for exact, table in (big, small)
        ]
        moves = [abs(at[0].get(k, 0) - at[1].get(k, 0)) for k in {*at[0], *at[1]}]
        most = Sensitivity.bounded(boundary.groups, clamp, m.in_all)
        assert sum(moves) <= most.l1, (m, clamp)
        assert sum(x * x for x in moves) <= most.l2_squared, (m, clamp)
    whole = totals(boundary, big[0], big[1], search.grid, search.grid[-1], m)
    assert whole == whole_units(big[0].column(m.name), m).to_pylist(), "at the policy's bound nothing changes"


def _ranks(boundary: Boundary, tables: tuple[pa.Table, ...]) -> dict[str, dict[tuple[Any, ...], int]]:
    """Each tree as a map from (group, level, node) to integer units."""
    found: dict[str, dict[tuple[Any, ...], int]] = {}
    for tree, table in zip(boundary.trees, tables, strict=True):
        nodes: dict[tuple[Any, ...], int] = {}
        for row in table.to_pylist():
            group = tuple(row[k.name] for k in boundary.keys)
            for cell, rows in zip(row["cell"] or (), row["n"] or (), strict=True):
                for level in range(tree.shape.levels):
                    node = cell // tree.shape.branching**level
                    nodes[group, level, node] = nodes.get((group, level, node), 0) + rows
        found[tree.measure.name] = nodes
    return found


def assert_bounded(
    sql: str,
    rows: Rows,
    bounds: tuple[int, int, int],
    unit: int,
    *,
    found: bool = False,
    world: Published | None = None,
) -> None:
    """Compare the question on `rows` and on the neighbour without `unit`."""
    world = world or (found_world(*bounds) if found else published(*bounds))
    question = rewritten(sql, world)
    with engine(rows) as whole, engine(rows.without(unit)) as less:
        pairs = zip(
            question.analyzed.boundaries,
            exact_tables(question, whole),
            exact_tables(question, less),
            bucket_tables(question, whole),
            bucket_tables(question, less),
            rank_tables(question, whole),
            rank_tables(question, less),
            strict=True,
        )
        for boundary, big, small, big_parts, small_parts, more, fewer in pairs:
            assert set(big_parts) == {m.name for m in boundary.measures if m.found}
            for m in boundary.measures:
                if m.found:
                    parts = (big, big_parts[m.name]), (small, small_parts[m.name])
                    _assert_clamps_bounded(boundary, m, *parts)
            with_unit, without = _vectors(boundary, big), _vectors(boundary, small)
            if boundary.domain is not None and boundary.measures:
                assert list(with_unit[boundary.measures[0].name]) == list(without[boundary.measures[0].name])
            for m in boundary.measures:
                a, b = with_unit[m.name], without[m.name]
                moves = [abs(a.get(k, 0) - b.get(k, 0)) for k in {*a, *b}]
                sensitivity = boundary.sensitivity(m)
                assert sum(moves) <= sensitivity.l1, (sql, m)
                assert sum(x * x for x in moves) <= sensitivity.l2_squared, (sql, m)
                assert sum(x > 0 for x in moves) <= boundary.groups, (sql, m)
            ranks, without_ranks = _ranks(boundary, more), _ranks(boundary, fewer)
            for tree in boundary.trees:
                a, b = ranks[tree.measure.name], without_ranks[tree.measure.name]
                moves = [abs(a.get(k, 0) - b.get(k, 0)) for k in {*a, *b}]
                sensitivity = boundary.sensitivity(tree.measure)
                assert sum(moves) <= sensitivity.l1, (sql, tree)
                assert sum(x * x for x in moves) <= sensitivity.l2_squared, (sql, tree)
            units = boundary.units
            if units is not None:
                only = [k for k in with_unit[units.name] if k not in without[units.name]]
                assert all(with_unit[units.name][k] <= 1 for k in only)


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)
@given(
    st.one_of(questions(), nested_questions(), windowed_questions()),
    st.integers(0, 10_000),
    st.integers(1, 6),
    st.integers(0, 8),
    st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 4)),
    st.booleans(),
    st.data(),
)
def test_one_unit_moves_no_more_than_declared(
    sql: str,
    seed: int,
    units: int,
    visits: int,
    bounds: tuple[int, int, int],
    found: bool,
    data: st.DataObject,
) -> None:
    rows = random_rows(seed, units, visits)
    if not rows.units:
        return
    least = (bounds[0], min(bounds[1], bounds[0]), min(bounds[2], bounds[0]))
    unit = data.draw(st.sampled_from(rows.units))
    with contextlib.suppress(SandboxError):
        rewritten(sql, published(*least))
        assert_bounded(sql, rows, least, unit, found=found)
        return
    with pytest.raises(SandboxError) as refused:
        rewritten(sql, published(*least))
    assert refused.value.code in HONEST, f"{sql}: {refused.value}"


def test_the_property_can_fail() -> None:
    """The checker sees a sensitivity that is too small: without clamping, one unit moves a sum by more."""
    rows = Rows((), tuple((1, 1, 50, "p", "u", Decimal(10), 1, None) for _ in range(9)))
    question = rewritten("SELECT SUM(days) FROM visits", published(2, 2, 2))
    with engine(rows) as whole:
        clamped = exact_tables(question, whole)[0].column("m0")[0].as_py()
        raw = whole.sql("SELECT SUM(days) FROM visits").fetchall()[0]
    assert clamped == 100
    assert raw == (450,)
    sensitivity = question.analyzed.boundaries[0].sensitivity(question.analyzed.boundaries[0].measures[0])
    assert sensitivity.l1 == 100 < raw[0]


def test_a_mean_is_not_bent_by_units_with_more_rows_than_count() -> None:
    """The sum and the count of such a unit shrink together."""
    rows = Rows((), tuple((u, u, -20, "p", "u", Decimal(1), 1, None) for u in (1, 2, 3) for _ in range(9)))
    with engine(rows) as whole:
        answer = silent_answer("SELECT AVG(days) AS m, AVG(cost) AS c FROM visits", published(2, 2, 2), whole)
    assert answer.table.to_pylist() == [{"m": -20.0, "c": 1.0}]
