"""Pulling the plug: SIGKILL at every statement, and at random times. No charge that was promised is lost."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa

from sandbox.audit.store import Store
from sandbox.privacy.ledger import Ledger
from tests.privacy.ledgers import account, create, intended, pure, reopen, settled
from tests.privacy.test_ledger import log_size, spent_is_what_was_charged

ACCOUNTS = (account("g/d", "1000"), account("d", "1000"))
STEP = Decimal("0.001")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def asking(path: Path, tell: int, prepare: Callable[[sa.Engine], None] | None = None) -> None:
    """Reserve and settle for ever, telling of each step once it has returned."""
    store = reopen(path)
    ledger = Ledger(store)
    if prepare is not None:
        prepare(store._engine)
    for n in range(10_000):
        question = f"{os.getpid()}-{n}"
        ledger.reserve(question, ACCOUNTS, pure(str(STEP)), intended(question))
        os.write(tell, f"paid {question}\n".encode())
        ledger.settle(question, "answered", settled(question))
        os.write(tell, f"done {question}\n".encode())


def run(path: Path, prepare: Callable[[sa.Engine], None] | None, seconds: float | None) -> list[str]:
    """Fork, ask until killed (by itself, or by us after `seconds` of work), and say what it told."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            asking(path, writer, prepare)
        finally:
            os._exit(99)
    os.close(writer)
    told = b""
    if seconds is not None:
        told = os.read(reader, 4096)
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    while piece := os.read(reader, 65536):
        told += piece
    os.close(reader)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL
    return told.decode().splitlines()


def check(path: Path, told: list[str]) -> None:
    """All that was told is there; what was cut off is there as a whole or not at all."""
    store = reopen(path)  # refuses a log that does not fit its checkpoint
    ledger = Ledger(store)
    with store.read() as connection:
        rows = connection.exec_driver_sql("SELECT question, outcome FROM privacy_charge").all()
    outcomes = {row.question: row.outcome for row in rows}
    for line in told:
        word, question = line.split()
        assert question in outcomes, "a charge was lost"
        if word == "done":
            assert outcomes[question] == "answered", "an outcome was lost"
    assert spent_is_what_was_charged(store) == len(outcomes)
    for one in ACCOUNTS:
        assert ledger.state(one).pure == STEP * len(outcomes)
    ended = sum(outcome is not None for outcome in outcomes.values())
    assert log_size(store) == len(outcomes) + ended
    assert {i.question for i in ledger.open_intents()} == {q for q, o in outcomes.items() if o is None}
    store.close()


def dies_at(statement: int) -> Callable[[sa.Engine], None]:
    """The process kills itself before its `statement`-th statement (COMMIT is one), as SQLite is told it."""

    def prepare(engine: sa.Engine) -> None:
        seen = 0

        def count(_sql: str) -> None:
            nonlocal seen
            seen += 1
            if seen == statement:
                die()

        sa.event.listen(engine, "checkout", lambda driver, *_others: driver.set_trace_callback(count))

    return prepare


def test_a_kill_at_every_statement_loses_no_charge(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    create(path).close()
    everything: list[str] = []
    statement, rounds = 1, 0
    # Until a kill comes after one whole reservation and settlement, each statement is met once.
    while rounds == 0:
        told = run(path, dies_at(statement), None)
        rounds = sum(line.startswith("done") for line in told)
        everything += told
        check(path, everything)
        statement += 1
    assert statement > 30


@pytest.mark.parametrize("seed", range(8))
def test_a_kill_at_a_random_time_loses_no_charge(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "store.db"
    create(path).close()
    told = run(path, None, random.Random(seed).uniform(0, 0.08))
    assert told
    check(path, told)


def test_a_store_is_not_shared_with_a_forked_child(tmp_path: Path) -> None:
    store: Store = create(tmp_path / "store.db")
    ledger = Ledger(store)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            ledger.reserve("q", ACCOUNTS, pure("0.1"), intended("q"))
            os.write(writer, b"charged")
        except RuntimeError:
            os.write(writer, b"refused")
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 64) == b"refused"
    os.close(reader)
    os.close(writer)
    store.close()
