"""The database under the store: an SQLite file with full synchronisation, and its errors in our words."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sandbox.errors import ErrorCode, SandboxError

BUSY_SECONDS = 60.0
WRITES = "sandbox_writes"

# ON CONFLICT REPLACE takes other lines away, ON DELETE and ON UPDATE change them, and so on. None is ours.
_BY_ITSELF = re.compile(r"\b(CONFLICT|DELETE|UPDATE|DEFAULT|GENERATED|AS|COLLATE|VIRTUAL)\b", re.IGNORECASE)


def engine_of(path: Path) -> sa.Engine:
    """An engine whose transactions are read-only, or hold the write lock (execution option WRITES)."""
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        connect_args={"timeout": BUSY_SECONDS},
        pool_size=8,
        max_overflow=-1,
    )

    @sa.event.listens_for(engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        # The driver's own BEGIN comes too late and is deferred; ours is sent below.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "fullfsync=ON", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get(WRITES, False)
        connection.exec_driver_sql(f"PRAGMA query_only={'OFF' if writes else 'ON'}")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def driver_of(connection: sa.Connection) -> sqlite3.Connection:
    """The driver's own connection, for what must be as fast as the database is."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)  # noqa: S101
    return driver


def scanned(connection: sa.Connection, statement: str, most: int = 500) -> Iterator[list[tuple[Any, ...]]]:
    """The rows of a SELECT, `most` at a time, as the driver gives them.

    Raises:
        ValueError: a value that was not written here: bytes in the place of text, text that is none.

    """
    try:
        cursor = driver_of(connection).execute(statement)
        while rows := cursor.fetchmany(most):
            yield rows
    except sqlite3.OperationalError as error:
        # A full disk, a damaged file, a lock have names of their own.
        if getattr(error, "sqlite_errorname", "SQLITE_ERROR") != "SQLITE_ERROR":
            raise
        raise ValueError("a value of another type than the one written") from None


def same_through_indexes(connection: sa.Connection, names: Sequence[str]) -> bool:
    """Whether rows of these tables are found through their indexes as they lie in the tables."""
    driver = driver_of(connection)
    return all(driver.execute(f'PRAGMA integrity_check("{name}")').fetchall() == [("ok",)] for name in names)


def plain_schema(connection: sa.Connection) -> bool:
    """Whether nothing in the database acts or answers in the place of its tables.

    That is a trigger, a view, or a clause by which a table changes or makes up values by itself.
    """
    rows = driver_of(connection).execute("SELECT type, sql FROM sqlite_master").fetchall()
    kinds = {kind for kind, _ in rows}
    acting = (_BY_ITSELF.search(sql) for kind, sql in rows if kind == "table" and sql is not None)
    return kinds <= {"table", "index"} and not any(acting)


def file_of(path_or_url: Path | str) -> Path:
    """The file that a path or a URL `sqlite:///PATH` names.

    Raises:
        SandboxError: ARGUMENT for another database, or one in memory.

    """
    if isinstance(path_or_url, str) and "://" in path_or_url:
        url = sa.make_url(path_or_url)
        if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
            raise SandboxError(
                ErrorCode.ARGUMENT,
                "The store of this version is an SQLite file.",
                "Give a path or sqlite:///PATH.",
            )
        return Path(url.database)
    return Path(path_or_url)


@contextmanager
def translated(*, writing: bool) -> Iterator[None]:
    """Turn the database's errors into ours; errors of a statement (a broken constraint) pass unchanged.

    Raises:
        SandboxError: SERVICE_BUSY, STORAGE_FULL, STORAGE_CORRUPT.

    """
    try:
        yield
    except (sa.exc.DBAPIError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        name = getattr(cause, "sqlite_errorname", "")
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise busy() from error
        unwritable = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_PERM")
        if name.startswith(unwritable) or (writing and name.startswith("SQLITE_READONLY")):
            raise SandboxError(
                ErrorCode.STORAGE_FULL,
                "The store could not be written: its disk is full, failing or read-only.",
                "Make room on the disk of the home and check its permissions, then do it again;"
                " nothing was done.",
            ) from error
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            raise SandboxError(
                ErrorCode.STORAGE_CORRUPT,
                "The store's file is damaged.",
                "Keep a copy of it as evidence and restore the newest backup.",
            ) from error
        raise


def busy() -> SandboxError:
    """The error of a store that others have been writing to for too long."""
    return SandboxError(
        ErrorCode.SERVICE_BUSY,
        "The store is busy with other writes.",
        "Try again in a moment; nothing was done.",
    )
