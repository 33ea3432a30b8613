"""The proof that is kept beside the store: it shortens an opening, and makes nobody believe anything."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from sandbox.audit.event import Event, EventKind
from sandbox.audit.kept import KeptProof
from sandbox.audit.leaf import Entry
from sandbox.audit.proved import Prefix
from sandbox.audit.store import Store
from sandbox.errors import ErrorCode
from sandbox.identity import Role
from sandbox.privacy.loss import Account, AccountKind, Budget, Loss
from sandbox.service import checkup, loading, opc, operator
from sandbox.service import home as homes
from sandbox.service.reports import LoadRequest
from tests.service.instance import OPERATOR, acting, copied, make, opened_with, settings
from tests.service.stretching import remembered

COUNT = "SELECT COUNT(*) AS n FROM residents"
ENDED = "SELECT district, COUNT(*) AS n FROM residents GROUP BY district"


@pytest.fixture
def home(template: Path, tmp_path: Path) -> Path:
    """A home with a charged question, whose proof is kept."""
    home = copied(template, tmp_path / "home")
    instance = homes.open_home(settings(home))
    opc.ask(instance, acting(instance, "li"), ENDED, "town-2026", Decimal(1))
    homes.close(instance)
    homes.close(homes.open_home(settings(home)))
    return home


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many entries were known at each pass that was begun."""
    look, sizes = Store.prove, []

    def noted(store: Store, before: Prefix, take: Callable[[Entry], None]) -> Prefix:
        sizes.append(before.size)
        return look(store, before, take)

    monkeypatch.setattr(Store, "prove", noted)
    return sizes


def proof(home: Path) -> Path:
    return home / "store.sqlite.proof"


def size(home: Path) -> int:
    with closing(sqlite3.connect(home / "store.sqlite")) as connection:
        (found,) = connection.execute("SELECT COUNT(*) FROM audit_leaf").fetchone()
    return int(found)


def run(home: Path, *statements: str) -> None:
    with closing(sqlite3.connect(home / "store.sqlite")) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def use(home: Path, folder: Path) -> None:
    """One more of everything that the store holds."""
    instance = homes.open_home(settings(home))
    file = folder / "districts.csv"
    file.write_text("name,area\nnorth,1\n", "utf-8")
    loading.load(instance, OPERATOR, LoadRequest(str(file), "town", "districts"))
    opc.ask(instance, acting(instance, "li"), COUNT, "town-2026", Decimal(1))
    operator.create_token(instance, OPERATOR, "li", Role.OPC)
    homes.close(instance)


def test_only_later_entries_are_taken(home: Path, tmp_path: Path, known: list[int]) -> None:
    before = size(home)
    assert opened_with(home) is None
    use(home, tmp_path)
    after = size(home)
    assert after > before
    assert opened_with(home) is None
    assert opened_with(home) is None
    assert known == [before, before, before, after]


def test_any_other_file_counts_as_none(home: Path, tmp_path: Path, known: list[int]) -> None:
    whole, entries = proof(home).read_bytes(), size(home)
    with remembered():
        other = proof(make(tmp_path / "other")).read_bytes()
    contents = [b"", whole[:-1], whole + b" ", whole[64:], other, b"0" * 64 + b"[]"]
    contents += [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(0, len(whole), 311)]
    for content in contents:
        known.clear()
        proof(home).write_bytes(content)
        assert opened_with(home) is None
        assert known == [0]
        assert proof(home).read_bytes() == whole
    known.clear()
    proof(home).unlink()
    assert opened_with(home) is None
    proof(home).unlink()
    proof(home).mkdir()
    assert opened_with(home) is None
    assert known == [0, 0]
    proof(home).rmdir()
    assert opened_with(home) is None
    assert proof(home).stat().st_mode & 0o077 == 0
    assert size(home) == entries


def test_of_another_release_it_counts_as_none(home: Path, known: list[int]) -> None:
    instance = homes.open_home(settings(home))
    said = instance.store.kept.read()
    for other in ([said[0] + 1, *said[1:]], [said[0] - 1, *said[1:]], said[:-1], {}, None, [1, 2, 3, 4]):
        instance.store.kept.keep(other)
        known.clear()
        assert opened_with(home) is None
        assert known == [0]
    homes.close(instance)


def test_what_is_altered_is_noticed_whatever_is_done_to_it(home: Path) -> None:
    whole = proof(home).read_bytes()
    run(home, "UPDATE privacy_account SET pure = 0")
    for content in (whole, b"", whole[:-1]):
        proof(home).write_bytes(content)
        assert opened_with(home) is ErrorCode.STORAGE_CORRUPT
        assert proof(home).read_bytes() == content, "nothing is kept of a store that is not what its log says"


def test_an_older_one_that_is_put_back_only_costs_time(home: Path, tmp_path: Path, known: list[int]) -> None:
    older, before = proof(home).read_bytes(), size(home)
    use(home, tmp_path)
    assert opened_with(home) is None
    proof(home).write_bytes(older)
    known.clear()
    assert opened_with(home) is None
    assert known == [before]


PARTS = (
    ("privacy_charged", "privacy_charge", "privacy_account"),
    ("catalog_version", "catalog_line", "catalog_chosen"),
    ("service_token",),
)


@pytest.mark.parametrize("tables", [*PARTS, sum(PARTS, ())])
def test_an_older_one_with_the_lines_of_its_time_is_noticed(
    home: Path, tmp_path: Path, tables: tuple[str, ...]
) -> None:
    """As if the question, the load, the token had never been, while the log goes on from the newest entry."""
    older = tmp_path / "older"
    shutil.copytree(home, older)
    use(home, tmp_path)
    assert opened_with(home) is None
    shutil.copyfile(proof(older), proof(home))
    run(
        home,
        f"ATTACH '{older / 'store.sqlite'}' AS older",
        *(f'DELETE FROM "{table}"' for table in tables),
        *(f'INSERT INTO "{table}" SELECT * FROM older."{table}"' for table in tables),
    )
    assert opened_with(home) is ErrorCode.STORAGE_CORRUPT


def test_an_older_one_with_the_store_of_its_time_is_noticed(home: Path, tmp_path: Path) -> None:
    older = tmp_path / "older"
    shutil.copytree(home, older)
    use(home, tmp_path)
    for name in ("store.sqlite", "store.sqlite.proof"):
        shutil.copyfile(older / name, home / name)
    assert opened_with(home) is ErrorCode.LOG_CORRUPT


def test_that_of_another_branch_is_not_believed(home: Path, tmp_path: Path, known: list[int]) -> None:
    """Two copies of a home that went on apart: each proof is true of its own store only."""
    other = tmp_path / "other"
    shutil.copytree(home, other)
    for one in (home, other):
        use(one, tmp_path)
        assert opened_with(one) is None
    shutil.copyfile(proof(other), proof(home))
    known.clear()
    assert opened_with(home) is None
    assert known == [size(home), 0]


def test_a_question_that_runs_when_the_proof_is_kept_may_end_later(home: Path, known: list[int]) -> None:
    account = Account(AccountKind.DATASET, "town", Budget(Decimal(20), Decimal("1e-5")))
    loss = Loss(Decimal("0.5"), Decimal("0.125"), Decimal(0))
    instance = homes.open_home(settings(home))
    facts = {
        "question": "q-1",
        "epsilon": "0.5",
        "loss": {"epsilon": "0.5", "rho": "0.125", "delta": "0"},
        "accounts": [{"id": account.id, "epsilon": "20", "delta": "0.00001"}],
    }
    actor = acting(instance, "li")
    instance.ledger.reserve("q-1", [account], loss, Event(EventKind.QUESTION_INTENDED, actor, facts))
    assert opened_with(home) is None
    running = size(home)
    ended = {"question": "q-1", "outcome": "failed"}
    instance.ledger.settle("q-1", "failed", Event(EventKind.QUESTION_SETTLED, actor, ended))
    homes.close(instance)
    known.clear()
    assert opened_with(home) is None
    assert opened_with(home) is None
    assert known == [running, running + 1]
    run(home, "UPDATE privacy_charge SET outcome = NULL WHERE question = 'q-1'")
    assert opened_with(home) is ErrorCode.STORAGE_CORRUPT


def killed_at(home: Path, name: str) -> None:
    """Open a home, and die where the function of this name is called."""

    def die(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with remembered(), pytest.MonkeyPatch.context() as patch:
        if name == "keep":
            patch.setattr(KeptProof, "keep", die)
        else:
            patch.setattr(os, "replace", die)
        homes.open_home(settings(home))


@pytest.mark.parametrize("name", ["keep", "replace"])
def test_a_plug_pulled_before_it_is_kept(home: Path, tmp_path: Path, name: str, known: list[int]) -> None:
    before, older = size(home), proof(home).read_bytes()
    use(home, tmp_path)
    process = multiprocessing.get_context("spawn").Process(target=killed_at, args=(home, name))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    assert proof(home).read_bytes() == older
    assert opened_with(home) is None
    assert known[-1] == before
    assert not list(home.glob(".*.tmp"))


def open_and_use(home: Path, folder: Path) -> None:
    with remembered():
        for _ in range(3):
            instance = homes.open_home(settings(home))
            operator.create_token(instance, OPERATOR, "li", Role.OPC)
            homes.close(instance)


def test_two_processes_that_open_at_once(home: Path, tmp_path: Path, known: list[int]) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=open_and_use, args=(home, tmp_path)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    assert opened_with(home) is None
    assert known[-1] > 0


@pytest.fixture
def emptied(home: Path) -> Path:
    """The index by which a question finds what an account has spent shows nothing; the table is whole."""
    run(home, "CREATE TABLE other (id VARCHAR PRIMARY KEY)")
    with closing(sqlite3.connect(home / "store.sqlite")) as connection, connection:
        roots = "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_{}_1'"
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            f"UPDATE sqlite_master SET rootpage = ({roots.format('other')})"
            " WHERE name = 'sqlite_autoindex_privacy_account_1'"
        )
        connection.execute("DELETE FROM sqlite_master WHERE tbl_name = 'other'")
    return home


def test_an_account_that_its_index_hides_is_noticed(emptied: Path) -> None:
    with closing(sqlite3.connect(emptied / "store.sqlite")) as connection:
        accounts = connection.execute("SELECT id FROM privacy_account NOT INDEXED").fetchall()
        assert accounts
        found = connection.execute("SELECT * FROM privacy_account WHERE id = ?", accounts[0]).fetchall()
        assert not found, "a question would find an account that has spent nothing"
    assert opened_with(emptied) is ErrorCode.STORAGE_CORRUPT


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("PRIMARY KEY (id)", "PRIMARY KEY (id) ON CONFLICT REPLACE"),
        ("pure BIGINT", "pure BIGINT DEFAULT 0 REFERENCES catalog_chosen on\tdelete SET DEFAULT"),
        ("rho BIGINT", "rho BIGINT /**/ COLLATE/**/NOCASE"),
        ("delta BIGINT", "delta BIGINT GENERATED ALWAYS AS (0)"),
    ],
)
def test_a_table_that_would_act_by_itself_is_noticed(home: Path, before: str, after: str) -> None:
    with closing(sqlite3.connect(home / "store.sqlite")) as connection, connection:
        connection.execute("PRAGMA writable_schema = ON")
        changed = connection.execute(
            "UPDATE sqlite_master SET sql = replace(sql, ?, ?)"
            " WHERE name = 'privacy_account' AND instr(sql, ?) > 0",
            (before, after, before),
        )
        assert changed.rowcount == 1
    assert opened_with(home) is ErrorCode.STORAGE_CORRUPT


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER spent AFTER INSERT ON privacy_charge BEGIN UPDATE privacy_account SET pure = 0; END",
        "CREATE VIEW spent AS SELECT * FROM privacy_account",
    ],
)
def test_what_would_act_inside_the_store_is_noticed(home: Path, statement: str) -> None:
    run(home, statement)
    assert opened_with(home) is ErrorCode.STORAGE_CORRUPT


def test_the_doctor_takes_every_entry(home: Path, known: list[int]) -> None:
    findings = checkup.doctor(settings(home))
    assert known == [size(home), 0]
    assert [found.ok for found in findings if found.check == "store"] == [True]
