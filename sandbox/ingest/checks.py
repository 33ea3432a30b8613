"""What a policy's `checks` ask of the rows of a load, beyond the type of each cell."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa

from sandbox.catalog.store import Catalog
from sandbox.ingest.references import Reference
from sandbox.ingest.source import RawBatch
from sandbox.ingest.unique import UniqueKeys
from sandbox.policy.types import Policy
from sandbox.vault.keyring import Keyring


class Checks:
    """The declared keys and foreign keys of one load. A context manager.

    Raises:
        SandboxError: LOAD_REFUSED if a referenced table is not loaded; what reading it raises.

    """

    def __init__(self, home: Path, keyring: Keyring, catalog: Catalog, policy: Policy, table: str) -> None:
        said = policy.tables[table].checks
        self._references = [
            Reference(home, keyring, catalog, policy, column, target)
            for column, target in said.references.items()
        ]
        self._keys = [UniqueKeys(home, columns) for columns in said.unique]
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for keys in self._keys:
            self._stack.enter_context(keys)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def check(self, batch: RawBatch) -> RawBatch:
        """The batch without the rows that break a foreign key; the keys of the others are noted.

        Raises:
            SandboxError: LOAD_REFUSED for a broken reference to a protected table; STORAGE_FULL.

        """
        for reference in self._references:
            batch = reference.check(batch)
        for keys in self._keys:
            keys.add(batch.rows, batch.part, batch.records)
        return batch

    def stored(self, rows: pa.RecordBatch, version: str, first: int) -> None:
        """Note the keys of rows that a version holds already; `first` counts its rows from 1."""
        for keys in self._keys:
            keys.add(rows, version, np.arange(first, first + rows.num_rows, dtype=np.int64))

    def finish(self) -> None:
        """Look at all keys together, when every row was seen.

        Raises:
            SandboxError: LOAD_REFUSED if two rows share a declared key.

        """
        for keys in self._keys:
            keys.check()
