"""Arrow's types for the kinds of values that a question may have."""

from __future__ import annotations

import pyarrow as pa

from sandbox.policy.types import Kind
from sandbox.query.typed import Typed

_TYPES: dict[Kind, pa.DataType] = {
    Kind.INTEGER: pa.int64(), Kind.DOUBLE: pa.float64(), Kind.BOOLEAN: pa.bool_(), Kind.DATE: pa.date32(),
    Kind.TIMESTAMP: pa.timestamp("us"), Kind.TEXT: pa.string(),
}  # fmt: skip


def arrow_type(t: Typed) -> pa.DataType:
    """The type of a column of such values."""
    if t.kind is Kind.DECIMAL:
        return pa.decimal128(t.width, t.scale)
    return _TYPES[t.kind or Kind.TEXT]
