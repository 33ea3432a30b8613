"""Time limits: each statement its own, all watched by one thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import duckdb
import pytest

from sandbox.vault.time_limit import TimeLimits

ENDLESS = "SELECT sum(hash(a.range + b.range) % 7) FROM range(1000000) a, range(1000000) b"


@pytest.fixture
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:", config={"threads": "1"}) as connection:
        yield connection


def seconds_until_stopped(limits: TimeLimits, engine: duckdb.DuckDBPyConnection, seconds: float) -> float:
    began = time.monotonic()
    with engine.cursor() as cursor, pytest.raises(duckdb.InterruptException):  # noqa: SIM117
        with limits.interrupted_after(cursor, seconds):
            cursor.execute(ENDLESS)
    return time.monotonic() - began


def test_the_nearer_limit_is_kept_while_a_farther_one_runs(engine: duckdb.DuckDBPyConnection) -> None:
    limits = TimeLimits()
    took: dict[float, float] = {}
    threads = [
        threading.Thread(target=lambda s=s: took.update({s: seconds_until_stopped(limits, engine, s)}))
        for s in (4.0, 0.2, 0.0)
    ]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    assert set(took) == {4.0, 0.2, 0.0}
    assert all(took[s] >= s for s in took)
    assert took[0.2] < took[4.0]
    assert took[0.0] < took[4.0]


def test_nothing_is_interrupted_after_its_body(engine: duckdb.DuckDBPyConnection) -> None:
    limits = TimeLimits()
    with engine.cursor() as cursor:
        for _ in range(200):
            with limits.interrupted_after(cursor, 0.001):
                time.sleep(0.0008)
            assert cursor.execute("SELECT 1").fetchall() == [(1,)]


def test_one_thread_watches_any_number(engine: duckdb.DuckDBPyConnection) -> None:
    limits = TimeLimits()
    before = threading.active_count()
    with engine.cursor() as a, engine.cursor() as b:
        for _ in range(50):
            with limits.interrupted_after(a, 60), limits.interrupted_after(b, 30):
                pass
        with limits.interrupted_after(a, 60), limits.interrupted_after(b, 30):
            assert threading.active_count() == before + 1


def test_a_closed_connection_does_not_end_the_watch(engine: duckdb.DuckDBPyConnection) -> None:
    limits = TimeLimits()
    closed = engine.cursor()
    with limits.interrupted_after(closed, 0.05):
        closed.close()
        time.sleep(0.2)
    assert seconds_until_stopped(limits, engine, 0.1) >= 0.1
