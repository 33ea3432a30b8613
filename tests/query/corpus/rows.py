"""Rows made up from what a policy declares: within bounds, on the listed keys, some NULL; open tables too."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa

from sandbox.policy.types import ColumnPolicy, Kind, Policy, TablePolicy
from tests.query.corpus import world

UNITS, OPEN_ROWS = 40, 12
WORDS = ("alpha", "Beta 2", "C-3", "250.83", "E10 5AB", "州市", "x'y")
ARROW = {
    Kind.INTEGER: pa.int64(), Kind.DOUBLE: pa.float64(), Kind.BOOLEAN: pa.bool_(), Kind.DATE: pa.date32(),
    Kind.TIMESTAMP: pa.timestamp("us"), Kind.TEXT: pa.string(),
}  # fmt: skip


def made_up(dataset: str, connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Register made-up tables of a dataset; returns the relation of each placeholder."""
    policy: Policy = world(dataset).policies[dataset].content
    relations = {}
    for name, table in policy.tables.items():
        connection.register(name, _table(name, table))
        relations[f"{dataset}.{name}"] = name
    return relations


def _table(name: str, table: TablePolicy) -> pa.Table:
    r = random.Random(name)
    columns: dict[str, list[Any]] = {c: [] for c in table.columns}
    units: list[int] = []
    ranks: list[int] = []
    unit = table.unit
    keys = {column for key in table.checks.unique for column in key}
    for i in range(UNITS if unit is not None else len(WORDS) if keys else OPEN_ROWS):
        single = unit is None or table.bounds is None or table.bounds.rows_per_unit == 1
        for rank in range(1 if single else r.randint(1, 2)):
            units.append(i)
            ranks.append(rank)
            for column, policy in table.columns.items():
                of_unit = unit is not None and column == unit.column
                value = _key(i, policy) if column in keys else _value(r, policy)
                columns[column].append(_name(i, policy) if of_unit else value)
    arrays = {c: pa.array(v, _type(table.columns[c])) for c, v in columns.items()}
    if unit is not None:
        arrays |= {name: pa.array(units, pa.int64()) for name in ("__unit", "__number")}
        arrays |= {"__rank": pa.array(ranks, pa.int64())}
    return pa.table(arrays)


def _type(policy: ColumnPolicy) -> pa.DataType:
    if policy.type is Kind.DECIMAL:
        return pa.decimal128(policy.digits, policy.decimals)
    return ARROW[policy.type]


def _name(unit: int, policy: ColumnPolicy) -> Any:
    return f"unit-{unit}" if policy.type is Kind.TEXT else unit


def _key(row: int, policy: ColumnPolicy) -> Any:
    """A value that no other row of an open table has."""
    if policy.type is Kind.DATE:
        assert policy.between is not None
        assert isinstance(policy.between[0], date)
        return policy.between[0] + timedelta(days=row)
    return WORDS[row]


def _value(r: random.Random, policy: ColumnPolicy) -> Any:
    if policy.nullable and r.random() < 0.1:
        return None
    if policy.values:
        return r.choice(policy.values)
    low, high = policy.between or (0, 20)
    match policy.type:
        case Kind.INTEGER:
            assert isinstance(low, int)
            assert isinstance(high, int)
            return r.randint(low, high)
        case Kind.DECIMAL:
            step = 10**policy.decimals
            return Decimal(r.randint(int(Decimal(str(low)) * step), int(Decimal(str(high)) * step))) / step
        case Kind.DOUBLE:
            return r.randint(int(Decimal(str(low)) * 4), int(Decimal(str(high)) * 4)) / 4
        case Kind.BOOLEAN:
            return r.random() < 0.5
        case Kind.TEXT:
            return r.choice(WORDS)
    dated = isinstance(low, date) and isinstance(high, date)
    first, last = (low, high) if dated else (date(2000, 1, 1), date(2020, 1, 1))
    start, end = (datetime(d.year, d.month, d.day) for d in (first, last))
    stamp = start + timedelta(days=r.randint(0, (end - start).days), hours=r.randint(0, 23))
    return stamp.date() if policy.type is Kind.DATE else stamp
