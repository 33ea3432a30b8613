from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from sandbox.catalog.model import TableVersion
from sandbox.errors import ErrorCode, SandboxError
from sandbox.vault import hot as hot_module
from sandbox.vault import hot_table
from sandbox.vault.engine import question_failed
from sandbox.vault.hot import HotStore
from sandbox.vault.keyring import Keyring
from tests.vault.support import COLUMNS, people, write

ALL = frozenset(COLUMNS)
SECONDS = 30.0


@pytest.fixture
def store(home: Path, keys: Keyring) -> Iterator[HotStore]:
    made = HotStore(home, keys, 32, 256, 2)
    yield made
    made.close()


def ask(store: HotStore, version: TableVersion, columns: set[str], select: str) -> pa.Table:
    with store.lease({version: frozenset(columns)}) as lease:
        return lease.run(f"SELECT {select} FROM {lease.relation(version.id)} AS t", SECONDS)


def numbers(rows: int, columns: int, seed: int = 3) -> pa.Table:
    """Random 64-bit numbers: they do not compress, so a column takes 8 bytes a row."""
    made = np.random.default_rng(seed)
    wide = {f"c{i}": pa.array(made.integers(-(2**63), 2**63 - 1, rows)) for i in range(columns)}
    return pa.table({"__unit": pa.array(np.arange(rows)), **wide})


def test_every_kind_of_value_comes_through_in_stored_order(
    home: Path, keys: Keyring, store: HotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.vault.parquet.ROWS_PER_GROUP", 7000)
    monkeypatch.setattr(hot_table, "ROWS_PER_CHUNK", 9000)
    table = people(30_000)
    version = write(home, keys, table, rows_per_file=20_000)
    assert ask(store, version, set(ALL), "*").equals(table)


def test_columns_join_those_that_are_held_row_by_row(
    home: Path, keys: Keyring, store: HotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hot_table, "ROWS_PER_CHUNK", 9000)
    table = people(30_000)
    version = write(home, keys, table)
    read: list[list[str]] = []
    real = hot_module.read_batches

    def spying(
        home: Path, keys: Keyring, version: TableVersion, columns: list[str], **named: Any
    ) -> Iterator[pa.RecordBatch]:
        read.append(columns)
        return real(home, keys, version, columns, **named)

    monkeypatch.setattr(hot_module, "read_batches", spying)
    assert ask(store, version, {"姓名, 全称"}, "count(*)").column(0).to_pylist() == [30_000]
    ask(store, version, {"ratio", "姓名, 全称"}, "1")
    ask(store, version, {"case.id", "__unit", "born"}, "1")
    assert read == [["姓名, 全称"], ["ratio"], ["__unit", "born", "case.id"]]
    names = [name for name in COLUMNS if name in {"姓名, 全称", "ratio", "case.id", "__unit", "born"}]
    assert ask(store, version, set(names), "*").equals(table.select(names))
    assert len(read) == 3


def test_a_question_without_columns_counts_rows(home: Path, keys: Keyring, store: HotStore) -> None:
    version = write(home, keys, people(1234))
    empty = write(home, keys, people(0), name="empty")
    assert ask(store, version, set(), "count(*) AS n").to_pydict() == {"n": [1234]}
    assert ask(store, empty, {"born"}, "count(*) AS n").to_pydict() == {"n": [0]}
    assert ask(store, empty, {"born", "ratio"}, "count(ratio) AS n").to_pydict() == {"n": [0]}


def test_awkward_column_names(home: Path, keys: Keyring, store: HotStore) -> None:
    names = ["rowid", 'a"b', "select", "x; DROP TABLE t", "incoming", "表.列", "'", "%41", "A"]
    table = pa.table({name: pa.array([i, i + 1]) for i, name in enumerate(names)})
    version = write(home, keys, table, grades={})
    for name in names:
        assert (
            ask(store, version, {name}, hot_table.quoted(name)).column(0).to_pylist()
            == table[name].to_pylist()
        )
    assert ask(store, version, set(names), "*").equals(table)


def test_several_tables_in_one_question(home: Path, keys: Keyring, store: HotStore) -> None:
    left, right = write(home, keys, people(500)), write(home, keys, people(300), name="labs")
    with store.lease({left: frozenset({"__unit", "ratio"}), right: frozenset({"__unit"})}) as lease:
        joined = f"{lease.relation(left.id)} a JOIN {lease.relation(right.id)} b ON a.__unit = b.__unit"
        assert lease.run(f"SELECT count(ratio) AS n FROM {joined}", SECONDS).to_pydict() == {"n": [300]}
        with pytest.raises(KeyError):
            lease.relation("nafld.people@2")
    with store.lease({left: frozenset({"ratio"})}) as lease, pytest.raises(SandboxError) as caught:
        lease.run(f"SELECT 1 FROM {joined.split()[3]}", SECONDS)
    assert caught.value.code is ErrorCode.QUESTION_FAILED


def test_least_recently_used_goes_first_and_the_budget_holds(home: Path, keys: Keyring) -> None:
    store = HotStore(home, keys, 16, 256, 2)
    rows = 550_000  # more than 4 MiB a column
    versions = [
        write(home, keys, numbers(rows, 1, n), name=f"t{n}", grades={}, batch_rows=rows) for n in range(5)
    ]
    for version in versions[:3]:
        ask(store, version, {"c0"}, "count(c0)")
    ask(store, versions[0], {"c0"}, "1")
    for version in versions[3:]:
        ask(store, version, {"c0"}, "count(c0)")
        assert store.held_bytes() <= 16 * 2**20
    assert set(store._held.tables) == {versions[0].id, versions[3].id, versions[4].id}
    store.close()


def test_a_lease_keeps_its_tables(home: Path, keys: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hot_module, "PATIENCE_SECONDS", 0.3)
    store = HotStore(home, keys, 16, 256, 2)
    rows = 500_000
    big, other = (
        write(home, keys, numbers(rows, 3, n), name=f"t{n}", grades={}, batch_rows=rows) for n in range(2)
    )
    columns = {big: frozenset({"c0", "c1", "c2"})}
    with store.lease(columns) as lease:
        with pytest.raises(SandboxError) as caught:
            ask(store, other, {"c0", "c1"}, "1")
        assert caught.value.code is ErrorCode.SERVICE_BUSY
        assert lease.run(f"SELECT count(c2) AS n FROM {lease.relation(big.id)}", SECONDS)[
            "n"
        ].to_pylist() == [rows]
    assert ask(store, other, {"c0", "c1"}, "count(*) AS n")["n"].to_pylist() == [rows]
    store.close()


def test_a_load_waits_for_a_lease_that_ends_in_time(home: Path, keys: Keyring) -> None:
    store = HotStore(home, keys, 16, 256, 2)
    rows = 500_000
    big, other = (
        write(home, keys, numbers(rows, 3, n), name=f"t{n}", grades={}, batch_rows=rows) for n in range(2)
    )
    held = threading.Event()

    def hold() -> None:
        with store.lease({big: frozenset({"c0", "c1", "c2"})}):
            held.set()
            time.sleep(0.5)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    assert ask(store, other, {"c0", "c1"}, "count(*) AS n")["n"].to_pylist() == [rows]
    thread.join()
    store.close()


def test_what_never_fits_fails_with_the_one_fixed_error(home: Path, keys: Keyring) -> None:
    store = HotStore(home, keys, 16, 256, 2)
    rows = 500_000
    version = write(home, keys, numbers(rows, 6), grades={}, batch_rows=rows)
    columns = {f"c{i}" for i in range(6)}
    for _ in range(2):
        with pytest.raises(SandboxError) as caught:
            ask(store, version, columns, "1")
        assert str(caught.value) == str(question_failed())
    with pytest.raises(SandboxError) as caught:
        store.warm(version, columns)
    assert caught.value.code is ErrorCode.STORAGE_BUDGET
    assert "16 MiB" in caught.value.message
    # One column after another: what is held makes room for what is asked.
    for i in range(6):
        assert ask(store, version, {f"c{i}"}, f"count(c{i}) AS n")["n"].to_pylist() == [rows]
    assert store.held_bytes() <= 16 * 2**20
    store.close()


def test_what_does_not_fit_together_fits_one_by_one(home: Path, keys: Keyring) -> None:
    store = HotStore(home, keys, 16, 256, 2)
    rows = 500_000
    one, two = (
        write(home, keys, numbers(rows, 3, n), name=f"t{n}", grades={}, batch_rows=rows) for n in range(2)
    )
    columns = frozenset({"c0", "c1", "c2"})
    with pytest.raises(SandboxError) as caught, store.lease({one: columns, two: columns}):
        pass
    assert caught.value.code is ErrorCode.QUESTION_FAILED
    for version in (one, two):
        assert ask(store, version, set(columns), "count(c2) AS n")["n"].to_pylist() == [rows]
    assert all(table.pins == 0 for table in store._held.tables.values())
    store.close()


def test_warm_makes_the_first_question_read_nothing(
    home: Path, keys: Keyring, store: HotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = write(home, keys, people(2000))
    store.warm(version, {"born", "ratio"})
    monkeypatch.setattr(hot_module, "read_batches", None)
    assert ask(store, version, {"ratio"}, "count(ratio) AS n")["n"].to_pylist() == [2000]


def test_warming_evicts_nothing_and_keeps_to_its_share(home: Path, keys: Keyring) -> None:
    store = HotStore(home, keys, 16, 256, 2)
    rows = 500_000  # about 4 MB a column
    asked, other = (
        write(home, keys, numbers(rows, 2, n), name=f"t{n}", grades={}, batch_rows=rows) for n in range(2)
    )
    ask(store, asked, {"c0", "c1"}, "1")
    held = store.held_bytes()
    with pytest.raises(SandboxError) as caught:
        store.warm(other, {"c0"}, share=0.5)
    assert caught.value.code is ErrorCode.STORAGE_BUDGET
    with pytest.raises(SandboxError):
        store.warm(other, {"c0", "c1", "__unit"}, share=1.0)
    assert (set(store._held.tables), store.held_bytes()) == ({asked.id}, held)
    assert store.warm(other, {"c0"}, share=1.0)
    assert store.warm(other, {"c0"}, share=0.1), "what is held already needs no room"
    assert set(store._held.tables) == {asked.id, other.id}
    assert all(table.pins == 0 for table in store._held.tables.values())
    store.close()


def test_warming_gives_way_to_a_question_and_to_a_stop(
    home: Path, keys: Keyring, store: HotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hot_table, "ROWS_PER_CHUNK", 1000)
    likely, asked = write(home, keys, people(9000)), write(home, keys, people(3000), name="labs")
    real = hot_module.read_batches
    begun, waits = threading.Event(), threading.Event()

    def slow(
        home: Path, keys: Keyring, version: TableVersion, columns: list[str], **named: Any
    ) -> Iterator[pa.RecordBatch]:
        for batch in real(home, keys, version, columns, **named, batch_rows=1000):
            yield batch
            if version is likely:
                begun.set()
                assert waits.wait(60), "the question never came"

    monkeypatch.setattr(hot_module, "read_batches", slow)
    results: list[Any] = []
    warming = threading.Thread(target=lambda: results.append(store.warm(likely, {"ratio"})))
    question = threading.Thread(target=lambda: results.append(ask(store, asked, {"ratio"}, "count(*) AS n")))
    warming.start()
    assert begun.wait(60)
    question.start()
    while not store._waiting:
        time.sleep(0.001)
    waits.set()
    warming.join(60)
    question.join(60)
    assert results[0] is False
    assert results[1].to_pydict() == {"n": [3000]}
    assert set(store._held.tables) == {asked.id}
    stops = iter([False, False, True])
    assert not store.warm(likely, {"ratio"}, stop=lambda: next(stops))
    assert store.warm(likely, {"ratio"})
    assert set(store._held.tables) == {asked.id, likely.id}


def test_damage_is_named_and_nothing_stays_behind(home: Path, keys: Keyring, store: HotStore) -> None:
    version = write(home, keys, people(2000))
    path = home / version.files[0].path
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"X")
    with pytest.raises(SandboxError) as caught:
        ask(store, version, {"ratio"}, "1")
    assert caught.value.code is ErrorCode.STORAGE_CORRUPT
    assert version.files[0].path in caught.value.message
    assert store.held_bytes() == 0
    with pytest.raises(KeyError):
        ask(store, version, {"nothing"}, "1")
    path.write_bytes(whole)
    assert ask(store, version, {"ratio"}, "count(*) AS n")["n"].to_pylist() == [2000]


def test_a_new_version_is_another_table(home: Path, keys: Keyring, store: HotStore) -> None:
    old, new = write(home, keys, people(100), version=1), write(home, keys, people(200), version=2)
    with store.lease({old: frozenset({"ratio"})}) as lease:
        assert ask(store, new, {"ratio"}, "count(*) AS n")["n"].to_pylist() == [200]
        assert lease.run(f"SELECT count(*) AS n FROM {lease.relation(old.id)}", SECONDS)["n"].to_pylist() == [
            100
        ]


def test_many_threads_many_columns_little_memory(home: Path, keys: Keyring) -> None:
    """Loads, additions, compressing, evictions, questions at once: every answer is right, no pin is left."""
    store = HotStore(home, keys, 16, 256, 2)
    rows = 60_000
    tables = [numbers(rows, 8, seed) for seed in range(6)]
    versions = [
        write(home, keys, table, name=f"t{n}", grades={}, batch_rows=rows) for n, table in enumerate(tables)
    ]
    wrong: list[object] = []

    def work(seed: int) -> None:
        choose = random.Random(seed)
        try:
            for _ in range(12):
                if choose.random() < 0.3:
                    store.compress()
                picked = choose.sample(range(6), choose.choice((1, 1, 2)))
                column = f"c{choose.randrange(8)}"
                with store.lease({versions[n]: frozenset({column, "__unit"}) for n in picked}) as lease:
                    for n in picked:
                        sql = f"SELECT bit_xor({column}) AS x, sum(__unit * ({column} % 1000)) AS s"
                        answer = lease.run(f"{sql} FROM {lease.relation(versions[n].id)}", SECONDS)
                        values = tables[n][column].to_numpy()
                        aligned = np.sum(np.arange(rows) * np.fmod(values, 1000))
                        expected = (int(np.bitwise_xor.reduce(values)), int(aligned))
                        got = (answer["x"][0].as_py(), int(answer["s"][0].as_py()))
                        if got != expected:
                            wrong.append((n, column, got, expected))
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert all(table.pins == 0 for table in store._held.tables.values())
    assert store._held.replaced == []
    assert store.held_bytes() <= 16 * 2**20
    store.close()
