"""What is kept beside a version: tables whose lines are named by dataset, table and version number."""

from __future__ import annotations

import sqlalchemy as sa

from sandbox.audit.store import Store
from sandbox.catalog.model import TableVersion

_NUMBERED = ("dataset", "table", "version")


def number_columns() -> tuple[sa.Column[str], sa.Column[str], sa.Column[int]]:
    """The columns that name a version: the primary key of what is kept beside it."""
    return (
        sa.Column("dataset", sa.String(63), primary_key=True),
        sa.Column("table", sa.String(128), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    )


def numbered(version: TableVersion) -> dict[str, str | int]:
    """The values of these columns for `version`."""
    return {name: getattr(version, name) for name in _NUMBERED}


def of_version(table: sa.Table, version: TableVersion) -> sa.ColumnElement[bool]:
    """That a line of `table` belongs to `version`."""
    return sa.and_(*(table.c[name] == value for name, value in numbered(version).items()))


def beside(table: sa.Table, versions: sa.Table) -> sa.ColumnElement[bool]:
    """That a line of `table` belongs to the version in a line of `versions`."""
    return sa.and_(*(table.c[name] == versions.c[name] for name in _NUMBERED))


def sealed_by_version(store: Store, table: sa.Table, dataset: str, name: str) -> dict[int, bytes]:
    """What `table` keeps sealed of the versions of one table of a dataset, by number."""
    query = sa.select(table.c.version, table.c.sealed).where(
        table.c.dataset == dataset, table.c.table == name
    )
    with store.read() as connection:
        return {number: bytes(sealed) for number, sealed in connection.execute(query)}
