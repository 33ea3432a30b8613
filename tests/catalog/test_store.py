from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sandbox.audit.event import Event, EventKind
from sandbox.audit.store import Store
from sandbox.catalog.model import StoredColumn, StoredFile, TableVersion
from sandbox.catalog.store import Catalog, versions
from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import operator_of_this_machine

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store.create(tmp_path / "store.sqlite", KEY, "data-sandbox/test", bytes(32))
    yield made
    made.close()


@pytest.fixture
def catalog(store: Store) -> Catalog:
    return Catalog(store)


def version(number: int = 1, dataset: str = "nafld", table: str = "people", rows: int = 7) -> TableVersion:
    return TableVersion(
        dataset=dataset,
        table=table,
        version=number,
        columns=(
            StoredColumn("case.id", "int64", "restricted"),
            StoredColumn("金额", "decimal128(12, 2)", "open"),
        ),
        files=(StoredFile(f"data/{dataset}/{table}/v{number}/part-00000.parquet", "ab" * 32, 2**40),),
        rows=rows,
        quarantined=2,
        policy_digest="sha256:" + "0" * 64,
        loaded_at=datetime(2026, 5, 4, 3, 2, 1, 123456, tzinfo=UTC),
        source="人口 people.csv",
    )


def loaded(made: TableVersion) -> Event:
    facts = {"dataset": made.dataset, "table": made.table, "version": made.version}
    return Event(EventKind.DATASET_LOADED, operator_of_this_machine(), facts)


def log_size(store: Store) -> int:
    return sum(1 for _ in store.entries())


def test_a_committed_version_comes_back_the_same_and_is_current(catalog: Catalog, store: Store) -> None:
    assert catalog.current("nafld", "people") is None
    assert catalog.next_version("nafld", "people") == 1
    first, second = version(1), version(2, rows=9)
    assert catalog.commit(first, loaded(first)).receipt()
    assert catalog.current("nafld", "people") == first
    assert catalog.next_version("nafld", "people") == 2
    catalog.commit(second, loaded(second))
    assert catalog.current("nafld", "people") == second
    assert catalog.history("nafld", "people") == (first, second)
    assert {first: 1}[catalog.history("nafld", "people")[0]] == 1
    assert log_size(store) == 2


def test_tables_and_datasets_are_kept_apart(catalog: Catalog) -> None:
    made = [
        version(1),
        version(2),
        version(1, table="labs"),
        version(1, dataset="tax"),
        version(1, table="表@1"),
    ]
    for one in made:
        catalog.commit(one, loaded(one))
    assert catalog.tables("nafld") == (made[2], made[1], made[4])
    assert catalog.tables("tax") == (made[3],)
    assert catalog.tables("nothing") == ()
    assert catalog.all_current() == (made[2], made[1], made[4], made[3])
    assert catalog.committed_paths() == {file.path for one in made for file in one.files}


@pytest.mark.parametrize("number", [0, 1, 3, -1])
def test_a_number_out_of_turn_changes_nothing(catalog: Catalog, store: Store, number: int) -> None:
    first = version(1)
    catalog.commit(first, loaded(first))
    late = version(number, rows=99)
    with pytest.raises(SandboxError) as caught:
        catalog.commit(late, loaded(late))
    assert caught.value.code is ErrorCode.LOAD_REFUSED
    assert catalog.history("nafld", "people") == (first,)
    assert log_size(store) == 1


def test_of_loads_that_race_one_commits(catalog: Catalog, store: Store) -> None:
    start = threading.Barrier(8)
    outcomes: list[object] = []

    def load(rows: int) -> None:
        made = version(catalog.next_version("nafld", "people"), rows=rows)
        start.wait()
        try:
            catalog.commit(made, loaded(made))
            outcomes.append(made)
        except SandboxError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=load, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(ErrorCode.LOAD_REFUSED) == 7
    assert catalog.current("nafld", "people") in outcomes
    assert log_size(store) == 1


def test_a_version_without_its_event_does_not_exist(
    catalog: Catalog, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = version(1)

    def dies(*_: object) -> None:
        raise RuntimeError("the plug")

    monkeypatch.setattr("sandbox.catalog.store._row", dies)  # the event is appended already
    with pytest.raises(RuntimeError, match="the plug"):
        catalog.commit(made, loaded(made))
    monkeypatch.undo()
    assert catalog.history("nafld", "people") == ()
    assert log_size(store) == 0


def test_reopened(tmp_path: Path, catalog: Catalog, store: Store) -> None:
    made = replace(version(1), files=())
    catalog.commit(made, loaded(made))
    store.close()
    again = Store.open(tmp_path / "store.sqlite", KEY, "data-sandbox/test", bytes(32))
    assert Catalog(again).current("nafld", "people") == made
    with again.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(versions)).scalar_one() == 1
    again.close()
