"""Dummy rows: rows that never were, from declared metadata alone, so that code can be tried for free.

Rules
- Nothing is read but the published policy: types, bounds, public keys, masks, row rules, declared shares of
  nulls, keys and foreign keys. The vault may be shut, empty or gone.
- Hidden columns are not there; masked columns look masked; rows that a row rule excludes do not occur.
- The same policy, seed and count give the same rows. A table's values do not depend on which other tables
  are asked for, and columns that refer to one another join.
- Identifiers of units count from 1 in every table of the dataset; a unit has at most its declared rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from sandbox.ingest.schema import arrow_type
from sandbox.policy.masks import masked
from sandbox.policy.types import ColumnPolicy, Kind, Policy, RowRule, Scalar, TablePolicy, Use

MOST_ROWS = 100_000
NULL_SHARE = Decimal("0.05")
"""Share of nulls in a column that may hold them and does not declare how many."""

_FIRST_DAY = date(2020, 1, 1)
_DAYS = 2000
_TEXTS = 50


def dummy_rows(policy: Policy, table: str, count: int, seed: int = 0) -> pa.Table:
    """`count` rows of a table, with the columns that a question may name.

    Args:
        policy: published.
        table: one of its tables.
        count: 1 to `MOST_ROWS`; a table whose key has fewer declared values gets fewer rows.
        seed: another one, other rows.

    Raises:
        KeyError: there is no such table.

    """
    rules = policy.tables[table]
    drawn = _Rows(policy, count, seed)
    columns = {
        name: drawn.column(table, name) for name, said in rules.columns.items() if said.use is not Use.HIDDEN
    }
    kept = _kept(rules, columns, drawn, table)
    arrays = [
        pa.array(_shown(rules.columns[name], [values[at] for at in kept]), arrow_type(rules.columns[name]))
        for name, values in columns.items()
    ]
    return pa.Table.from_arrays(arrays, names=list(columns))


class _Rows:
    """The columns of every table of a policy, before masks, for one count and seed."""

    def __init__(self, policy: Policy, count: int, seed: int) -> None:
        self._policy = policy
        self._count = count
        self._seed = seed
        self._known: dict[tuple[str, str], list[Any]] = {}

    def column(self, table: str, name: str) -> list[Any]:
        """`count` values; drawn once."""
        if (table, name) not in self._known:
            self._known[table, name] = self._drawn(table, name)
        return self._known[table, name]

    def _drawn(self, table: str, name: str) -> list[Any]:
        rules = self._policy.tables[table]
        said = rules.columns[name]
        random = self._random(table, name)
        target = _target(rules, name)
        if target is not None:
            other, _, column = target.partition(".")
            pool = [value for value in self.column(other, column) if value is not None]
            values = [pool[at] for at in random.integers(0, len(pool), self._count)] if pool else []
        elif rules.unit is not None and rules.unit.column == name:
            values = [_identifier(number, said) for number in self._units(rules, random)]
        elif (name,) in rules.checks.unique:
            values = [_identifier(int(number) + 1, said) for number in random.permutation(self._count)]
        else:
            values = _plain(said, random, self._count, name)
        values = _ruled(values, [rule for rule in rules.rows if rule.column == name], said)
        if said.nullable and not (rules.unit is not None and name in (rules.unit.column,)):
            share = float(NULL_SHARE if said.null_share is None else said.null_share)
            if not any(rule.column == name and rule.is_null is not True for rule in rules.rows):
                gone = random.random(self._count) < share
                values = [None if none else value for none, value in zip(gone, values, strict=True)]
        return values or [None] * self._count

    def _units(self, rules: TablePolicy, random: np.random.Generator) -> list[int]:
        most = rules.bounds.rows_per_unit if rules.bounds is not None else 1
        if most == 1:
            return [int(one) + 1 for one in random.permutation(self._count)]
        rows = np.repeat(np.arange(1, self._count + 1), min(most, 4))
        random.shuffle(rows)
        return [int(one) for one in rows[: self._count]]

    def _random(self, table: str, name: str) -> np.random.Generator:
        text = "\0".join((str(self._seed), str(self._count), self._policy.dataset, table, name))
        return np.random.Generator(np.random.PCG64(int.from_bytes(hashlib.sha256(text.encode()).digest())))


def _target(rules: TablePolicy, name: str) -> str | None:
    through = rules.unit.through if rules.unit is not None else None
    if through is not None and through.column == name:
        return through.references
    return rules.checks.references.get(name)


def _identifier(number: int, said: ColumnPolicy) -> Scalar:
    """The identifier of unit `number`; among declared values as far as they go, then around again."""
    if said.values:
        return said.values[(number - 1) % len(said.values)]
    match said.type:
        case Kind.TEXT:
            return f"{number:06d}"
        case Kind.DATE:
            return _FIRST_DAY + timedelta(days=number)
        case Kind.TIMESTAMP:
            return datetime(2020, 1, 1) + timedelta(minutes=number)
        case Kind.BOOLEAN:
            return number % 2 == 0
        case Kind.DECIMAL | Kind.DOUBLE:
            return Decimal(number)
        case Kind.INTEGER:
            low = said.between[0] if said.between is not None else 1
            return int(str(low)) + number - 1


def _plain(said: ColumnPolicy, random: np.random.Generator, count: int, name: str) -> list[Any]:
    if said.values is not None:
        return [said.values[at] for at in random.integers(0, len(said.values), count)]
    if said.type is Kind.BOOLEAN:
        return [bool(one) for one in random.integers(0, 2, count)]
    if said.type is Kind.TEXT:
        return [f"{name}-{one}" for one in random.integers(1, _TEXTS + 1, count)]
    low, high = said.between if said.between is not None else _usual(said)
    match said.type:
        case Kind.INTEGER:
            return _whole(int(str(low)), int(str(high)), random, count)
        case Kind.DATE:
            assert isinstance(low, date) and isinstance(high, date)  # noqa: S101, PT018
            steps = random.integers(0, (high - low).days, count, endpoint=True)
            return [low + timedelta(days=int(one)) for one in steps]
        case Kind.TIMESTAMP:
            assert isinstance(low, datetime) and isinstance(high, datetime)  # noqa: S101, PT018
            steps = random.integers(0, int((high - low).total_seconds()), count, endpoint=True)
            return [low + timedelta(seconds=int(one)) for one in steps]
    unit = Decimal(1).scaleb(-(said.decimals or (2 if said.type is Kind.DOUBLE else 0)))
    start, end = (int(Decimal(str(bound)) / unit) for bound in (low, high))
    return [one * unit for one in _whole(start, end, random, count)]


def _whole(low: int, high: int, random: np.random.Generator, count: int) -> list[int]:
    return [int(one) for one in random.integers(low, high, count, dtype=np.int64, endpoint=True)]


def _usual(said: ColumnPolicy) -> tuple[Scalar, Scalar]:
    """A range for a column that declares none; it says nothing about the data."""
    match said.type:
        case Kind.DATE:
            return _FIRST_DAY, _FIRST_DAY + timedelta(days=_DAYS)
        case Kind.TIMESTAMP:
            start = datetime(2020, 1, 1)
            return start, start + timedelta(days=_DAYS)
    most = min(99, 10 ** (said.digits - said.decimals) - 1)
    return 0, max(most, 0)


def _ruled(values: list[Any], rules: list[RowRule], said: ColumnPolicy) -> list[Any]:
    """The values with those that a row rule excludes replaced by ones that it allows."""
    for rule in rules:
        if rule.is_null is True:
            values = [None] * len(values)
        elif rule.equals is not None:
            values = [rule.equals] * len(values)
        elif rule.one_of is not None:
            values = [
                v if v in rule.one_of else rule.one_of[at % len(rule.one_of)] for at, v in enumerate(values)
            ]
        elif rule.not_equals is not None:
            others = [value for value in (said.values or values) if value != rule.not_equals]
            values = [
                value if value != rule.not_equals else (others[at % len(others)] if others else None)
                for at, value in enumerate(values)
            ]
        elif rule.at_least is not None:
            least: Any = rule.at_least
            values = [max(value, least) for value in values]
        elif rule.at_most is not None:
            most: Any = rule.at_most
            values = [min(value, most) for value in values]
    return values


def _kept(rules: TablePolicy, columns: Mapping[str, list[Any]], drawn: _Rows, table: str) -> list[int]:
    """Places of the rows whose declared keys are all different; the first of equal ones stays."""
    count = len(next(iter(columns.values()), []))
    kept = list(range(count))
    for key in rules.checks.unique:
        if any(name not in rules.columns for name in key):
            continue
        seen: set[tuple[Any, ...]] = set()
        values = [drawn.column(table, name) for name in key]
        unique = []
        for at in kept:
            cells = tuple(column[at] for column in values)
            if None in cells or cells not in seen:
                seen.add(cells)
                unique.append(at)
        kept = unique
    return kept


def _shown(said: ColumnPolicy, values: list[Any]) -> list[Any]:
    mask = said.shown_as
    if mask is not None:
        values = [None if value is None else masked(mask, value) for value in values]
    if said.type is Kind.DOUBLE:
        return [None if value is None else float(value) for value in values]
    if said.type is Kind.DECIMAL:
        unit = Decimal(1).scaleb(-said.decimals)
        return [None if value is None else Decimal(value).quantize(unit) for value in values]
    return values
