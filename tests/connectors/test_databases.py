"""Databases: exact values, one snapshot, reading only, increments, and what is never said."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from adbc_driver_postgresql import dbapi

from sandbox.errors import ErrorCode
from sandbox.ingest.connect import open_source
from sandbox.ingest.source import Source
from tests.connectors import database_servers
from tests.connectors.database_servers import PASSWORD, mariadb_root, postgres_uri
from tests.ingest.conftest import Read, refusal
from tests.ingest.instance import Instance, policy

UNREADABLE = ErrorCode.SOURCE_UNREADABLE
SECRET = {"password": "env:DATABASE_PASSWORD"}

POSTGRESQL_TYPES = """
CREATE TABLE IF NOT EXISTS kinds (
  "编号" bigint, "金额" numeric, "价" numeric(30, 10), x double precision, ok boolean, "日" date,
  at timestamp, atz timestamptz, raw bytea, doc jsonb, id uuid, tags text[], wait interval, ip inet, t time);
TRUNCATE kinds;
INSERT INTO kinds VALUES (
  9223372036854775807, 12345678901234567890.123456789012345678901234567890, 0.1000000000, 0.1, true,
  '2020-02-29',
  '2020-01-02 03:04:05.678901', '2020-01-02 03:04:05+08', '\\x00ff', '{"甲": 1}',
  'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', ARRAY['a','b'], '1 day 02:00', '10.0.0.1', '03:04:05'),
  (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
"""

MARIADB_TYPES = """
CREATE OR REPLACE TABLE kinds (
  `编号` BIGINT UNSIGNED, `金额` DECIMAL(60, 30), x DOUBLE, ok BIT(1), `日` DATE, at DATETIME(6),
  ts TIMESTAMP, raw VARBINARY(9), doc JSON, name VARCHAR(20) CHARACTER SET gbk, e ENUM('是', '否'))
"""


@pytest.fixture
def owner(postgresql) -> Callable[[str], None]:
    def run(script: str) -> None:
        with dbapi.connect(postgres_uri(postgresql.port)) as connection, connection.cursor() as cursor:
            for statement in script.split(";\n"):
                if statement.strip():
                    cursor.execute(statement)
            connection.commit()

    return run


@pytest.fixture
def ask(postgresql) -> Callable[..., Source]:
    def opened(**options: Any) -> Source:
        where = f"postgresql://owner@127.0.0.1:{postgresql.port}/postgres"
        return open_source(where, SECRET | options)

    return opened


@pytest.fixture
def ask_maria(mariadb) -> Callable[..., Source]:
    def opened(**options: Any) -> Source:
        return open_source(f"mysql://reader@127.0.0.1:{mariadb.port}/registry", SECRET | options)

    return opened


def maria(server: database_servers.Running, *statements: str) -> None:
    with mariadb_root(server.port) as root, root.cursor() as cursor:
        cursor.execute("USE registry")
        for statement in statements:
            cursor.execute(statement)


def test_postgresql_values_are_exact(owner, ask):
    owner(POSTGRESQL_TYPES)
    got = Read(ask(table="public.kinds"))
    row = {name: None if value is None else str(value) for name, value in got.rows[0].items()}
    assert row == {
        "编号": "9223372036854775807",
        "金额": "12345678901234567890.123456789012345678901234567890",
        "价": "0.1000000000",
        "x": "0.1",
        "ok": "True",
        "日": "2020-02-29",
        "at": "2020-01-02 03:04:05.678901",
        "atz": "2020-01-01 19:04:05+00:00",
        "raw": "00ff",
        "doc": '{"甲": 1}',
        "id": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "tags": "{a,b}",
        "wait": "1 day 02:00:00",
        "ip": "10.0.0.1/32",
        "t": "03:04:05",
    }
    assert set(got.rows[1].values()) == {None}


def test_mariadb_values_are_exact(mariadb, ask_maria):
    maria(
        mariadb,
        MARIADB_TYPES,
        "SET time_zone = '+08:00'",
        "INSERT INTO kinds VALUES (18446744073709551615, "
        "123456789012345678.000000000000000000000000000001, 0.1, 1, '2020-02-29', "
        "'2020-01-02 03:04:05.678901', '2020-01-02 03:04:05', x'00ff', '{\"甲\": 1}', '王', '是')",
        f"INSERT INTO kinds VALUES ({', '.join(['NULL'] * 11)})",
    )
    got = Read(ask_maria(table="kinds"))
    assert got.rows[0] == {
        "编号": "18446744073709551615",
        "金额": "123456789012345678.000000000000000000000000000001",
        "x": "0.1",
        "ok": "01",
        "日": "2020-02-29",
        "at": "2020-01-02 03:04:05.678901",
        "ts": "2020-01-01 19:04:05",
        "raw": "00ff",
        "doc": '{"甲": 1}',
        "name": "王",
        "e": "是",
    }
    assert set(got.rows[1].values()) == {None}


def test_what_only_these_servers_have_comes_as_they_write_it(mariadb, ask_maria, tmp_path):
    """Days that are none, times beyond a day, sets: texts, which a declared type takes or sets aside."""
    maria(
        mariadb,
        "CREATE OR REPLACE TABLE odd (id INT, d DATE, at DATETIME, y YEAR, t TIME(3), s SET('甲','乙'), "
        "b BIT(10), z DECIMAL(6,2) ZEROFILL, f FLOAT, p POINT, c CHAR(4) COLLATE utf8mb4_general_ci)",
        "SET SESSION sql_mode = ''",
        "INSERT INTO odd VALUES (1, '0000-00-00', '2020-00-00 00:00:00', 2155, '-838:59:59.000', '甲,乙', "
        "b'1000000001', 7.5, 1e30, POINT(1, 2), '😀')",
        "INSERT INTO odd VALUES (2, '2020-02-29', '2020-02-29 01:02:03', 0, '00:00:01.5', '', 0, 0, 0, NULL, "
        "'')",
    )
    first, second = Read(ask_maria(table="odd")).rows
    assert {name: first[name] for name in ("d", "at", "y", "t", "s", "b", "z", "c")} == {
        "d": "0000-00-00",
        "at": "2020-00-00 00:00:00",
        "y": "2155",
        "t": "-838:59:59.000",
        "s": "甲,乙",
        "b": "0201",
        "z": "0007.50",
        "c": "😀",
    }
    assert float(first["f"]) == 1e30
    assert first["p"] == "00000000" + "0101000000" + "000000000000f03f" + "0000000000000040", "SRID, then WKB"
    assert (second["d"], second["y"], second["s"], second["t"]) == ("2020-02-29", "0000", "", "00:00:01.500")
    source = tmp_path / "odd.source.yaml"
    source.write_text(
        f"location: mysql://reader@127.0.0.1:{mariadb.port}/registry\n"
        "options: {table: odd, password: env:DATABASE_PASSWORD}\n"
    )
    columns = {"id": {"type": "integer"}, "d": {"type": "date"}, "at": {"type": "timestamp"}}
    it = Instance.create(tmp_path / "home")
    report = it.load(source, policy(t={"protection": "open", "columns": columns}), max_bad_rows=1)
    assert (report.version.rows, report.version.quarantined) == (1, 1)


GROWING = "CREATE TABLE IF NOT EXISTS g (id bigint, at timestamp);\nTRUNCATE g;\n"


def test_postgresql_reads_one_snapshot(owner, ask):
    owner(GROWING + "INSERT INTO g SELECT n, '2020-01-01' FROM generate_series(1, 300000) n")
    batches = ask(table="g").batches()
    seen = next(batches).rows.num_rows
    owner("DELETE FROM g WHERE id > 1000")
    assert seen + sum(batch.rows.num_rows for batch in batches) == 300_000


def test_mariadb_reads_one_snapshot(mariadb, ask_maria):
    maria(
        mariadb,
        "CREATE OR REPLACE TABLE g (id BIGINT PRIMARY KEY)",
        "INSERT INTO g SELECT seq FROM seq_1_to_200000",
    )
    batches = ask_maria(table="g").batches()
    seen = next(batches).rows.num_rows
    maria(mariadb, "DELETE FROM g WHERE id > 1000")
    assert seen + sum(batch.rows.num_rows for batch in batches) == 200_000


def test_increments_by_key_and_by_time(owner, ask, mariadb, ask_maria, tmp_path):
    owner(
        GROWING + "INSERT INTO g VALUES (3, '2020-01-03'), (1, '2020-01-01'), (2, '2020-01-02'), (NULL, NULL)"
    )
    maria(
        mariadb,
        "CREATE OR REPLACE TABLE k (id BIGINT, at DATETIME)",
        "INSERT INTO k VALUES (3, '2020-01-03'), (1, '2020-01-01'), (2, '2020-01-02')",
    )
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute("CREATE TABLE k (id INTEGER, at TEXT)")
        connection.executemany(
            "INSERT INTO k VALUES (?, ?)", [(3, "2020-01-03"), (1, "2020-01-01"), (2, "2020-01-02")]
        )

    def lite(**options: Any) -> Source:
        return open_source(f"sqlite:///{tmp_path}/a.db", options, connector="sqlalchemy")

    for opened, table in ((ask, "g"), (ask_maria, "k"), (lite, "k")):
        first = opened(table=table, key="id")
        assert [str(row["id"]) for row in Read(first).rows][:3] == ["1", "2", "3"]
        assert first.watermark == "3"  # type: ignore[attr-defined]
        rest = opened(table=table, key="id", after="2")
        assert [str(row["id"]) for row in Read(rest).rows] == ["3"]
        later = opened(query=f"SELECT * FROM {table}", key="at", after="2020-01-01 00:00:00")
        assert [str(row["id"]) for row in Read(later, ["id"]).rows] == ["2", "3"]
        assert str(later.watermark).startswith("2020-01-03")  # type: ignore[attr-defined]
        nothing = opened(table=table, key="id", after="3")
        assert Read(nothing).rows == []
        refusal(ErrorCode.ARGUMENT, lambda opened=opened, table=table: opened(table=table, after="3"))
    quoted = ask(table="g", key="at", after="2020' OR '1'='1")
    refusal(UNREADABLE, lambda: Read(quoted))


def test_reading_only(owner, ask, mariadb, ask_maria):
    owner("CREATE TABLE IF NOT EXISTS safe (x int);\nCREATE SEQUENCE IF NOT EXISTS s")
    for query in (
        "DELETE FROM safe RETURNING x",
        "SELECT nextval('s')",
        "SELECT 1 AS x) AS y; DROP TABLE safe; --",
    ):
        refusal(UNREADABLE, lambda query=query: Read(ask(query=query)))
    owner("SELECT * FROM safe")
    maria(mariadb, "CREATE OR REPLACE TABLE safe (x INT)", "GRANT ALL ON registry.* TO reader@'%'")
    for query in ("DELETE FROM safe RETURNING x", "SELECT 1 AS x) AS y; DROP TABLE safe; -- "):
        refusal(UNREADABLE, lambda query=query: Read(ask_maria(query=query)))
    maria(mariadb, "SELECT * FROM safe")


def test_what_goes_wrong_is_said_without_secrets(ask, ask_maria, postgresql, mariadb, monkeypatch):
    for opened in (ask, ask_maria):
        for options in (
            {"table": "nobody"},
            {"query": "SELECT nothing"},
            {"query": "SELEC 1"},
            {"query": "SELECT 1 AS a, 2 AS a"},
        ):
            error = refusal(UNREADABLE, lambda opened=opened, options=options: Read(opened(**options)))
            assert "owner" not in str(error)
        for options in (
            {},
            {"table": "a", "query": "b"},
            {"table": "a", "tls": "maybe"},
            {"table": "a", "colour": "red"},
        ):
            refusal(ErrorCode.ARGUMENT, lambda opened=opened, options=options: opened(**options))
    monkeypatch.setenv("DATABASE_PASSWORD", "wr0ng-secret")
    for opened in (ask, ask_maria):
        error = refusal(UNREADABLE, lambda opened=opened: Read(opened(table="x")))
        assert "password" in error.message
        assert "wr0ng" not in str(error)
        assert error.__cause__ is None
        assert error.__suppress_context__
    for scheme, port in (("postgresql", postgresql.port), ("mysql", mariadb.port)):
        error = refusal(
            ErrorCode.ARGUMENT,
            lambda scheme=scheme, port=port: open_source(
                f"{scheme}://u:hunter2@127.0.0.1:{port}/d", {"table": "t"}
            ),
        )
        assert "hunter2" not in str(error)
        for url in (
            f"{scheme}://127.0.0.1/d",
            f"{scheme}://u@/d",
            f"{scheme}://u@h",
            f"{scheme}://u@h/d?sslmode=disable",
        ):
            refusal(ErrorCode.ARGUMENT, lambda url=url: open_source(url, {"table": "t"}))
    described = ask(table="kinds").describe()
    assert PASSWORD not in described.uri
    assert "owner" not in described.uri


@pytest.mark.parametrize("scheme", ["postgresql", "mariadb"])
def test_certificates(scheme, request, tmp_path):
    server = request.getfixturevalue(scheme)
    user, database = {"postgresql": ("owner", "postgres"), "mariadb": ("reader", "registry")}[scheme]

    def opened(host: str, **options: Any) -> Source:
        where = f"{scheme}://{user}@{host}:{server.port}/{database}"
        return open_source(where, SECRET | {"query": "SELECT 1 AS one", "tls": "verify"} | options)

    assert [str(row["one"]) for row in Read(opened("localhost", ca=str(server.ca))).rows] == ["1"]
    assert "certificate" in refusal(UNREADABLE, lambda: Read(opened("localhost"))).message, (
        "an unknown authority"
    )
    refusal(
        UNREADABLE, lambda: Read(opened("127.0.0.1", ca=str(server.ca)))
    )  # another name than the certificate's


def test_a_server_that_dies_ends_the_reading(tmp_path):
    with database_servers.postgresql() as server:
        with dbapi.connect(postgres_uri(server.port)) as owner, owner.cursor() as cursor:
            cursor.execute(
                "CREATE TABLE big AS SELECT n, repeat('x', 500) AS x FROM generate_series(1, 200000) n"
            )
            owner.commit()
        source = open_source(
            f"postgresql://owner@127.0.0.1:{server.port}/postgres", SECRET | {"table": "big"}
        )
        batches = source.batches()
        next(batches)
        children = subprocess.run(
            ["pgrep", "-P", str(server.process.pid)], capture_output=True, text=True, check=True
        )
        for pid in children.stdout.split():
            with contextlib.suppress(ProcessLookupError):  # the server ends its others once one died
                os.kill(int(pid), signal.SIGKILL)
        assert "broke off" in refusal(UNREADABLE, lambda: list(batches)).message
        server.process.kill()
        server.process.wait()
        refusal(UNREADABLE, source.columns)


def test_any_database_of_sqlalchemy(tmp_path):
    path = tmp_path / "a.db"
    with sqlite3.connect(path) as connection:
        connection.execute('CREATE TABLE "表" ("编号" INTEGER, x REAL, b BLOB, "时" TEXT)')
        connection.execute(
            'INSERT INTO "表" VALUES (1, 0.5, ?, ?), (NULL, NULL, NULL, NULL)', (b"\0\xff", "12:30")
        )
    got = Read(open_source(f"sqlite:///{path}", {"table": "表"}, connector="sqlalchemy"))
    assert got.rows == [
        {"编号": "1", "x": "0.5", "b": "00ff", "时": "12:30"},
        {"编号": None, "x": None, "b": None, "时": None},
    ]
    asked = {"query": 'SELECT "编号" AS n FROM "表" WHERE "时" = \'12:30\''}
    got = Read(open_source(f"sqlite:///{path}", asked, connector="sqlalchemy"))
    assert got.rows == [{"n": "1"}]
    for url in ("nothing://x/y", "no url", "mssql+pyodbc://u@h/d"):
        refusal(
            ErrorCode.ARGUMENT, lambda url=url: Read(open_source(url, {"table": "t"}, connector="sqlalchemy"))
        )
    refusal(
        UNREADABLE, lambda: Read(open_source(f"sqlite:///{path}", {"table": "no"}, connector="sqlalchemy"))
    )
    error = refusal(
        ErrorCode.ARGUMENT,
        lambda: open_source("mysql://u:hunter2@h/d", {"table": "t"}, connector="sqlalchemy"),
    )
    assert "hunter2" not in str(error)


def test_a_load_says_where_the_next_increment_begins(owner, postgresql, tmp_path):
    owner(GROWING + "INSERT INTO g VALUES (3, '2020-01-03'), (1, '2020-01-01'), (2, NULL)")
    (tmp_path / "g.source.yaml").write_text(
        f"location: postgresql://owner@127.0.0.1:{postgresql.port}/postgres\n"
        "options: {table: g, key: id, password: 'env:DATABASE_PASSWORD'}\n"
        "columns: {id: {written: thousands}}\n"
    )
    instance = Instance.create(tmp_path / "home")
    columns = {"id": {"type": "integer"}, "at": {"type": "timestamp"}}
    report = instance.load(tmp_path / "g.source.yaml", policy(t={"protection": "open", "columns": columns}))
    assert report.watermark is not None
    assert (report.watermark.key, report.watermark.value) == ("id", "3")
    assert instance.rows().column("id").to_pylist() == [1, 2, 3]
    assert PASSWORD not in (report.version.source or "")
