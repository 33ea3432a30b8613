"""What questions wait for lies uncompressed at first: the answers are the same, and memory is kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from sandbox.catalog.model import TableVersion
from sandbox.errors import ErrorCode, SandboxError
from sandbox.vault import held as held_module
from sandbox.vault import hot as hot_module
from sandbox.vault import hot_table
from sandbox.vault.hot import HotStore
from sandbox.vault.keyring import Keyring
from sandbox.vault.parquet import read_batches
from tests.vault.support import write

SECONDS = 60.0
MIB = 2**20
WORDS = (
    "",
    "A",
    "a",
    "b%",
    "_b",
    "N",
    "\x00",
    "a\x00b",
    "a\x00c",
    "北京",
    "北京市朝阳区",
    "é",
    "z" * 5000,
    None,
)


@pytest.fixture
def store(home: Path, keys: Keyring) -> Iterator[HotStore]:
    made = HotStore(home, keys, 256, 512, 2)
    yield made
    made.close()


def texts(rows: int) -> pa.Table:
    """Texts of few values and of as many as there are rows, with numbers, some of them missing."""
    chosen = np.random.default_rng(11).integers(0, len(WORDS), rows)
    return pa.table(
        {
            "__unit": pa.array(np.arange(rows) // 3),
            "few": pa.array([WORDS[k] for k in chosen], pa.string()),
            # Few in the first half, many in the second: it may be codes in one file and texts in the other.
            "turns": pa.array(
                [WORDS[k] if i < rows // 2 else f"{i}" for i, k in enumerate(chosen)], pa.string()
            ),
            "turns_back": pa.array([f"{i}" if i < rows // 2 else WORDS[k] for i, k in enumerate(chosen)]),
            "many": pa.array([f"行 {i * 7919 % rows} {WORDS[k]}"[:40] for i, k in enumerate(chosen)]),
            "none": pa.nulls(rows, pa.string()),
            "number": pa.array([None if k == 3 else int(k) * 10**12 for k in chosen], pa.int64()),
        }
    )


def counted(rows: int, seed: int, columns: int = 1) -> pa.Table:
    """Numbers below 100: 8 bytes each as they are, less than one when compressed."""
    made = np.random.default_rng(seed)
    wide = {f"c{i}": pa.array(made.integers(0, 100, rows)) for i in range(columns)}
    return pa.table({"__unit": pa.array(np.arange(rows)), **wide})


def ask(store: HotStore, version: TableVersion, columns: set[str], select: str) -> pa.Table:
    with store.lease({version: frozenset(columns)}) as lease:
        return lease.run(f"SELECT {select} FROM {lease.relation(version.id)} AS t", SECONDS)


QUESTIONS = (
    "SELECT * FROM {}",
    "SELECT few, count(*) AS n, min(many) AS low, max(many) AS high FROM {} GROUP BY few ORDER BY few",
    "SELECT count(*) AS n FROM {} WHERE few LIKE 'a%' OR many LIKE '%北%' OR few LIKE '_\\%' ESCAPE '\\'",
    "SELECT few < 'b' AS less, few = '' AS empty, count(none) AS n FROM {} GROUP BY ALL ORDER BY ALL",
    "SELECT few, number, many FROM {} WHERE few > 'N' ORDER BY few DESC, many, number LIMIT 50",
    "SELECT sum(number) AS s, sum(strlen(few)) AS bytes, sum(length(few)) AS letters FROM {}",
    "SELECT turns, turns_back, few FROM {} WHERE turns < '北' OR turns_back LIKE '北%'",
    "SELECT count(DISTINCT turns) AS t, count(turns) AS n, max(turns_back) AS high FROM {}",
    "SELECT count(DISTINCT many) AS n, typeof(any_value(few)) AS kind FROM {}",
)


@pytest.mark.parametrize("files", [75_000, 10**9])
def test_texts_and_numbers_answer_as_in_plain_duckdb_before_and_after(
    home: Path, keys: Keyring, store: HotStore, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    monkeypatch.setattr("sandbox.vault.parquet.ROWS_PER_GROUP", 50_000)
    monkeypatch.setattr(hot_table, "ROWS_PER_CHUNK", 90_000)
    table = texts(150_000)
    version = write(home, keys, table, grades={}, batch_rows=50_000, rows_per_file=files)
    with duckdb.connect() as plain:
        plain.register("t", table)
        expected = [pa.table(plain.execute(question.format("t")).to_arrow_table()) for question in QUESTIONS]
    columns = {version: frozenset(table.schema.names)}
    for compressed in (False, True):
        with store.lease(columns) as lease:
            for question, answer in zip(QUESTIONS, expected, strict=True):
                assert lease.run(question.format(lease.relation(version.id)), SECONDS).equals(answer), (
                    question
                )
        held = store.held_bytes()
        if not compressed:
            assert store.loosened.is_set()
            assert store.compress()
            assert store.held_bytes() < held / 2


def test_questions_go_on_while_it_is_compressed(home: Path, keys: Keyring, store: HotStore) -> None:
    table = texts(300_000)
    version = write(home, keys, table, grades={}, batch_rows=100_000)
    columns = {"few", "many", "number"}
    sums = "count(few) AS f, sum(number) AS s, count(DISTINCT many) AS m, bit_xor(hash(few, many)) AS h"
    expected = ask(store, version, columns, sums)
    held = store.held_bytes()
    stop = threading.Event()
    answers: list[Any] = []

    def go_on() -> None:
        while not stop.is_set():
            answers.append(ask(store, version, columns, sums))

    threads = [threading.Thread(target=go_on) for _ in range(3)]
    for thread in threads:
        thread.start()
    while len(answers) < 3:
        time.sleep(0.001)
    assert store.compress()
    enough = len(answers) + 6
    while len(answers) < enough:
        time.sleep(0.001)
    stop.set()
    for thread in threads:
        thread.join()
    assert all(answer.equals(expected) for answer in answers)
    # What the questions held is given back when they have ended.
    assert store.compress()
    assert store.held_bytes() < held
    assert not any(table.loose for table in store._held.tables.values())


def test_memory_that_is_wanted_is_had_by_compressing_first(home: Path, keys: Keyring) -> None:
    store = HotStore(home, keys, 16, 256, 2)
    rows = 400_000  # 3.25 MiB a column: four of them fit, and a quarter of the budget is 4 MiB
    tables = [counted(rows, seed) for seed in range(7)]
    versions = [
        write(home, keys, table, name=f"t{n}", grades={}, batch_rows=rows) for n, table in enumerate(tables)
    ]
    for version in versions:
        ask(store, version, {"c0"}, "1")
        assert store.held_bytes() <= 16 * MIB
    assert set(store._held.tables) == {version.id for version in versions}, "nothing had to go"
    assert store._held.tables[versions[-1].id].loose
    assert not store._held.tables[versions[0].id].loose
    for version, table in zip(versions, tables, strict=True):
        expected = int(np.sum(table["c0"].to_numpy()))
        assert ask(store, version, {"c0"}, "sum(c0)::BIGINT AS s").to_pydict() == {"s": [expected]}
    store.close()


def test_a_large_table_is_compressed_as_it_is_read(home: Path, keys: Keyring) -> None:
    store = HotStore(home, keys, 16, 256, 2)
    rows = 1_000_000  # 7.6 MiB a column, 61 MiB in all
    table = counted(rows, 5, columns=8)
    version = write(home, keys, table, grades={}, batch_rows=rows)
    columns = {f"c{i}" for i in range(8)}
    total = ask(store, version, columns, f"sum({' + '.join(sorted(columns))})::BIGINT AS s")
    assert total.to_pydict() == {"s": [sum(int(np.sum(table[name].to_numpy())) for name in columns)]}
    assert store.held_bytes() <= 16 * MIB
    assert not store._held.tables[version.id].loose
    store.close()


def test_a_further_column_fits_beside_what_is_loose(home: Path, keys: Keyring) -> None:
    """Old and new table side by side, uncompressed, would be too much: neither goes."""
    store = HotStore(home, keys, 16, 256, 2)
    rows = 450_000  # 3.4 MiB a column
    version = write(home, keys, counted(rows, 1, columns=5), grades={}, batch_rows=rows)
    other = write(home, keys, counted(rows, 2), name="other", grades={}, batch_rows=rows)
    ask(store, other, {"c0"}, "1")
    for i in range(5):
        ask(store, version, {f"c{i}"}, "1")
        assert store.held_bytes() <= 16 * MIB
    assert store._held.tables[version.id].columns == tuple(f"c{i}" for i in range(5))
    assert other.id in store._held.tables
    store.close()


def test_compressing_gives_way_and_is_told_to_stop(home: Path, keys: Keyring, store: HotStore) -> None:
    version = write(home, keys, counted(10_000, 1), grades={})
    ask(store, version, {"c0"}, "1")
    assert not store.compress(stop=lambda: True)
    with store._one_load:  # somebody decrypts
        assert not store.compress()
    assert store._held.tables[version.id].loose
    assert store.compress()
    assert not store._held.tables[version.id].loose


def test_what_cannot_be_compressed_goes_and_is_read_again(
    home: Path, keys: Keyring, store: HotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = write(home, keys, counted(10_000, 1), grades={})
    expected = ask(store, version, {"c0"}, "sum(c0) AS s")

    def fails(*_: object) -> int:
        raise duckdb.OutOfMemoryException("no memory")

    with monkeypatch.context() as patched:
        patched.setattr(held_module, "compress", fails)
        with store.lease({version: frozenset({"c0"})}) as lease:
            assert store.compress()
            assert lease.run(f"SELECT sum(c0) AS s FROM {lease.relation(version.id)}", SECONDS).equals(
                expected
            )
    assert (store._held.tables, store.held_bytes()) == ({}, 0)
    assert ask(store, version, {"c0"}, "sum(c0) AS s").equals(expected)


def test_two_questions_that_touch_a_column_first_decrypt_it_once(
    home: Path, keys: Keyring, store: HotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = texts(20_000)
    version = write(home, keys, table, grades={}, batch_rows=20_000)
    reads: list[list[str]] = []

    def spying(
        home: Path, keys: Keyring, version: TableVersion, columns: list[str], **named: Any
    ) -> Iterator[pa.RecordBatch]:
        reads.append(columns)
        return read_batches(home, keys, version, columns, **named)

    monkeypatch.setattr(hot_module, "read_batches", spying)
    answers: list[pa.Table] = []
    together = threading.Barrier(4)

    def first() -> None:
        together.wait(60)
        answers.append(ask(store, version, {"few"}, "few"))

    threads = [threading.Thread(target=first) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reads == [["few"]]
    assert all(answer.equals(table.select(["few"])) for answer in answers)
    assert len(answers) == 4


def test_texts_of_few_values_are_read_as_codes(
    home: Path, keys: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.vault.parquet.ROWS_PER_GROUP", 6_000)
    table = texts(12_000)
    version = write(home, keys, table, grades={}, batch_rows=6_000, rows_per_file=6_000)
    names = ["few", "turns", "turns_back", "many", "none", "number"]
    kinds: list[list[bool]] = []
    rows = 0
    for batch in read_batches(home, keys, version, names, coded=True):
        kinds.append([pa.types.is_dictionary(kind) for kind in batch.schema.types])
        read = pa.table(batch).cast(table.select(names).schema)
        assert read.equals(table.select(names).slice(rows, batch.num_rows))
        rows += batch.num_rows
    assert rows == table.num_rows
    few_then_many = [True, True, False, False, True, False]
    assert kinds[:2] == [few_then_many, [True, False, True, False, True, False]]


def test_texts_of_an_empty_table(home: Path, keys: Keyring, store: HotStore) -> None:
    version = write(home, keys, texts(0), grades={})
    answer = ask(store, version, {"few", "none", "number"}, "few, none, number, typeof(few) AS kind")
    assert answer.num_rows == 0
    assert answer.schema.types == [pa.string(), pa.string(), pa.int64(), pa.string()]
    assert store.compress()


def test_damaged_keys_of_a_text_are_told_as_ever(home: Path, keys: Keyring, store: HotStore) -> None:
    version = write(home, keys, texts(2_000), grades={}, batch_rows=2_000)
    path = home / version.files[0].path
    (material,) = path.parent.glob(f"*{path.name}*.json")
    whole = material.read_text()
    material.write_text(whole.replace("A", "B"))
    with pytest.raises(SandboxError) as caught:
        ask(store, version, {"few"}, "1")
    assert caught.value.code is ErrorCode.STORAGE_CORRUPT
    assert store.held_bytes() == 0
    material.write_text(whole)
    assert ask(store, version, {"few"}, "count(*) AS n").to_pydict() == {"n": [2_000]}


def test_memory_that_a_question_still_holds_is_put_down_to_no_other_table(
    home: Path, keys: Keyring, store: HotStore
) -> None:
    rows = 500_000
    one, two = (
        write(home, keys, counted(rows, n), name=f"t{n}", grades={}, batch_rows=rows) for n in range(2)
    )
    ask(store, one, {"c0"}, "1")
    loose = store._held.tables[one.id].size
    with store.lease({one: frozenset({"c0"})}) as lease, store._engine.cursor() as question:
        question.execute("BEGIN")
        question.execute(f"SELECT c0 FROM {lease.relation(one.id)}").fetchone()
        assert store.compress()
        ask(store, two, {"c0"}, "1")
        assert store._held.tables[one.id].loose
        assert store._held.tables[two.id].size <= loose
    assert store.compress()
    sizes = [store._held.tables[version.id].size for version in (one, two)]
    assert sum(sizes) == store.held_bytes() < loose
    assert abs(sizes[0] - sizes[1]) < MIB
