"""A real home for ingest tests: keyring, store, catalog, loads; also run as a process that may be killed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal
from unittest import mock

import pyarrow as pa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sandbox.audit.event import Event, EventKind, Fact
from sandbox.audit.store import Store
from sandbox.catalog.model import TableVersion
from sandbox.catalog.store import Catalog
from sandbox.identity import operator_of_this_machine
from sandbox.ingest.connect import open_source
from sandbox.ingest.increment import Increment, next_increment
from sandbox.ingest.load import load_table
from sandbox.ingest.report import LoadLimits, LoadReport, Progress
from sandbox.ingest.source import Option, Source
from sandbox.policy.types import Policy
from sandbox.vault.keyring import KEYRING_FILE, Keyring
from sandbox.vault.parquet import read_batches
from sandbox.vault.sealed import Stretching

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ORIGIN = "data-sandbox/test"
PASSPHRASE = "correct horse"
DIGEST = "sha256:" + "0" * 64


class Instance:
    """An opened home."""

    def __init__(self, home: Path, keyring: Keyring, store: Store) -> None:
        self.home = home
        self.keyring = keyring
        self.store = store
        self.catalog = Catalog(store)

    @classmethod
    def create(cls, home: Path) -> Instance:
        home.mkdir(mode=0o700, parents=True)
        with mock.patch("sandbox.vault.sealer.Stretching", partial(Stretching, n=2**15, r=8, p=1)):
            keyring = Keyring.create(home / KEYRING_FILE, PASSPHRASE)
        return cls(home, keyring, Store.create(home / "store.sqlite", KEY, ORIGIN, bytes(32)))

    @classmethod
    def open(cls, home: Path) -> Instance:
        keyring = Keyring.open(home / KEYRING_FILE, PASSPHRASE)
        return cls(home, keyring, Store.open(home / "store.sqlite", KEY, ORIGIN, bytes(32)))

    def load(
        self,
        location: str | Path,
        policy: Policy,
        table: str = "t",
        *,
        memory: int = 128 << 20,
        max_bad_rows: int | None = None,
        progress: Progress | None = None,
        mode: Literal["replace", "append"] = "replace",
        accept_drift: bool = False,
        **options: Any,
    ) -> LoadReport:
        return load_table(
            self.home,
            self.keyring,
            self.catalog,
            operator_of_this_machine(),
            open_source(str(location), options),
            policy,
            table,
            policy_digest=DIGEST,
            mode=mode,
            limits=LoadLimits(memory, max_bad_rows, accept_drift),
            progress=progress,
        )

    def increment(
        self, location: str, policy: Policy, *, since: str | None = None, **named: Any
    ) -> LoadReport:
        """Load what the current version of table `t` has not read yet."""
        return self.take(self.next_increment(location, since=since, **named), policy)

    def next_increment(
        self, location: str, *, since: str | None = None, connector: str = "", **options: Any
    ) -> Increment:
        def opened(more: Mapping[str, Option]) -> Source:
            return open_source(location, {**options, **more}, connector=connector)

        return next_increment(self.catalog, "d", "t", opened, since)

    def take(self, increment: Increment, policy: Policy) -> LoadReport:
        return load_table(
            self.home,
            self.keyring,
            self.catalog,
            operator_of_this_machine(),
            increment.source,
            policy,
            "t",
            policy_digest=DIGEST,
            mode="replace" if increment.base is None else "append",
            increment_of=increment.base,
        )

    def roll_back(self, version: TableVersion | None) -> None:
        """Make an older version current."""
        assert version is not None
        facts: dict[str, Fact] = {
            "dataset": version.dataset, "table": version.table, "version": version.version, "from": 0,
        }  # fmt: skip
        event = Event(EventKind.DATASET_ROLLED_BACK, operator_of_this_machine(), facts)
        self.catalog.choose(version, event)

    def current(self, table: str = "t", dataset: str = "d") -> TableVersion | None:
        return self.catalog.current(dataset, table)

    def rows(self, table: str = "t", dataset: str = "d") -> pa.Table:
        version = self.current(table, dataset)
        assert version is not None
        names = [column.name for column in version.columns]
        return pa.Table.from_batches(read_batches(self.home, self.keyring, version, names))

    def folders(self) -> list[str]:
        return sorted(path.name for path in (self.home / "data").glob("*/*/v*"))

    def files_with(self, marker: bytes) -> list[Path]:
        return [path for path in self.home.rglob("*") if path.is_file() and marker in path.read_bytes()]


def policy(**tables: Any) -> Policy:
    """The policy of dataset `d`; a table is its block, or for an unprotected one just its columns."""
    return Policy.model_validate(
        {
            "dataset": "d",
            "title": {},
            "publisher": "p",
            "licence": "l",
            "stewards": ["w"],
            "tables": tables,
        }
    )


def protected(
    unit: str = "id", when_null: str = "drop", space: str = "person", **columns: Any
) -> dict[str, Any]:
    """A table whose unit is one of its columns; columns are kinds, or their blocks."""
    return {"unit": {"name": space, "column": unit, "when_null": when_null}, "columns": blocks(columns)}


def through(column: str, references: str, when_null: str = "drop", **columns: Any) -> dict[str, Any]:
    """A table whose unit is found through a foreign key."""
    unit = {"name": "person", "through": {"column": column, "references": references}, "when_null": when_null}
    return {"unit": unit, "columns": blocks(columns)}


def blocks(columns: dict[str, Any]) -> dict[str, Any]:
    return {name: {"type": kind} if isinstance(kind, str) else kind for name, kind in columns.items()}
