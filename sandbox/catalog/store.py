"""Datasets, tables and their versions, in the store.

Rules
- A version is immutable: it is inserted once, with its event, and never changed or deleted.
- The current version of a table is the one committed last, which is the one with the highest number.
- `next_version` promises nothing: of two loads that got the same number, the second to commit is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from sandbox.audit.event import Event
from sandbox.audit.store import Store, Transaction, metadata
from sandbox.catalog.model import StoredColumn, StoredFile, TableVersion
from sandbox.errors import ErrorCode, SandboxError

versions = sa.Table(
    "catalog_version",
    metadata,
    sa.Column("dataset", sa.String(63), primary_key=True),
    sa.Column("table", sa.String(128), primary_key=True),
    sa.Column(
        "version", sa.Integer, sa.CheckConstraint("version >= 1"), primary_key=True, autoincrement=False
    ),
    sa.Column("columns", sa.JSON, nullable=False),
    sa.Column("files", sa.JSON, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("quarantined", sa.BigInteger, nullable=False),
    sa.Column("policy_digest", sa.String, nullable=False),
    sa.Column("loaded_at", sa.String, nullable=False),
    sa.Column("source", sa.String, nullable=False),
)


class Catalog:
    """The catalog of one home. Threads may share it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def next_version(self, dataset: str, table: str) -> int:
        """The number that a load beginning now should use: one more than the highest committed, from 1."""
        with self._store.read() as connection:
            return _highest(connection, dataset, table) + 1

    def commit(self, version: TableVersion, event: Event) -> Transaction:
        """Make `version` the current one of its table, together with its event.

        Raises:
            SandboxError: LOAD_REFUSED when another load of the table was committed since `next_version`;
                and what `Store.write` raises. Nothing was changed then.

        """
        with self._store.write(event) as transaction:
            if version.version != _highest(transaction.connection, version.dataset, version.table) + 1:
                raise SandboxError(
                    ErrorCode.LOAD_REFUSED,
                    f"Another load of {version.dataset}.{version.table} ended while this one ran.",
                    "The table is whole, with that load's rows. Load again if this one should replace it.",
                )
            transaction.connection.execute(versions.insert().values(_row(version)))
        return transaction

    def current(self, dataset: str, table: str) -> TableVersion | None:
        """The version that questions see, or None when the table was never loaded."""
        history = self.history(dataset, table)
        return history[-1] if history else None

    def tables(self, dataset: str) -> tuple[TableVersion, ...]:
        """The current version of every table of `dataset`, by name."""
        return tuple(version for version in self.all_current() if version.dataset == dataset)

    def history(self, dataset: str, table: str) -> tuple[TableVersion, ...]:
        """Every version of a table, oldest first."""
        return self._select(versions.c.dataset == dataset, versions.c.table == table)

    def all_current(self) -> tuple[TableVersion, ...]:
        """The current version of every table of every dataset, by dataset and table."""
        other = versions.alias()
        newest = (
            sa.select(sa.func.max(other.c.version))
            .where(other.c.dataset == versions.c.dataset, other.c.table == versions.c.table)
            .scalar_subquery()
        )
        return self._select(versions.c.version == newest)

    def committed_paths(self) -> frozenset[str]:
        """`StoredFile.path` of every file of every version, for the sweep."""
        return frozenset(file.path for version in self._select() for file in version.files)

    def _select(self, *where: sa.ColumnElement[bool]) -> tuple[TableVersion, ...]:
        query = (
            sa.select(versions)
            .where(*where)
            .order_by(versions.c.dataset, versions.c.table, versions.c.version)
        )
        with self._store.read() as connection:
            return tuple(_version(row) for row in connection.execute(query).mappings())


def _highest(connection: sa.Connection, dataset: str, table: str) -> int:
    query = sa.select(sa.func.coalesce(sa.func.max(versions.c.version), 0)).where(
        versions.c.dataset == dataset, versions.c.table == table
    )
    return int(connection.execute(query).scalar_one())


def _row(version: TableVersion) -> Mapping[str, Any]:
    return {**asdict(version), "loaded_at": version.loaded_at.isoformat()}


def _version(row: Mapping[Any, Any]) -> TableVersion:
    return TableVersion(
        **{
            **row,
            "columns": tuple(StoredColumn(**column) for column in row["columns"]),
            "files": tuple(StoredFile(**file) for file in row["files"]),
            "loaded_at": datetime.fromisoformat(row["loaded_at"]),
        }
    )
