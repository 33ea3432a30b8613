"""A process that serves proves its store again and again; what is not as its log says ends all writing."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal

import pytest

from sandbox.audit.proved import Prefix
from sandbox.audit.store import Store
from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Role
from sandbox.service import home as homes
from sandbox.service import opc, operator
from sandbox.service.home import Home
from sandbox.service.proving import Proving
from tests.service.altering import run
from tests.service.instance import OPERATOR, acting, settings

PATIENCE = 120.0  # only a service that never looks takes so long
COUNT = "SELECT COUNT(*) AS n FROM residents"


def wait(done: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many entries there were at each look that found the log as it was signed."""
    look, sizes = Store.prove, []

    def noted(store: Store, known: Prefix, take: Callable[..., None]) -> Prefix:
        found = look(store, known, take)
        sizes.append(found.size)
        return found

    monkeypatch.setattr(Store, "prove", noted)
    return sizes


def refusal(home: Home) -> ErrorCode | None:
    try:
        operator.create_token(home, OPERATOR, "li", Role.OPC)
    except SandboxError as error:
        return error.code
    return None


def test_what_is_altered_while_a_service_runs_ends_all_writing(town: Home) -> None:
    li = acting(town, "li")
    opc.ask(town, li, COUNT, "town-2026", Decimal(1))
    with Proving(town, 0.01) as proving:
        run(town.folder, "UPDATE privacy_account SET pure = 0, rho = 0")
        wait(lambda: not proving._thread.is_alive())
        for epsilon in (Decimal(1), Decimal(2)):  # given again, and asked anew
            with pytest.raises(SandboxError) as caught:
                opc.ask(town, li, COUNT, "town-2026", epsilon)
            assert caught.value.code is ErrorCode.STORAGE_CORRUPT
            assert "Stop the service" in caught.value.hint
    with closing(sqlite3.connect(town.folder / "store.sqlite")) as connection:
        assert connection.execute("SELECT COUNT(*) FROM privacy_charge").fetchone() == (1,)
    with pytest.raises(SandboxError, match="ledger"):
        homes.open_home(settings(town.folder))


def test_what_others_do_meanwhile_is_no_alteration(town: Home, looks: list[int]) -> None:
    li = acting(town, "li")
    with Proving(town, 0.001):
        for number in range(12):
            opc.ask(town, li, f"{COUNT} WHERE age > {number}", "town-2026", Decimal("0.1"))
            assert refusal(town) is None
        seen = len(looks)
        wait(lambda: len(looks) > seen + 1)
    assert refusal(town) is None
    assert looks == sorted(looks)
    assert len(set(looks)) > 1


def test_the_next_opening_takes_what_came_since_the_last_look(town: Home, looks: list[int]) -> None:
    for _ in range(3):
        assert refusal(town) is None
    with Proving(town, 0.001):
        wait(lambda: len(looks) > 1)
    known = town.store.kept.read()[1][0]
    assert known == looks[-1]


def test_a_store_that_cannot_be_looked_at_is_looked_at_again(
    town: Home, looks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([*[SandboxError(ErrorCode.SERVICE_BUSY, "busy")] * 2, sqlite3.OperationalError("gone")])
    look = Store.prove

    def failing(store: Store, known: Prefix, take: Callable[..., None]) -> Prefix:
        failure = next(failures, None)
        if failure is not None:
            raise failure
        return look(store, known, take)

    monkeypatch.setattr(Store, "prove", failing)
    with Proving(town, 0.001):
        wait(lambda: len(looks) > 1)
    assert refusal(town) is None


def test_a_stop_ends_it_at_once(town: Home) -> None:
    before = threading.active_count()
    with Proving(town):
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
