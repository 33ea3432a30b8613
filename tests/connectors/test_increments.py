"""Increments by a stored watermark, from real databases: what is in them, and what a crash leaves."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from adbc_driver_postgresql import dbapi

from sandbox.catalog.watermark import Watermark
from sandbox.errors import ErrorCode
from sandbox.service.proof import check_against_log
from sandbox.vault.sweep import sweep
from tests.connectors.database_servers import PASSWORD, Running, mariadb_root, postgres_uri
from tests.ingest.conftest import refusal
from tests.ingest.instance import Instance, policy, protected

SECRET = {"password": "env:DATABASE_PASSWORD"}
RULES = policy(t=protected(id="integer", x="text"))
SPAWN = multiprocessing.get_context("forkserver")


@dataclass(frozen=True)
class Registry:
    """A database with a table `r (id, k, x)`, the types of whose columns a test chooses."""

    location: str
    connector: str
    options: dict[str, Any]
    run: Callable[..., None]
    exact: str
    moment: str


def _postgresql(server: Running, via: str) -> Registry:
    def run(*statements: str) -> None:
        with dbapi.connect(postgres_uri(server.port)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            connection.commit()

    where = f"{via}://owner@127.0.0.1:{server.port}/postgres"
    connector = "sqlalchemy" if "+" in via else ""
    return Registry(where, connector, SECRET, run, "numeric", "timestamp")


def _mariadb(server: Running, via: str) -> Registry:
    def run(*statements: str) -> None:
        with mariadb_root(server.port) as root, root.cursor() as cursor:
            cursor.execute("USE registry")
            for statement in statements:
                cursor.execute(statement)

    where = f"{via}://reader@127.0.0.1:{server.port}/registry"
    connector = "sqlalchemy" if "+" in via else ""
    return Registry(where, connector, SECRET, run, "decimal(40, 0)", "datetime(6)")


@pytest.fixture(params=["postgresql", "mariadb", "postgresql+psycopg", "mysql+pymysql"])
def registry(request: pytest.FixtureRequest) -> Registry:
    via = str(request.param)
    made, server = (_postgresql, "postgresql") if via.startswith("postgresql") else (_mariadb, "mariadb")
    return made(request.getfixturevalue(server), via)


class Loads:
    """Loads of the table of a registry."""

    def __init__(self, instance: Instance, registry: Registry) -> None:
        self._it, self._registry = instance, registry

    def increment(self, *, since: str | None = None, key: str = "k", **more: Any) -> list[int]:
        """The ids that the table holds afterwards."""
        options = {"table": "r", "key": key, **self._registry.options, **more}
        where, connector = self._registry.location, self._registry.connector
        self._it.increment(where, RULES, since=since, connector=connector, **options)
        return self.ids()

    def ids(self) -> list[int]:
        return sorted(self._it.rows().column("id").to_pylist())

    @property
    def mark(self) -> Watermark | None:
        version = self._it.current()
        assert version is not None
        return self._it.catalog.watermark(version)


@pytest.fixture
def it(tmp_path: Path) -> Instance:
    return Instance.create(tmp_path / "home")


@pytest.fixture
def loads(it: Instance, registry: Registry) -> Loads:
    return Loads(it, registry)


def table(registry: Registry, key: str, *rows: str) -> None:
    drop = "DROP TABLE IF EXISTS r"
    made = f"CREATE TABLE r (id bigint, k {key}, x varchar(20))"
    registry.run(drop, made, *(f"INSERT INTO r VALUES ({row})" for row in rows))


def test_each_load_goes_on_where_the_one_before_ended(registry: Registry, loads: Loads, it: Instance) -> None:
    table(registry, "bigint", "1, 9, 'a'", "2, 10, 'b'", "3, 9007199254740992, 'c'", "4, NULL, 'd'")
    assert loads.increment() == [1, 2, 3, 4]
    assert loads.mark is not None
    assert (loads.mark.key, loads.mark.value) == ("k", "9007199254740992")
    assert PASSWORD not in loads.mark.source
    # One more than what a double still holds exactly; and one without a key, which no increment sees.
    registry.run("INSERT INTO r VALUES (5, 9007199254740993, 'e'), (6, NULL, 'f')")
    assert loads.increment() == [1, 2, 3, 4, 5]
    assert loads.increment() == [1, 2, 3, 4, 5], "nothing new: a version all the same"
    registry.run("INSERT INTO r VALUES (7, 9007199254740994, 'e')")
    assert loads.increment() == [1, 2, 3, 4, 5, 7]
    assert [one.mode for one in it.catalog.history("d", "t")] == ["replace", "append", "append", "append"]


def test_exact_numbers_are_ordered_as_numbers(registry: Registry, loads: Loads) -> None:
    table(registry, registry.exact, "1, 9, 'a'", "2, 12345678901234567890123456789, 'b'", "3, 10, 'c'")
    assert loads.increment() == [1, 2, 3]
    assert loads.mark is not None
    assert loads.mark.value == "12345678901234567890123456789"
    registry.run("INSERT INTO r VALUES (4, 12345678901234567890123456790, 'd')")
    assert loads.increment() == [1, 2, 3, 4]


def test_late_rows_and_equal_moments_are_in_no_increment(registry: Registry, loads: Loads) -> None:
    table(registry, registry.moment, "1, '2026-01-01 00:00:00.000001', 'a'", "2, '2026-01-02 00:00:00', 'b'")
    assert loads.increment() == [1, 2]
    late = "3, '2026-01-01 12:00:00', 'late'", "4, '2026-01-02 00:00:00', 'equal'"
    registry.run(
        *(f"INSERT INTO r VALUES ({row})" for row in (*late, "5, '2026-01-02 00:00:00.000001', 'new'"))
    )
    assert loads.increment() == [1, 2, 5]
    # --since goes before what is remembered; what is read a second time is there a second time.
    assert loads.increment(since="2026-01-01 06:00:00") == [1, 2, 2, 3, 4, 5, 5]
    assert loads.mark is not None
    assert loads.mark.value.startswith("2026-01-02 00:00:00.000001")
    assert loads.increment() == [1, 2, 2, 3, 4, 5, 5]


def test_what_says_nothing_of_where_to_begin_is_refused(
    registry: Registry, loads: Loads, it: Instance
) -> None:
    table(registry, "bigint", "1, 1, 'a'")
    assert loads.increment() == [1]
    before = it.current()
    for changed in ({"key": "id"}, {"table": "", "query": "SELECT * FROM r WHERE k > 0"}):
        error = refusal(ErrorCode.LOAD_REFUSED, lambda changed=changed: loads.increment(**changed))
        assert "--since" in error.hint
    refusal(ErrorCode.ARGUMENT, lambda: loads.increment(key=""))
    for wrong in ("1 OR 1=1", "'; DROP TABLE r; --"):
        refusal(
            ErrorCode.SOURCE_UNREADABLE
            if registry.location.startswith("postgresql:")
            else ErrorCode.ARGUMENT,
            lambda wrong=wrong: loads.increment(since=wrong),
        )
    assert it.current() == before
    registry.run("INSERT INTO r VALUES (2, 2, 'b')")
    assert loads.increment(key="id", since="1") == [1, 2]
    assert loads.increment(key="id") == [1, 2]


def test_a_file_between_does_not_move_the_watermark(
    registry: Registry, loads: Loads, it: Instance, tmp_path: Path
) -> None:
    table(registry, "bigint", "1, 1, 'a'")
    loads.increment()
    (tmp_path / "more.csv").write_text("id,k,x\n7,70,g\n")
    it.load(tmp_path / "more.csv", RULES, mode="append")
    registry.run("INSERT INTO r VALUES (2, 2, 'b')")
    assert loads.increment() == [1, 2, 7]
    it.load(tmp_path / "more.csv", RULES)
    refusal(ErrorCode.LOAD_REFUSED, loads.increment)


def lite(folder: Path) -> Registry:
    path = folder / "r.sqlite"

    def run(*statements: str) -> None:
        with sqlite3.connect(path) as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()

    return Registry(f"sqlite:///{path}", "sqlalchemy", {}, run, "integer", "text")


def test_a_roll_back_takes_the_watermark_back(it: Instance, tmp_path: Path) -> None:
    registry = lite(tmp_path)
    loads = Loads(it, registry)
    table(registry, "integer", "1, 1, 'a'")
    loads.increment()
    first = it.current()
    registry.run("INSERT INTO r VALUES (2, 2, 'b')")
    assert loads.increment() == [1, 2]
    it.roll_back(first)
    assert loads.ids() == [1]
    assert loads.mark is not None
    assert loads.mark.value == "1"
    assert loads.increment() == [1, 2]


def test_no_value_of_the_key_lies_in_the_clear(it: Instance, tmp_path: Path) -> None:
    registry = lite(tmp_path)
    table(registry, "text", "1, 'PLAIN-KEY-0042', 'a'")
    Loads(it, registry).increment()
    assert it.files_with(b"PLAIN-KEY-0042") == []


def test_a_watermark_is_that_of_its_version(it: Instance, tmp_path: Path) -> None:
    registry = lite(tmp_path)
    loads = Loads(it, registry)
    table(registry, "integer", "1, 1, 'a'")
    loads.increment()
    registry.run("INSERT INTO r VALUES (2, 2, 'b')")
    loads.increment()
    it.store.close()
    with sqlite3.connect(it.home / "store.sqlite") as store:
        store.execute(
            "UPDATE catalog_watermark SET sealed = (SELECT sealed FROM catalog_watermark WHERE version = 1)"
        )
    store.close()
    loads = Loads(Instance.open(it.home), registry)
    refusal(ErrorCode.STORAGE_CORRUPT, loads.increment)


def test_a_watermark_that_was_removed_is_missed(it: Instance, tmp_path: Path) -> None:
    """Without it, the next increment would take all rows for new ones."""
    registry = lite(tmp_path)
    loads = Loads(it, registry)
    table(registry, "integer", "1, 1, 'a'")
    loads.increment()
    check_against_log(it.store)
    it.store.close()
    with sqlite3.connect(it.home / "store.sqlite") as store:
        store.execute("DELETE FROM catalog_watermark")
    store.close()
    opened = Instance.open(it.home)
    refusal(ErrorCode.STORAGE_CORRUPT, lambda: check_against_log(opened.store))


def test_an_increment_follows_the_version_it_began_at(it: Instance, tmp_path: Path) -> None:
    registry = lite(tmp_path)
    loads = Loads(it, registry)
    table(registry, "integer", "1, 1, 'a'")
    loads.increment()
    registry.run("INSERT INTO r VALUES (2, 2, 'b')")
    late = it.next_increment(registry.location, connector="sqlalchemy", table="r", key="k")
    assert loads.increment() == [1, 2]
    refusal(ErrorCode.LOAD_REFUSED, lambda: it.take(late, RULES))
    assert loads.ids() == [1, 2]


def _load_in_child(home: Path, folder: Path) -> None:
    Loads(Instance.open(home), lite(folder)).increment()


@pytest.mark.parametrize("kills", [5, pytest.param(60, marks=pytest.mark.long)])
def test_a_killed_load_leaves_rows_and_watermark_together(it: Instance, tmp_path: Path, kills: int) -> None:
    registry = lite(tmp_path)
    table(registry, "integer", "0, 0, 'a'")
    Loads(it, registry).increment()
    it.store.close()
    moments = np.random.default_rng(kills).uniform(0.05, 1.5, kills)
    for number, moment in enumerate(moments, 1):
        registry.run(f"INSERT INTO r VALUES ({number}, {number}, 'b')")
        process = SPAWN.Process(target=_load_in_child, args=(it.home, tmp_path))
        process.start()
        process.join(moment)
        process.kill()
        process.join()
        opened = Instance.open(it.home)
        loads = Loads(opened, registry)
        assert loads.mark is not None
        assert loads.mark.value == str(max(loads.ids()))
        sweep(opened.home, opened.catalog.committed_paths)
        opened.store.close()
    opened = Instance.open(it.home)
    assert Loads(opened, registry).increment() == list(range(kills + 1)), "each row once"
    opened.store.close()
