"""Units through a foreign key: from the values of a column to the `__unit` of the rows it refers to."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sandbox.catalog.model import UNIT_COLUMN, TableVersion
from sandbox.errors import ErrorCode, SandboxError
from sandbox.ingest.units import NO_UNIT, Int64s, UnitHash, taken
from sandbox.vault.keyring import Keyring
from sandbox.vault.parquet import read_batches

_INTEGER = "int64"


class ForeignKey:
    """The referenced column of one version, with the units of its rows: 16 bytes of memory a row.

    Raises:
        SandboxError: LOAD_REFUSED if a value refers to rows of different units; what reading raises.

    """

    def __init__(self, home: Path, keyring: Keyring, version: TableVersion, column: str, kind: str) -> None:
        stored = next(known for known in version.columns if known.name == column)
        self._plain = kind == stored.arrow_type == _INTEGER
        self._hash = UnitHash(secrets.token_bytes(32))
        keys: list[Int64s] = []
        units: list[Int64s] = []
        for batch in read_batches(home, keyring, version, [column, UNIT_COLUMN]):
            here = batch.filter(batch.column(0).is_valid())
            found = self._key(here.column(0))
            known = (found != NO_UNIT) | self._plain
            keys.append(found[known])
            units.append(here.column(1).to_numpy()[known])
        self._keys = np.concatenate([*keys, np.zeros(0, np.int64)])
        self._units = np.concatenate([*units, np.zeros(0, np.int64)])
        order = np.argsort(self._keys)
        self._keys, self._units = self._keys[order], self._units[order]
        twice = self._keys[1:] == self._keys[:-1]
        if (twice & (self._units[1:] != self._units[:-1])).any():
            raise SandboxError(
                ErrorCode.LOAD_REFUSED,
                f"A value of {version.table}.{column} belongs to several units, so it leads to none.",
                "Refer to a column whose values are unique, or correct that table and load it again.",
            )

    def of(self, values: Any) -> Int64s:
        """`__unit` of each value of an Arrow array; `NO_UNIT` for null and for what refers to no row."""
        if not len(self._keys):
            return np.full(len(values), NO_UNIT, np.int64)
        encoded = values.dictionary_encode()
        wanted = self._key(encoded.dictionary)
        places = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        units = np.where(self._keys[places] == wanted, self._units[places], NO_UNIT)
        return taken(units, encoded.indices)

    def _key(self, values: Any) -> Int64s:
        if self._plain:
            return np.asarray(values.cast(pa.int64()).to_numpy(zero_copy_only=False))
        return self._hash.of(values)
