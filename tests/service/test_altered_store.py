"""Whatever is altered in any table of the store is noticed when the home is opened, or when it is used."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from sandbox.audit.leaf import Entry
from sandbox.audit.proved import Prefix
from sandbox.audit.store import Store
from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Role
from sandbox.service import home as homes
from sandbox.service import loading, opc, operator, versions
from sandbox.service.reports import LoadRequest
from tests.service.altering import alterations, lines_of, run
from tests.service.instance import OPERATOR, acting, copied, settings

QUESTION = "SELECT district, COUNT(*) AS n FROM residents GROUP BY district"
CORRUPT = {ErrorCode.STORAGE_CORRUPT, ErrorCode.LOG_CORRUPT}

# Not looked at when a home is opened, and why.
ELSEWHERE = {
    "audit_secret": "may be erased without breaking the proof; what is left is compared when it is disclosed",
    "question_answer": "compared when an answer is given again (test_altered_answers.py)",
    "question_cube": "compared when an answer follows from its cells (test_altered_answers.py)",
}


@pytest.fixture(scope="module")
def used(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which every table that is compared holds something."""
    folder = tmp_path_factory.mktemp("used")
    home = copied(template, folder / "home")
    instance = homes.open_home(settings(home))
    opc.ask(instance, acting(instance, "li"), QUESTION, "town-2026", Decimal(1))
    for area in (1, 2):
        file = folder / "districts.csv"
        file.write_text(f"name,area\nnorth,{area}\n", "utf-8")
        loading.load(instance, OPERATOR, LoadRequest(str(file), "town", "districts"))
    versions.drop(instance, OPERATOR, "town", "districts", numbers=(1,))
    registry = folder / "registry.sqlite"
    with closing(sqlite3.connect(registry)) as connection, connection:
        connection.execute("CREATE TABLE d (name TEXT, area INTEGER)")
        connection.execute("INSERT INTO d VALUES ('north', 1)")
    options = {"table": "d", "key": "area"}
    request = LoadRequest(
        f"sqlite:///{registry}",
        "town",
        "districts",
        connector="sqlalchemy",
        options=options,
        accept_drift=True,
    )
    loading.load(instance, OPERATOR, request)
    versions.rollback(instance, OPERATOR, "town", "districts", 3)
    token = operator.create_token(instance, OPERATOR, "li", Role.OPC)
    operator.revoke_token(instance, OPERATOR, token.id)
    operator.create_token(instance, OPERATOR, "mei", Role.OPC)
    homes.close(instance)
    # Its proof is kept: an alteration must be noticed by what is compared with that, and by every entry.
    homes.close(homes.open_home(settings(home)))
    return home


@pytest.fixture
def home(used: Path, tmp_path: Path) -> Path:
    return copied(used, tmp_path / "home")


def opened_with(home: Path) -> ErrorCode | None:
    """How opening it ends, and looking at what decides and who may ask."""
    try:
        instance = homes.open_home(settings(home))
    except SandboxError as error:
        return error.code
    try:
        instance.registry.snapshot()
        operator.list_tokens(instance, OPERATOR)
    except SandboxError as error:
        return error.code
    finally:
        homes.close(instance)
    return None


COMPARED = (
    "audit_leaf",
    "audit_node",
    "audit_checkpoint",
    "catalog_version",
    "catalog_chosen",
    "catalog_dropped",
    "catalog_quarantine",
    "catalog_line",
    "catalog_watermark",
    "policy_blob",
    "policy_file",
    "privacy_account",
    "privacy_charge",
    "privacy_charged",
    "service_token",
)
# Filled by what this home has not done; tried in test_set_back.py and test_backup.py.
EMPTY = {"catalog_unique", "privacy_frozen"}


def test_every_table_of_the_store_is_among_them(home: Path) -> None:
    with closing(sqlite3.connect(home / "store.sqlite")) as connection:
        names = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
    # Other tests of this process have tables of their own.
    own = {name for name in names if not name.startswith("test_")}
    assert own == {*COMPARED, *ELSEWHERE, *EMPTY}
    assert opened_with(home) is None


@pytest.mark.parametrize("table", COMPARED)
def test_every_alteration_of_a_table_is_noticed(home: Path, table: str) -> None:
    store = home / "store.sqlite"
    whole = store.read_bytes()
    unnoticed = []
    for statement in list(alterations(home, table)):
        store.write_bytes(whole)
        before = lines_of(home, table)
        try:
            run(home, statement)
        except sqlite3.IntegrityError:
            continue
        if lines_of(home, table) != before and opened_with(home) not in CORRUPT:
            unnoticed.append(statement)
        for left in home.glob("store.sqlite-*"):
            left.unlink()
    assert not unnoticed


def test_a_budget_that_is_set_back_everywhere_in_the_ledger_is_noticed(home: Path) -> None:
    statements = (
        f"DELETE FROM {table}" for table in ("privacy_charged", "privacy_charge", "privacy_account")
    )
    assert run(home, *statements)
    assert opened_with(home) is ErrorCode.STORAGE_CORRUPT


def test_a_load_whose_entry_is_hidden_is_noticed(home: Path) -> None:
    """As if the newest version had never been: gone from the catalog, and its entry not found by its kind."""
    newest = "\"table\" = 'districts' AND version = 4"
    others = ("catalog_version", "catalog_line", "catalog_watermark", "catalog_quarantine")
    assert run(
        home,
        *(f"DELETE FROM {table} WHERE {newest}" for table in others),
        "UPDATE audit_leaf SET kind = 'log.read' WHERE seq ="
        " (SELECT MAX(seq) FROM audit_leaf WHERE kind = 'dataset.loaded')",
    )
    assert opened_with(home) is ErrorCode.LOG_CORRUPT


def test_an_older_policy_that_is_put_back_is_noticed(home: Path) -> None:
    assert run(home, "DELETE FROM policy_file WHERE revision = (SELECT MAX(revision) FROM policy_file)")
    assert opened_with(home) is ErrorCode.STORAGE_CORRUPT


def test_a_token_that_nobody_made_is_noticed(home: Path) -> None:
    other = "CASE substr(digest, 1, 1) WHEN 'f' THEN '0' ELSE 'f' END || substr(digest, 2)"
    copy = f"SELECT 'ffffffffffff', {other}, person, 'steward', created, expires, NULL"
    assert run(home, f"INSERT INTO service_token {copy} FROM service_token LIMIT 1")
    assert opened_with(home) is ErrorCode.STORAGE_CORRUPT


def test_a_home_that_is_in_use_opens(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever others charge, load, make and publish between two looks at the store is no alteration."""
    user = homes.open_home(settings(home))
    look = Store.prove
    done = []

    def used_meanwhile(store: Store, known: Prefix, take: Callable[[Entry], None]) -> Prefix:
        found = look(store, known, take)
        opc.ask(user, acting(user, "li"), QUESTION, "town-2026", Decimal("0.5"))
        file = tmp_path / "districts.csv"
        file.write_text("name,area\nnorth,9\n", "utf-8")
        loading.load(user, OPERATOR, LoadRequest(str(file), "town", "districts", accept_drift=True))
        operator.create_token(user, OPERATOR, "li", Role.OPC)
        done.append(store)
        return found

    monkeypatch.setattr(Store, "prove", used_meanwhile)
    homes.close(homes.open_home(settings(home)))
    monkeypatch.undo()
    assert len(done) == 1
    homes.close(user)
    homes.close(homes.open_home(settings(home)))
