"""Values that a column declares: its bounds and its public keys, as masks over Arrow arrays."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute

from sandbox.ingest.cast import Mask
from sandbox.ingest.schema import arrow_type
from sandbox.policy.types import ColumnPolicy, Kind, Scalar

OUTSIDE = "outside the declared bounds"
UNLISTED = "not among the declared values"

# pyarrow's stubs give the results of compute functions wrong types.
pc: Any = pyarrow.compute


class Declared:
    """The declared bounds and keys of one column."""

    def __init__(self, column: ColumnPolicy) -> None:
        self._bounds = (
            None if column.between is None else tuple(_scalar(one, column) for one in column.between)
        )
        kind = arrow_type(column)
        self._keys = None
        if column.values is not None:
            self._keys = pa.array([_native(one, column) for one in column.values], kind)

    def faults(self, values: Any) -> list[tuple[str, Mask]]:
        """Reasons and masks of the values that were not declared; null is declared by `nullable`."""
        found: list[tuple[str, Any]] = []
        if self._bounds is not None:
            low, high = self._bounds
            outside = pc.or_(pc.less(values, low), pc.greater(values, high))
            found.append((OUTSIDE, outside.fill_null(False)))
        if self._keys is not None:
            unlisted = pc.and_(pc.is_valid(values), pc.invert(pc.is_in(values, self._keys)))
            found.append((UNLISTED, unlisted))
        masks = [(reason, mask.to_numpy(zero_copy_only=False)) for reason, mask in found]
        return [(reason, mask) for reason, mask in masks if mask.any()]


def _scalar(value: Scalar, column: ColumnPolicy) -> Any:
    native = _native(value, column)
    # A bound may have more places than the column.
    return pa.scalar(native) if isinstance(native, Decimal) else pa.scalar(native, arrow_type(column))


def _native(value: Scalar, column: ColumnPolicy) -> Any:
    return float(value) if column.type is Kind.DOUBLE and isinstance(value, Decimal) else value
