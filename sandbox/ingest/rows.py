"""From checked rows to stored ones: which unit each row belongs to, and which rows stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from sandbox.catalog.model import TableVersion
from sandbox.catalog.store import Catalog
from sandbox.errors import ErrorCode, SandboxError
from sandbox.ingest.cluster import UNIT
from sandbox.ingest.foreign_key import ForeignKey
from sandbox.ingest.schema import arrow_type
from sandbox.ingest.units import NO_UNIT, Int64s, RowUnits, UnitHash
from sandbox.policy.types import Policy, TablePolicy, Through, UnitBlock
from sandbox.vault.keyring import UNIT_SECRET, Keyring


class _Units(Protocol):
    def of(self, values: Any) -> Int64s: ...


def unit_secret(unit: str) -> str:
    """Name of the keyring's secret that keys `__unit` in a unit space."""
    return f"{UNIT_SECRET}{unit}"


class UnitColumn:
    """Appends `__unit` to the rows of a protected table.

    Attributes:
        dropped: rows without a unit that the policy drops (`when_null: drop`), so far.
        alone: rows without a unit that became units of their own (`when_null: row_is_unit`), so far.

    Raises:
        SandboxError: LOAD_REFUSED if the table that a foreign key leads to is not loaded, or leads
            nowhere; what reading it raises.

    """

    def __init__(self, home: Path, keyring: Keyring, catalog: Catalog, policy: Policy, table: str) -> None:
        block = _unit_of(policy.tables[table], f"{policy.dataset}.{table}")
        self._drop = block.when_null == "drop"
        self._row_units = RowUnits()
        self.dropped = 0
        self.alone = 0
        self._units: _Units
        if block.through is not None:
            self._column = block.through.column
            self._units = _foreign_key(home, keyring, catalog, policy, policy.tables[table], block.through)
        else:
            self._column = block.column or ""
            self._units = UnitHash(keyring.secret(unit_secret(block.name)))

    def append(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The rows that have a unit, with it as a new last column."""
        units = self._units.of(rows.column(self._column))
        without = units == NO_UNIT
        count = int(np.count_nonzero(without))
        if count and self._drop:
            self.dropped += count
            rows, units = rows.filter(pa.array(~without)), units[~without]
        elif count:
            self.alone += count
            units[without] = self._row_units.next(count)
        return rows.append_column(UNIT, pa.array(units))


def _unit_of(table: TablePolicy, name: str) -> UnitBlock:
    if table.unit is None or (table.unit.column is None) == (table.unit.through is None):
        raise SandboxError(
            ErrorCode.LOAD_REFUSED,
            f"{name} is protected, but its policy does not say whose rows these are.",
            "Name the unit by `column` or `through`, publish the policy, and load again.",
        )
    return table.unit


def _foreign_key(
    home: Path, keyring: Keyring, catalog: Catalog, policy: Policy, table: TablePolicy, through: Through
) -> ForeignKey:
    other, _, column = through.references.partition(".")
    version = catalog.current(policy.dataset, other)
    if version is None:
        raise SandboxError(
            ErrorCode.LOAD_REFUSED,
            f"The units are found through {policy.dataset}.{other}, which is not loaded.",
            f"Load {policy.dataset}.{other} first.",
        )
    _check_leads_to_unit(version, column)
    kind = str(arrow_type(table.columns[through.column]))
    return ForeignKey(home, keyring, version, column, kind)


def _check_leads_to_unit(version: TableVersion, column: str) -> None:
    missing = {column, UNIT.name} - {stored.name for stored in version.columns}
    if missing:
        raise SandboxError(
            ErrorCode.LOAD_REFUSED,
            f"{version.id} was stored without {', '.join(sorted(missing))}, so it leads to no unit.",
            f"Load {version.dataset}.{version.table} again under the present policy.",
        )
