"""Connectors to databases, each against a real server with a user that may only read."""

from __future__ import annotations

import sqlite3
from itertools import count
from pathlib import Path

import pyarrow as pa
from adbc_driver_postgresql import dbapi

from sandbox.ingest.connect import open_source
from tests.connectors.database_servers import Running, mariadb_root, postgres_uri
from tests.connectors.subject import Opener, Published

_NUMBERS = count(1)


def _create(table: Published, name: str, quote: str, text: str) -> str:
    columns = ", ".join(f"{quote}{column}{quote} {text}" for column in table.columns)
    return f"CREATE TABLE {name} ({columns})"


class PostgresqlSubject:
    """A table in PostgreSQL."""

    flat = True

    def __init__(self, server: Running) -> None:
        self._server = server

    def publish(self, table: Published) -> Opener:
        name = f"t{next(_NUMBERS)}"
        with dbapi.connect(postgres_uri(self._server.port)) as owner, owner.cursor() as cursor:
            columns = [pa.array(column, pa.string()) for column in zip(*table.rows, strict=True)]
            cursor.adbc_ingest(name, pa.table(columns, names=list(table.columns)), mode="create")
            owner.commit()
        options = {"table": f"public.{name}", "password": "env:DATABASE_PASSWORD"}
        return lambda: open_source(f"postgresql://owner@127.0.0.1:{self._server.port}/postgres", options)


class MariadbSubject:
    """A table in MariaDB."""

    flat = True

    def __init__(self, server: Running) -> None:
        self._server = server

    def publish(self, table: Published) -> Opener:
        name = f"t{next(_NUMBERS)}"
        with mariadb_root(self._server.port) as root, root.cursor() as cursor:
            cursor.execute("USE registry")
            cursor.execute(_create(table, name, "`", "TEXT CHARACTER SET utf8mb4"))
            marks = ", ".join(["%s"] * len(table.columns))
            cursor.executemany(f"INSERT INTO {name} VALUES ({marks})", table.rows)
        options = {"table": name, "password": "env:DATABASE_PASSWORD"}
        return lambda: open_source(f"mariadb://reader@127.0.0.1:{self._server.port}/registry", options)


class SqliteSubject:
    """A table in SQLite, by way of SQLAlchemy."""

    flat = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def publish(self, table: Published) -> Opener:
        path = self._folder / f"{next(_NUMBERS)}.sqlite"
        with sqlite3.connect(path) as connection:
            connection.execute(_create(table, "t", '"', "TEXT"))
            marks = ", ".join("?" * len(table.columns))
            connection.executemany(f"INSERT INTO t VALUES ({marks})", table.rows)
        return lambda: open_source(f"sqlite:///{path}", {"table": "t"}, connector="sqlalchemy")
