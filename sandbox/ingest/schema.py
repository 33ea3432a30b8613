"""The policy's types as Arrow types: how a column lies in the vault."""

from __future__ import annotations

import pyarrow as pa

from sandbox.policy.types import ColumnPolicy, Kind


def arrow_type(column: ColumnPolicy) -> pa.DataType:
    """The Arrow type of a column.

    integer int64; decimal decimal128(digits, decimals); double float64; boolean bool; date date32;
    timestamp timestamp[us] without a zone (UTC); text string.
    """
    match column.type:
        case Kind.INTEGER:
            return pa.int64()
        case Kind.DECIMAL:
            return pa.decimal128(column.digits, column.decimals)
        case Kind.DOUBLE:
            return pa.float64()
        case Kind.BOOLEAN:
            return pa.bool_()
        case Kind.DATE:
            return pa.date32()
        case Kind.TIMESTAMP:
            return pa.timestamp("us")
        case Kind.TEXT:
            return pa.string()


def type_name(column: ColumnPolicy) -> str:
    """How a person writes the type: `integer`, `decimal(12, 3)`, …."""
    if column.type is Kind.DECIMAL:
        return f"decimal({column.digits}, {column.decimals})"
    return column.type.value
