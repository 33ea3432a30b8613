"""Datasets, tables and their versions, in the store.

Rules
- A version is immutable: it is inserted once, with its event, and never changed or deleted.
- The current version of a table is the one committed last, until a roll-back chooses an older one; the next
  commit is current again. A dropped version stays as history, and is never current.
- `next_version` promises nothing: of two loads that got the same number, the second to commit is refused.
- What is chosen here never touches a ledger: no version is a new budget.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from sandbox.audit.event import Event
from sandbox.audit.prepared import Prepared
from sandbox.audit.store import Store, Transaction, metadata
from sandbox.catalog.line import commitments, line_of, lines
from sandbox.catalog.model import HeldVersion, SourceColumn, StoredColumn, StoredFile, TableVersion
from sandbox.catalog.numbered import beside, number_columns, numbered
from sandbox.catalog.watermark import (
    Watermark,
    keep_watermark,
    sealed_watermark,
    sealed_watermarks,
    watermark_of,
)
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
    sa.Column("source_digest", sa.String),
    sa.Column("source_columns", sa.JSON, nullable=False),
    sa.Column("licence", sa.String, nullable=False),
    sa.Column("mode", sa.String(7), nullable=False),
    sa.Column("base", sa.Integer),
)

chosen = sa.Table(
    "catalog_chosen",
    metadata,
    sa.Column("dataset", sa.String(63), primary_key=True),
    sa.Column("table", sa.String(128), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
)
"""Versions that a roll-back made current; a table without a line here shows its newest."""

dropped = sa.Table(
    "catalog_dropped",
    metadata,
    *number_columns(),
    sa.Column("at", sa.String, nullable=False),
)


quarantines = sa.Table(
    "catalog_quarantine",
    metadata,
    *number_columns(),
    sa.Column("file", sa.JSON, nullable=False),
)
"""What the load of a version set aside, as a file."""

checked_keys = sa.Table(
    "catalog_unique",
    metadata,
    *number_columns(),
    sa.Column("keys", sa.JSON, nullable=False),
)
"""Keys of which the load of a version made sure that no two rows share one."""


class Catalog:
    """The catalog of one home. Threads may share it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def next_version(self, dataset: str, table: str) -> int:
        """The number that a load beginning now should use: one more than the highest committed, from 1."""
        with self._store.read() as connection:
            return _highest(connection, dataset, table) + 1

    def commit(self, version: TableVersion, event: Event, watermark: Watermark | None = None) -> Transaction:
        """Make `version` the current one of its table, together with its event and its watermark.

        Raises:
            SandboxError: LOAD_REFUSED when another load of the table was committed since `next_version`,
                or an append's base is no longer current; and what `Store.write` raises. Nothing was
                changed then.

        """
        mark = None if watermark is None else sealed_watermark(self._store, version, watermark)
        line = self._store.seal(line_of(version, mark))
        event = replace(event, facts={**event.facts, "line": self._store.commitment(line)})
        with self._store.write(event) as transaction:
            connection = transaction.connection
            of = version.dataset, version.table
            late = version.version != _highest(connection, *of) + 1
            if late or (version.mode == "append" and version.base != _current_number(connection, *of)):
                raise SandboxError(
                    ErrorCode.LOAD_REFUSED,
                    f"Another load of {version.dataset}.{version.table} ended while this one ran.",
                    "The table is whole, with that load's rows. Load again if this one should replace it.",
                )
            connection.execute(versions.insert().values(_row(version)))
            if version.unique:
                connection.execute(checked_keys.insert().values(**numbered(version), keys=version.unique))
            if version.quarantine is not None:
                connection.execute(
                    quarantines.insert().values(**numbered(version), file=asdict(version.quarantine))
                )
            if mark is not None:
                keep_watermark(transaction, version, mark)
            connection.execute(lines.insert().values(**numbered(version), sealed=line))
            connection.execute(chosen.delete().where(*_named(chosen, version.dataset, version.table)))
        return transaction

    def choose(self, version: TableVersion, event: Event) -> Transaction:
        """Make an older version the current one again, together with its event.

        Raises:
            SandboxError: LOAD_REFUSED when it was dropped meanwhile; and what `Store.write` raises.

        """
        with self._store.write(event) as transaction:
            connection = transaction.connection
            if version.version in _dropped_numbers(connection, version.dataset, version.table):
                raise SandboxError(
                    ErrorCode.LOAD_REFUSED,
                    f"{version.id} was dropped: its rows are gone.",
                    "Choose a version that `sandbox datasets history` shows as held.",
                )
            connection.execute(chosen.delete().where(*_named(chosen, version.dataset, version.table)))
            row = {"dataset": version.dataset, "table": version.table, "version": version.version}
            connection.execute(chosen.insert().values(row))
        return transaction

    def drop(self, dataset: str, table: str, numbers: Collection[int], event: Event) -> Transaction:
        """Note that the rows of versions are gone for good, together with its event.

        Raises:
            SandboxError: LOAD_REFUSED when one of them is current and another is still held, as questions
                would have nothing to see; and what `Store.write` raises. Nothing was changed then.

        """
        with self._store.write(event) as transaction:
            connection = transaction.connection
            held = set(
                connection.scalars(sa.select(versions.c.version).where(*_named(versions, dataset, table)))
            )
            held -= _dropped_numbers(connection, dataset, table)
            current = _current_number(connection, dataset, table)
            if not set(numbers) <= held or (current in numbers and set(numbers) != held):
                raise SandboxError(
                    ErrorCode.LOAD_REFUSED,
                    "The versions of this table changed meanwhile, or the current one would go alone.",
                    "See `sandbox datasets history`; roll back first, or drop the whole table with --all.",
                )
            now = datetime.now(UTC).isoformat()
            lines = [{"dataset": dataset, "table": table, "version": one, "at": now} for one in numbers]
            connection.execute(dropped.insert(), lines)
            if current in numbers:
                connection.execute(chosen.delete().where(*_named(chosen, dataset, table)))
        return transaction

    def current(self, dataset: str, table: str) -> TableVersion | None:
        """The version that questions see, or None when the table was never loaded, or dropped."""
        with self._store.read() as connection:
            row = _CURRENT.run(connection, dataset=dataset, name=table).fetchone()
        return None if row is None else _read_once(row)

    def watermark(self, version: TableVersion) -> Watermark | None:
        """How far a version has read its source; None when that was not read in the order of a key.

        Raises:
            SandboxError: STORAGE_CORRUPT.

        """
        return watermark_of(self._store, version)

    def tables(self, dataset: str) -> tuple[TableVersion, ...]:
        """The current version of every table of `dataset`, by name."""
        return self._current(versions.c.dataset == dataset)

    def all_current(self) -> tuple[TableVersion, ...]:
        """The current version of every table of every dataset, by dataset and table."""
        return self._current()

    def history(self, dataset: str, table: str) -> tuple[TableVersion, ...]:
        """Every version of a table, dropped or not, oldest first."""
        return self._select(*_named(versions, dataset, table))

    def states(self, dataset: str, table: str) -> tuple[HeldVersion, ...]:
        """Every version of a table with its state, oldest first."""
        current = self.current(dataset, table)
        query = sa.select(dropped.c.version, dropped.c.at).where(*_named(dropped, dataset, table))
        with self._store.read() as connection:
            gone = {number: datetime.fromisoformat(at) for number, at in connection.execute(query)}
        return tuple(
            HeldVersion(version, version == current, gone.get(version.version))
            for version in self.history(dataset, table)
        )

    def lines(self, dataset: str, table: str) -> Mapping[int, str]:
        """The commitment to what the catalog says of each version of a table; empty where it was altered.

        Raises:
            SandboxError: STORAGE_CORRUPT.

        """
        marks = sealed_watermarks(self._store, dataset, table)
        texts = {one.version: line_of(one, marks.get(one.version)) for one in self.history(dataset, table)}
        return commitments(self._store, texts, dataset, table)

    def names(self) -> tuple[tuple[str, str], ...]:
        """Dataset and table of everything that was ever loaded."""
        query = sa.select(versions.c.dataset, versions.c.table).distinct()
        with self._store.read() as connection:
            return tuple((dataset, table) for dataset, table in connection.execute(query))

    def held(self) -> tuple[TableVersion, ...]:
        """Every version whose rows should be there, of every table."""
        return self._select(~_is_dropped())

    def committed_paths(self) -> frozenset[str]:
        """`StoredFile.path` of every file of every version that is held, for the sweep."""
        return frozenset(file.path for version in self.held() for file in version.files)

    def dropped_paths(self) -> frozenset[str]:
        """`StoredFile.path` of every file of every dropped version, for the sweep."""
        return frozenset(file.path for version in self._select(_is_dropped()) for file in version.files)

    def _current(self, *where: sa.ColumnElement[bool]) -> tuple[TableVersion, ...]:
        return self._select(*_is_current(), *where)

    def _select(self, *where: sa.ColumnElement[bool]) -> tuple[TableVersion, ...]:
        with self._store.read() as connection:
            return tuple(_version(row) for row in connection.execute(_whole(*where)).mappings())


def _named(table: sa.Table, dataset: str, name: str) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.dataset == dataset, table.c.table == name


def _highest(connection: sa.Connection, dataset: str, table: str) -> int:
    query = sa.select(sa.func.coalesce(sa.func.max(versions.c.version), 0))
    return int(connection.execute(query.where(*_named(versions, dataset, table))).scalar_one())


def _current_of(outer: sa.Table) -> sa.ColumnElement[int]:
    """The number that is current for the table of a line of `outer`, dropped or not."""
    other = versions.alias()
    newest = (
        sa.select(sa.func.max(other.c.version))
        .where(other.c.dataset == outer.c.dataset, other.c.table == outer.c.table)
        .scalar_subquery()
    )
    back = (
        sa.select(chosen.c.version)
        .where(chosen.c.dataset == outer.c.dataset, chosen.c.table == outer.c.table)
        .scalar_subquery()
    )
    return sa.func.coalesce(back, newest)


def _whole(*where: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Versions with what is kept beside them."""
    return (
        sa.select(versions, quarantines.c.file.label("quarantine"), checked_keys.c["keys"].label("unique"))
        .outerjoin(quarantines, beside(quarantines, versions))
        .outerjoin(checked_keys, beside(checked_keys, versions))
        .where(*where)
        .order_by(versions.c.dataset, versions.c.table, versions.c.version)
    )


def _is_current() -> tuple[sa.ColumnElement[bool], ...]:
    return versions.c.version == _current_of(versions), ~_is_dropped()


def _is_dropped() -> sa.ColumnElement[bool]:
    return sa.exists().where(
        dropped.c.dataset == versions.c.dataset,
        dropped.c.table == versions.c.table,
        dropped.c.version == versions.c.version,
    )


def _current_number(connection: sa.Connection, dataset: str, table: str) -> int | None:
    query = sa.select(versions.c.version).where(versions.c.version == _current_of(versions), ~_is_dropped())
    found = connection.execute(query.where(*_named(versions, dataset, table))).first()
    return None if found is None else int(found[0])


def _dropped_numbers(connection: sa.Connection, dataset: str, table: str) -> set[int]:
    return set(connection.scalars(sa.select(dropped.c.version).where(*_named(dropped, dataset, table))))


def _row(version: TableVersion) -> Mapping[str, Any]:
    row = {**asdict(version), "loaded_at": version.loaded_at.isoformat()}
    del row["quarantine"], row["unique"]
    return row


def _version(row: Mapping[Any, Any]) -> TableVersion:
    return TableVersion(
        **{
            **row,
            "columns": tuple(StoredColumn(**column) for column in row["columns"]),
            "files": tuple(StoredFile(**file) for file in row["files"]),
            "loaded_at": datetime.fromisoformat(row["loaded_at"]),
            "quarantine": None if row["quarantine"] is None else StoredFile(**row["quarantine"]),
            "source_columns": tuple(SourceColumn(**column) for column in row["source_columns"]),
            "unique": tuple(tuple(key) for key in row["unique"] or ()),
        }
    )


_WHOLE = _whole(
    *_is_current(),
    versions.c.dataset == sa.bindparam("dataset"),
    versions.c.table == sa.bindparam("name"),
)
_CURRENT = Prepared(_WHOLE)


@lru_cache(maxsize=1024)
def _read_once(row: tuple[Any, ...]) -> TableVersion:
    """A line of `_CURRENT`, which every question reads of every table; the same text says the same."""
    columns = _WHOLE.selected_columns
    named = zip(columns.keys(), columns, row, strict=True)
    return _version(
        {name: json.loads(v) if isinstance(c.type, sa.JSON) and v is not None else v for name, c, v in named}
    )
