"""Declared foreign keys that lead to no unit: every value must be a value of the referenced column.

Rules
- A row that refers to nothing in an *open* table is set aside.
- A row that refers to nothing in a *protected* table refuses the load: set aside, one unit's row would come
  and go with another unit's.
- Null refers to nothing, and is allowed.
"""

from __future__ import annotations

import secrets
from pathlib import Path

import numpy as np

from sandbox.catalog.model import TableVersion
from sandbox.catalog.store import Catalog
from sandbox.errors import ErrorCode, SandboxError
from sandbox.ingest.source import RawBatch, set_aside
from sandbox.ingest.units import NO_UNIT, Int64s, UnitHash
from sandbox.policy.types import Policy
from sandbox.vault.keyring import Keyring
from sandbox.vault.parquet import read_batches


class Reference:
    """One foreign key; holds 8 bytes for each distinct value of the referenced column.

    Raises:
        SandboxError: LOAD_REFUSED if the referenced table is not loaded; what reading it raises.

    """

    def __init__(
        self, home: Path, keyring: Keyring, catalog: Catalog, policy: Policy, column: str, target: str
    ) -> None:
        table, _, other = target.partition(".")
        version = catalog.current(policy.dataset, table)
        if version is None or other not in {stored.name for stored in version.columns}:
            raise SandboxError(
                ErrorCode.LOAD_REFUSED,
                f"{column} refers to {policy.dataset}.{target}, which is not loaded.",
                f"Load {policy.dataset}.{table} first.",
            )
        self._column = column
        self._target = target
        self._refuses = policy.tables[table].protection == "protected"
        self._hash = UnitHash(secrets.token_bytes(32))
        self._known = self._values(home, keyring, version, other)

    def check(self, batch: RawBatch) -> RawBatch:
        """The batch without the rows that refer to nothing; they are among its bad records.

        Raises:
            SandboxError: LOAD_REFUSED at the first such row, where the referenced table is protected.

        """
        values = self._hash.of(batch.rows.column(self._column))
        lost = (values != NO_UNIT) & ~np.isin(values, self._known)
        if not lost.any():
            return batch
        if self._refuses:
            first = int(batch.records[lost][0])
            raise SandboxError(
                ErrorCode.LOAD_REFUSED,
                f"{self._column} should refer to {self._target}, and does not everywhere.",
                f"First in {batch.part}, record {first}. Load the newest {self._target} first, "
                "correct the source, or take the reference out of the policy's checks.",
            )
        return set_aside(batch, lost, self._column, f"refers to no {self._target}")

    def _values(self, home: Path, keyring: Keyring, version: TableVersion, column: str) -> Int64s:
        found = [
            np.unique(self._hash.of(batch.column(0)))
            for batch in read_batches(home, keyring, version, [column])
        ]
        return np.unique(np.concatenate([*found, np.zeros(0, np.int64)]))
