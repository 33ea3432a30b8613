"""Connectors to databases, each against a real server with a user that may only read.

With a driver, the same servers are read by way of SQLAlchemy.
"""

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


def _opener(scheme: str, driver: str, place: str, options: dict[str, str]) -> Opener:
    if not driver:
        return lambda: open_source(f"{scheme}://{place}", options)
    return lambda: open_source(f"{scheme}+{driver}://{place}", options, connector="sqlalchemy")


class PostgresqlSubject:
    """A table in PostgreSQL."""

    flat = True

    def __init__(self, server: Running, driver: str = "") -> None:
        self._server = server
        self._driver = driver

    def publish(self, table: Published) -> Opener:
        name = f"t{next(_NUMBERS)}"
        with dbapi.connect(postgres_uri(self._server.port)) as owner, owner.cursor() as cursor:
            columns = [pa.array(column, pa.string()) for column in zip(*table.rows, strict=True)]
            cursor.adbc_ingest(name, pa.table(columns, names=list(table.columns)), mode="create")
            owner.commit()
        options = {"table": f"public.{name}", "password": "env:DATABASE_PASSWORD"}
        place = f"owner@127.0.0.1:{self._server.port}/postgres"
        return _opener("postgresql", self._driver, place, options)


class MariadbSubject:
    """A table in MariaDB."""

    flat = True

    def __init__(self, server: Running, driver: str = "") -> None:
        self._server = server
        self._driver = driver

    def publish(self, table: Published) -> Opener:
        name = f"t{next(_NUMBERS)}"
        with mariadb_root(self._server.port) as root, root.cursor() as cursor:
            cursor.execute("USE registry")
            cursor.execute(_create(table, name, "`", "TEXT CHARACTER SET utf8mb4"))
            marks = ", ".join(["%s"] * len(table.columns))
            cursor.executemany(f"INSERT INTO {name} VALUES ({marks})", table.rows)
        options = {"table": name, "password": "env:DATABASE_PASSWORD"}
        place = f"reader@127.0.0.1:{self._server.port}/registry"
        return _opener("mariadb", self._driver, place, options)


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
