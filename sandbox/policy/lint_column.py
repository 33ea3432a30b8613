"""Lint of one column: bounds, keys, digits, mask."""

from __future__ import annotations

from decimal import Decimal
from typing import cast

from sandbox.policy.diagnostic import Path
from sandbox.policy.masks import NUMBERS, TIMES, fits, shown_as
from sandbox.policy.rules import Findings
from sandbox.policy.scalars import EXACT
from sandbox.policy.types import INT64, ColumnPolicy, Kind, Scalar, TablePolicy, Use


def lint_column(column: ColumnPolicy, table: TablePolicy, path: Path, into: Findings) -> None:
    """Everything about a column that its table's protection and bounds decide too."""
    if column.use is Use.HIDDEN:
        for key in ("between", "values", "shown_as"):
            if getattr(column, key) is not None:
                into.add(
                    "hidden-declared", (*path, key), "has no effect on a hidden column.", "Leave it out."
                )
    _digits(column, path, into)
    _bounds(column, path, into)
    _values(column, path, into)
    _mask(column, path, into)
    if table.protection == "protected":
        _protected(column, table, path, into)
    elif column.use is Use.SUM_MEAN and column.type not in NUMBERS:
        _not_a_number(column, path, into)


def _digits(column: ColumnPolicy, path: Path, into: Findings) -> None:
    said = column.model_fields_set
    if "digits" in said and column.type is not Kind.DECIMAL:
        into.add(
            "digits-type", (*path, "digits"), f"does not belong to {column.type.value}.", "Leave it out."
        )
    if "decimals" in said and column.type not in {Kind.DECIMAL, Kind.DOUBLE}:
        into.add(
            "digits-type", (*path, "decimals"), f"does not belong to {column.type.value}.", "Leave it out."
        )
    if column.type is Kind.DECIMAL and column.decimals > column.digits:
        into.add("digits-order", (*path, "decimals"), f"exceeds the {column.digits} digits.")


def _bounds(column: ColumnPolicy, path: Path, into: Findings) -> None:
    if column.between is None:
        return
    here = (*path, "between")
    if column.type not in NUMBERS | TIMES:
        into.add("between-type", here, f"a {column.type.value} has no bounds.", "Leave it out.")
        return
    low, high = column.between
    if not _below(low, high):
        into.add("between-order", here, f"{low} is not below {high}.")
    for index, bound in enumerate(column.between):
        _fit(column, bound, (*here, index), into)


def _values(column: ColumnPolicy, path: Path, into: Findings) -> None:
    if column.values is None:
        return
    key = "values" if column.codelist is None else "codelist"
    here = (*path, key)
    if column.type is Kind.DOUBLE:
        into.add("double-keys", here, "a double has no public keys.", "Declare a decimal.")
    if not column.values:
        into.add("values-empty", here, "no key is listed.", "List the keys, or leave it out.")
    seen: set[Scalar] = set()
    for index, value in enumerate(column.values):
        at = (*here, index)
        if value in seen:
            into.add("values-twice", at, f"{value} is listed twice.")
        seen.add(value)
        _fit(column, value, at, into)
        if column.between is not None and column.type in NUMBERS | TIMES:
            low, high = column.between
            if _below(value, low) or _below(high, value):
                into.add("values-outside", at, f"{value} is not between {low} and {high}.")


def _fit(column: ColumnPolicy, value: Scalar, path: Path, into: Findings) -> None:
    """Decimals and doubles: exact at the column's decimals, and no more digits than it has."""
    if not isinstance(value, Decimal):
        return
    if column.type is Kind.DECIMAL and not _exact(value, column):
        form = f"decimal with {column.digits} digits, {column.decimals} of them after the point"
        into.add("value-fit", path, f"{value} is no {form}.")


def _exact(value: Decimal, column: ColumnPolicy) -> bool:
    scaled = value.scaleb(column.decimals, EXACT)
    return scaled == scaled.to_integral_value() and scaled.copy_abs() < Decimal(10) ** column.digits


def _mask(column: ColumnPolicy, path: Path, into: Findings) -> None:
    mask = column.shown_as
    if mask is None:
        return
    here = (*path, "shown_as")
    if not fits(mask, column.type):
        hint = "Numbers have `band` (a whole one for integers), days and times `truncate`, texts `prefix`."
        into.add("mask-type", here, f"does not fit {column.type.value}.", hint)
        return
    if column.type is Kind.DECIMAL and mask.band is not None and not _exact(mask.band, column):
        into.add("mask-fit", (*here, "band"), f"{mask.band} is not exact in {column.decimals} decimals.")
        return
    for bound in shown_as(column).between or ():
        wide = isinstance(bound, int) and not -INT64 <= bound < INT64
        if wide or (column.type is Kind.DECIMAL and isinstance(bound, Decimal) and not _exact(bound, column)):
            into.add("mask-fit", here, f"the masked bound {bound} does not fit the column.")


def _protected(column: ColumnPolicy, table: TablePolicy, path: Path, into: Findings) -> None:
    if column.type is Kind.DOUBLE and column.use is Use.GROUP_BY and column.shown_as is None:
        into.add("double-keys", (*path, "use"), "a double is no key of a group.", "Give it a band.")
    if column.use < Use.SUM_MEAN:
        return
    if column.type not in NUMBERS:
        if column.use is Use.SUM_MEAN:
            _not_a_number(column, path, into)
        return
    if column.between is None:
        hint = "Declare them from what is publicly known, never from the data: between: [low, high]."
        into.add("between-missing", path, "may be summed, so it needs public bounds.", hint)
        return
    if column.type is Kind.DOUBLE and "decimals" not in column.model_fields_set:
        into.add("double-decimals", path, "its sums are rounded to whole numbers.", "Add `decimals`.")
    if table.bounds is not None:
        seen = shown_as(column) if column.shown_as and fits(column.shown_as, column.type) else column
        largest = max(Decimal(cast("int", bound)).copy_abs() for bound in seen.between or ())
        rows = table.bounds.rows_per_unit
        if EXACT.multiply(largest, Decimal(rows)).scaleb(column.decimals, EXACT) >= INT64:
            message = f"{rows} rows of up to {largest} with {column.decimals} decimals exceed 64 bits."
            into.add("overflow", (*path, "between"), message, "Narrow the bounds, or declare fewer decimals.")


def _not_a_number(column: ColumnPolicy, path: Path, into: Findings) -> None:
    into.add("use-type", (*path, "use"), f"a {column.type.value} cannot be summed.", "Say `group_by`.")


def _below(left: Scalar, right: Scalar) -> bool:
    """`left < right`, for two values that `Block`s have proven to be of one kind."""
    return cast("int", left) < cast("int", right)
