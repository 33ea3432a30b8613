"""Masks keep order, cover what they show, and bounds and keys are those of the mask."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.policy.masks import MOST_KEYS, fits, masked, shown_as
from sandbox.policy.types import ColumnPolicy, Kind, Mask, Scalar

decimals = st.decimals(-(10**18), 10**18, allow_nan=False, allow_infinity=False, places=9)
numbers = st.integers(-(2**63), 2**63 - 1) | decimals
widths = st.integers(1, 10**18).map(Decimal) | st.decimals(Decimal("1e-9"), 1000, places=9)
periods = st.sampled_from(["year", "quarter", "month", "day"])


@given(numbers, widths)
def test_a_band_begins_at_the_multiple_below(value: int | Decimal, width: Decimal) -> None:
    if isinstance(value, int):
        width = width.to_integral_value() or Decimal(1)
    low = masked(Mask(band=width), value)
    assert isinstance(low, int | Decimal)
    assert type(low) is type(value)
    exact = Fraction(low)
    assert exact <= Fraction(value) < exact + Fraction(width)
    assert (exact / Fraction(width)).denominator == 1


@given(st.datetimes(), periods)
def test_a_period_begins_before_and_keeps_itself(value: datetime, period: str) -> None:
    mask = Mask.model_validate({"truncate": period})
    for moment in (value, value.date()):
        start = masked(mask, moment)
        assert type(start) is type(moment)
        assert str(start) <= str(moment)
        assert masked(mask, start) == start


@given(st.lists(decimals, min_size=2, max_size=2), widths)
def test_order_is_kept(values: list[Decimal], width: Decimal) -> None:
    low, high = sorted(values)
    mask = Mask(band=width)
    assert Fraction(str(masked(mask, low))) <= Fraction(str(masked(mask, high)))


def column(kind: str, mask: dict[str, object], **said: object) -> ColumnPolicy:
    return ColumnPolicy.model_validate({"type": kind, "use": 6, "shown_as": mask, **said})


def test_bounds_and_keys_of_a_band() -> None:
    seen = shown_as(column("integer", {"band": Decimal(5)}, between=(-7, 23)))
    assert seen.between == (-10, 20)
    assert seen.values == (-10, -5, 0, 5, 10, 15, 20)
    assert seen.shown_as is None
    half = shown_as(
        column("decimal", {"band": Decimal("0.5")}, decimals=1, between=(Decimal("-0.3"), Decimal(1)))
    )
    assert half.values == (Decimal("-0.5"), Decimal(0), Decimal("0.5"), Decimal(1))
    assert not any(key.is_zero() and key.is_signed() for key in half.values if isinstance(key, Decimal))


@given(st.integers(-50, 50), st.integers(1, 60), st.integers(1, 20), st.integers(-60, 120))
def test_every_value_within_the_bounds_has_its_key(low: int, span: int, width: int, value: int) -> None:
    seen = shown_as(column("integer", {"band": Decimal(width)}, between=(low, low + span)))
    shown = masked(Mask(band=Decimal(width)), value)
    assert seen.values is not None
    assert (shown in seen.values) or not low <= value <= low + span
    assert len(set(seen.values)) == len(seen.values)
    assert (seen.values[0], seen.values[-1]) == seen.between


def test_too_many_bands_are_no_keys() -> None:
    assert (
        len(shown_as(column("integer", {"band": Decimal(1)}, between=(1, MOST_KEYS))).values or ())
        == MOST_KEYS
    )
    many = shown_as(column("integer", {"band": Decimal(1)}, between=(0, MOST_KEYS)))
    assert many.values is None
    assert many.between == (0, MOST_KEYS)
    wide = shown_as(column("integer", {"band": Decimal(1)}, between=(-(2**63), 2**63 - 1)))
    assert wide.values is None


def test_periods() -> None:
    quarters = shown_as(
        column("date", {"truncate": "quarter"}, between=(date(2024, 2, 29), date(2025, 1, 1)))
    )
    assert quarters.values == (
        date(2024, 1, 1), date(2024, 4, 1), date(2024, 7, 1), date(2024, 10, 1), date(2025, 1, 1),
    )  # fmt: skip
    days = shown_as(
        column("timestamp", {"truncate": "day"}, between=(datetime(2024, 2, 28, 12), datetime(2024, 3, 1, 1)))
    )
    assert days.values == tuple(datetime(2024, month, day) for month, day in ((2, 28), (2, 29), (3, 1)))
    last = shown_as(column("date", {"truncate": "year"}, between=(date(9998, 5, 1), date(9999, 12, 31))))
    assert last.values == (date(9998, 1, 1), date(9999, 1, 1))


def test_keys_of_the_column_become_keys_of_the_mask() -> None:
    seen = shown_as(column("text", {"prefix": 2}, values=("3100", "3101", "沪A1", "x"), codelist="plates"))
    assert seen.values == ("31", "沪A", "x")
    assert seen.codelist is None
    assert shown_as(column("text", {"prefix": 2})).values is None
    assert shown_as(column("integer", {"band": Decimal(10)}, values=(1, 2, 15))).values == (0, 10)


def test_nothing_else_changes() -> None:
    plain = ColumnPolicy(type=Kind.INTEGER, between=(1, 2))
    assert shown_as(plain) is plain
    before = column("integer", {"band": Decimal(5)}, nullable=False, because="x")
    after = shown_as(before)
    for name in ColumnPolicy.model_fields:
        if name != "shown_as":
            assert getattr(after, name) == getattr(before, name)


SAMPLES: dict[Kind, Scalar] = {
    Kind.INTEGER: 7, Kind.DECIMAL: Decimal("7.3"), Kind.DOUBLE: Decimal("7.3"), Kind.BOOLEAN: True,
    Kind.DATE: date(2024, 5, 5), Kind.TIMESTAMP: datetime(2024, 5, 5, 1), Kind.TEXT: "abc",
}  # fmt: skip


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("mask", [{"band": 2}, {"band": Decimal("2.5")}, {"prefix": 2}, {"truncate": "year"}])
def test_a_mask_that_does_not_fit_never_shows_the_raw_value(kind: Kind, mask: dict[str, object]) -> None:
    made = Mask.model_validate(mask)
    if fits(made, kind):
        assert masked(made, SAMPLES[kind]) != SAMPLES[kind]
        return
    with pytest.raises(ValueError, match="does not fit"):
        shown_as(column(kind.value, mask))
