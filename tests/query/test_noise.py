"""Noise on a boundary's measures: on whole units, in the measure's own type, with small groups gone."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from sandbox.query.boundary import Boundary, Measure, Measures, Weight
from sandbox.query.noise import noisy_table, scaled, whole_units
from sandbox.query.price import Noise, PricedBoundary, half_width
from sandbox.query.rewrite import SATURATED
from tests.query.world import Rows, Silent, engine, exact_tables, published, random_rows, rewritten

WORLD = published()
FRACTION = Measure("m0", Measures.SUM, "a0", True, 3, 1, -9, 9, "sum(x)", Weight.SHOWN, 3)
WHOLE = replace(FRACTION, decimal=False, scale=0, decimals=0)
EXTREMES = [0, 1, -1, 10**15, SATURATED, -SATURATED]


class Shift(Silent):
    """Noise that is always the same: so that what it is added to shows."""

    def add(self, values: list[int], progress: object = None) -> list[int]:
        return [v + 5 for v in values]


def _priced(boundary: Boundary, threshold: int = 0, noise: Silent | None = None) -> PricedBoundary:
    mechanism = noise or Silent()
    noises = tuple(Noise(m, mechanism, Decimal(1), 3) for m in boundary.measures)  # type: ignore[arg-type]
    return PricedBoundary(boundary, noises, threshold)


def _exact(sql: str, rows: Rows) -> tuple[Boundary, pa.Table]:
    question = rewritten(sql, WORLD)
    with engine(rows) as connection:
        (table,) = exact_tables(question, connection)
    return question.analyzed.boundaries[0], table


@pytest.mark.parametrize("measure", [FRACTION, WHOLE])
@pytest.mark.parametrize("chunks", [1, 3])
def test_units_are_read_and_written_back_without_loss(measure: Measure, chunks: int) -> None:
    kind = pa.decimal128(38, 3) if measure.decimal else pa.int64()
    values = [Decimal(v).scaleb(-3) if measure.decimal else v for v in EXTREMES]
    column = pa.chunked_array([pa.array(values, kind)] * chunks)
    units = whole_units(column, measure)
    assert units.to_pylist() == EXTREMES * chunks
    assert scaled(units, measure).to_pylist() == values * chunks


def test_units_of_a_slice_are_its_own() -> None:
    """A decimal's bytes are read as they lie: the offset of a slice must count."""
    column = pa.chunked_array(
        [pa.array([Decimal(i).scaleb(-3) for i in range(10)], pa.decimal128(38, 3)).slice(4, 3)]
    )
    assert whole_units(column, FRACTION).to_pylist() == [4, 5, 6]
    assert scaled(pa.array(range(10)).slice(4, 3), FRACTION).to_pylist() == [
        Decimal(i).scaleb(-3) for i in (4, 5, 6)
    ]


@pytest.mark.parametrize("measure", [FRACTION, WHOLE])
def test_no_group_at_all_is_no_trouble(measure: Measure) -> None:
    kind = pa.decimal128(38, 3) if measure.decimal else pa.int64()
    assert whole_units(pa.chunked_array([], kind), measure).to_pylist() == []
    boundary, table = _exact("SELECT city, SUM(age) AS s FROM people GROUP BY city", Rows((), ()))
    assert noisy_table(_priced(boundary, 9), table).num_rows == 0


def test_noise_is_added_in_units_of_the_measure() -> None:
    visits = tuple((1, 1, 2, "p", "u", Decimal("1.250"), 1, None) for _ in range(2))
    boundary, table = _exact(
        "SELECT SUM(cost) AS c, SUM(days) AS d, COUNT(*) AS n FROM visits", Rows((), visits)
    )
    row = noisy_table(_priced(boundary, noise=Shift()), table).to_pylist()[0]
    assert row == {"m0": Decimal("2.505"), "m1": 9, "m2": 7}
    assert half_width(_priced(boundary), "m0") == Decimal("0.003")


def _people(groups: dict[Any, int], column: str) -> Rows:
    names = ("age", "score", "weight", "member", "grp", "city", "born", "secret", "filter_only", "key_only")
    people, unit = [], 0
    for value, count in groups.items():
        for _ in range(count):
            unit += 1
            people.append((unit, unit, *(value if n == column else None for n in names)))
    return Rows(tuple(people), ())


CITIES = _people({"rome": 5, "oslo": 2, None: 4}, "city")


@pytest.mark.parametrize(
    ("threshold", "kept"),
    [
        (0, {"oslo", "rome", None}),
        (2, {"oslo", "rome", None}),
        (3, {"rome", None}),
        (5, {"rome"}),
        (6, set()),
    ],
)
def test_keys_of_the_data_below_the_threshold_are_gone(threshold: int, kept: set[str | None]) -> None:
    boundary, table = _exact("SELECT city, COUNT(*) AS n FROM people GROUP BY city", CITIES)
    assert set(noisy_table(_priced(boundary, threshold), table).column("k0").to_pylist()) == kept


def test_the_threshold_holds_the_noisy_count_not_the_true_one() -> None:
    boundary, table = _exact("SELECT city, COUNT(*) AS n FROM people GROUP BY city", CITIES)
    shown = noisy_table(_priced(boundary, 8, Shift()), table).to_pylist()  # 5 is added to every count
    assert {r["k0"]: r["m0"] for r in shown} == {"rome": 10, None: 9}


def test_public_keys_below_the_floor_stay_and_say_nothing() -> None:
    rows = _people({"a": 5, "b": 2, None: 1}, "grp")
    boundary, table = _exact("SELECT grp, COUNT(*) AS n, SUM(age) AS s FROM people GROUP BY grp", rows)
    shown = noisy_table(_priced(boundary, 3), table).to_pylist()
    assert [r["k0"] for r in shown] == ["a", "b", "c", None]
    assert [r["m0"] for r in shown] == [5, None, None, None]
    assert [r["m1"] for r in shown] == [0, None, None, None]


def test_null_keys_are_a_group_of_their_own_for_either_kind_of_key() -> None:
    for column in ("grp", "city"):
        rows = _people({None: 3}, column)
        boundary, table = _exact(f"SELECT {column}, COUNT(*) AS n FROM people GROUP BY {column}", rows)
        assert {"k0": None, "m0": 3} in noisy_table(_priced(boundary), table).to_pylist()


def test_the_order_of_groups_tells_nothing() -> None:
    """Public keys come in the policy's order, others by their names: never by size or by place."""
    for sql in (
        "SELECT kind, COUNT(*) AS n FROM visits GROUP BY kind",
        "SELECT place, COUNT(*) AS n FROM visits GROUP BY place",
    ):
        orders = set()
        for seed in range(6):
            boundary, table = _exact(sql, random_rows(seed, 60, 5, clean=True))
            orders.add(tuple(noisy_table(_priced(boundary), table).column("k0").to_pylist()))
        assert len(orders) == 1


def test_a_group_beyond_64_bits_is_held() -> None:
    """Sums saturate at 4e18 units, which leaves noise its room; neighbours still differ by their clamp."""
    question = rewritten("SELECT SUM(days) AS s FROM visits", WORLD)
    (exact,) = question.exact
    text = exact.tree.sql("duckdb")
    assert str(SATURATED) in text
    assert f"-{SATURATED}" in text
