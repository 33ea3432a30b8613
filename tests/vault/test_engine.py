from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from sandbox.errors import ErrorCode, SandboxError
from sandbox.vault.engine import open_engine, question_failed, run_select


@pytest.fixture(scope="module")
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = open_engine(256, 2)
    connection.execute("ATTACH ':memory:' AS h1 (COMPRESS)")
    connection.execute("CREATE TABLE h1.main.t AS SELECT range AS a, 'row ' || range AS b FROM range(200000)")
    connection.execute("CREATE TABLE h1.main.other AS SELECT 1 AS secret")
    yield connection
    connection.close()


def run(engine: duckdb.DuckDBPyConnection, sql: str, seconds: float = 20) -> pa.Table:
    return run_select(engine, sql, seconds, {"h1.main.t"})


def failed(engine: duckdb.DuckDBPyConnection, sql: str, seconds: float = 20) -> None:
    with pytest.raises(SandboxError) as caught:
        run(engine, sql, seconds)
    assert caught.value.code is ErrorCode.QUESTION_FAILED
    assert str(caught.value) == str(question_failed())
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_it_answers(engine: duckdb.DuckDBPyConnection) -> None:
    answer = run(
        engine,
        'WITH x AS (SELECT a % 3 AS k FROM "h1"."main"."t" AS h1) '
        "SELECT k, count(*) AS n FROM x GROUP BY k ORDER BY k",
    )
    assert answer.to_pydict() == {"k": [0, 1, 2], "n": [66667, 66667, 66666]}
    assert run(engine, "SELECT * FROM (VALUES (1), (2)) AS v(x), range(2)").num_rows == 4


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_blob('/etc/passwd')",
        "SELECT * FROM read_json('/etc/passwd')",
        "SELECT * FROM read_parquet('/etc/passwd')",
        "SELECT * FROM read_parquet('http://127.0.0.1:9/x')",
        "SELECT * FROM read_csv('https://example.org/x.csv')",
        "SELECT * FROM read_csv('s3://bucket/x.csv')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM sniff_csv('/etc/passwd')",
        "SELECT * FROM parquet_metadata('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM 'x.parquet'",
        "SELECT * FROM query('SELECT * FROM read_text(''/etc/passwd'')')",
        "SELECT * FROM query_table('/etc/passwd')",
        "SELECT getenv('HOME')",
    ],
)
def test_files_network_and_environment_are_out_of_reach(engine: duckdb.DuckDBPyConnection, sql: str) -> None:
    failed(engine, sql)
    with pytest.raises(duckdb.Error):  # not by our checks alone
        engine.cursor().sql(sql).fetchall()


CHANGES = [
    "COPY (SELECT 1) TO '{dir}/x.csv'",
    "COPY h1.main.t TO '{dir}/x.parquet'",
    "COPY h1.main.t FROM '/etc/passwd'",
    "EXPORT DATABASE '{dir}/out'",
    "IMPORT DATABASE '{dir}'",
    "ATTACH '{dir}/x.db'",
    "ATTACH '{dir}/x.db' AS h2 (ENCRYPTION_KEY 'k')",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '{dir}/x.duckdb_extension'",
    "SET temp_directory = '{dir}'",
    "SET enable_external_access = true",
    "SET allowed_directories = ['/']",
    "SET lock_configuration = false",
    "RESET lock_configuration",
    "SET memory_limit = '100GB'",
    "SET autoload_known_extensions = true",
    "SET python_enable_replacements = true",
    "PRAGMA enable_profiling = 'json'",
    "CREATE PERSISTENT SECRET s (TYPE http)",
    "CALL enable_logging()",
]


@pytest.mark.parametrize("sql", CHANGES)
def test_no_statement_reaches_a_file_or_loosens_the_lock(
    engine: duckdb.DuckDBPyConnection, tmp_path: Path, sql: str
) -> None:
    text = sql.format(dir=tmp_path)
    failed(engine, text)
    with pytest.raises(duckdb.Error):
        engine.cursor().execute(text)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "sql",
    [
        "",
        ";",
        "SELECT 1; SELECT 2",
        "CREATE TABLE mine AS SELECT 1",
        "DROP TABLE h1.main.t",
        "DELETE FROM h1.main.t",
        "ATTACH ':memory:' AS mine",
        "DETACH h1",
        "PRAGMA add_parquet_key('k', '0123456789112345')",
        "CREATE SECRET (TYPE http)",
        "PREPARE q AS SELECT 1",
        "EXPLAIN SELECT * FROM h1.main.t",
        "EXPLAIN ANALYZE SELECT * FROM h1.main.t",
        "BEGIN",
        "CHECKPOINT h1",
        "SELECT * FROM h1.main.other",
        "SELECT (SELECT secret FROM h1.main.other)",
        "WITH t AS (SELECT * FROM h1.main.other) SELECT * FROM t",
        "SELECT * FROM hidden_python_table",
        'SELECT * FROM "h1.main.t AS x"',
        "SELECT * FROM t",
        "PIVOT h1.main.t ON a",
    ],
)
def test_only_one_select_over_leased_tables_runs(engine: duckdb.DuckDBPyConnection, sql: str) -> None:
    hidden_python_table = pa.table({"a": [1]})
    failed(engine, sql)
    with pytest.raises(duckdb.Error):  # DuckDB would by default look for a variable of that name
        engine.cursor().sql("SELECT * FROM hidden_python_table").fetchall()
    assert hidden_python_table.num_rows == 1
    assert run(engine, "SELECT count(*) AS n FROM h1.main.t").to_pydict() == {"n": [200000]}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT error(b) FROM h1.main.t",
        "SELECT b::INTEGER FROM h1.main.t",
        "SELECT 9223372036854775807 + a FROM h1.main.t",
        "SELECT sum(a::HUGEINT * 9223372036854775807 * 9223372036854775807) FROM h1.main.t",
        "SELECT nothing FROM h1.main.t",
        "SELEC",
        "SELECT '\ud800'",
    ],
)
def test_every_error_is_the_same_error(engine: duckdb.DuckDBPyConnection, sql: str) -> None:
    failed(engine, sql)


def test_memory_is_bounded_and_nothing_is_spilled(engine: duckdb.DuckDBPyConnection) -> None:
    def open_files() -> set[str]:
        found = set()
        for number in os.listdir("/proc/self/fd"):
            try:
                found.add(os.readlink(f"/proc/self/fd/{number}"))
            except OSError:
                continue
        return {name for name in found if name.startswith("/") and not name.startswith(("/dev", "/proc"))}

    before, here, seen = open_files(), set(os.listdir(".")), set()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            seen.update(open_files() - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    failed(
        engine, "SELECT x.b, y.b FROM h1.main.t x, h1.main.t y WHERE x.a % 50 = 0 ORDER BY hash(x.b || y.b)"
    )
    failed(engine, "SELECT list(x.b || y.b) FROM h1.main.t x, h1.main.t y WHERE x.a < 1000")
    done.set()
    watcher.join()
    assert seen == set()
    assert set(os.listdir(".")) == here
    assert run(engine, "SELECT count(*) AS n FROM h1.main.t").to_pydict() == {"n": [200000]}


def test_time_is_bounded(engine: duckdb.DuckDBPyConnection) -> None:
    began = time.monotonic()
    failed(engine, "SELECT sum(hash(x.a + y.a) % 7) FROM h1.main.t x, h1.main.t y", seconds=0.3)
    assert time.monotonic() - began < 60
    failed(engine, "SELECT count(*) FROM h1.main.t x, h1.main.t y WHERE hash(x.a + y.a) % 7 = 1", seconds=0)
    assert run(engine, "SELECT count(*) AS n FROM h1.main.t").to_pydict() == {"n": [200000]}


def test_a_time_limit_stops_one_question_only(engine: duckdb.DuckDBPyConnection) -> None:
    answers: list[int] = []

    def ask() -> None:
        sql = "SELECT count(*) AS n FROM h1.main.t x, range(100) y WHERE hash(x.a + y.range) % 7 = 1"
        answers.append(run(engine, sql, 60).to_pydict()["n"][0])

    thread = threading.Thread(target=ask)
    thread.start()
    failed(engine, "SELECT sum(hash(x.a + y.a) % 7) FROM h1.main.t x, h1.main.t y", seconds=0.2)
    thread.join()
    assert len(answers) == 1
    assert answers[0] > 2_000_000


def test_no_network_connection_is_tried(engine: duckdb.DuckDBPyConnection) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        failed(engine, f"SELECT * FROM read_csv('http://127.0.0.1:{port}/x.csv')")
        with pytest.raises(TimeoutError):
            server.accept()


def test_the_operator_log_names_the_kind_and_never_the_message(
    engine: duckdb.DuckDBPyConnection, caplog: pytest.LogCaptureFixture
) -> None:
    failed(engine, "SELECT error(b) FROM h1.main.t")
    assert "a question failed: " in caplog.text
    assert "row " not in caplog.text
