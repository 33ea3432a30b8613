"""What must not be in the log is not, and what was written is there for those who may read it."""

from __future__ import annotations

import hashlib
import sqlite3
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sandbox.audit.bundle import export_bundle
from sandbox.audit.event import FACTS, Event, EventKind
from sandbox.audit.store import Store
from sandbox.errors import ErrorCode, SandboxError
from tests.audit.acts import LI, WANG, intended, log, published, refused, settled

SQL = "SELECT COUNT(*) FROM people WHERE name = '王小明' AND age > 471108150925"


@pytest.mark.parametrize("kind", list(EventKind))
@pytest.mark.parametrize(
    "fact", ["count", "rows", "suppressed", "seconds", "duration_ms", "error", "message", "sql", "value"]
)
def test_facts_that_no_event_may_hold(kind: EventKind, fact: str) -> None:
    assert fact not in FACTS[kind]
    with pytest.raises(ValueError, match="does not name"):
        Event(kind, LI, {fact: "1"})


@pytest.mark.parametrize(
    "value", [1.5, Decimal("1.5"), b"raw", datetime(2026, 1, 1), {1, 2}, [0.1], {"a": 0.1}]
)
def test_values_that_no_fact_may_have(store: Store, value: Any) -> None:
    with pytest.raises(TypeError):
        log(store, intended("q", epsilon=value))
    assert list(store.entries()) == []


def test_what_was_written_is_nowhere_in_the_files(store: Store, tmp_path: Path) -> None:
    log(store, intended("q1", secret=SQL), settled("q1"), refused(secret=SQL))
    export_bundle(store, tmp_path / "bundle")
    everything = b"".join(path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file())
    store.close()
    everything += (tmp_path / "store.db").read_bytes()
    for piece in ("王小明", "471108150925", "name =", SQL):
        for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
            assert piece.encode(encoding) not in everything
        assert piece.encode().hex().encode() not in everything
    assert hashlib.sha256(SQL.encode()).digest() not in everything
    assert hashlib.sha256(SQL.encode()).hexdigest().encode() not in everything


def test_one_text_can_be_disclosed_and_proved(store: Store) -> None:
    log(store, published(), intended("q1", secret=SQL), intended("q2", secret=SQL), refused(secret=""))
    assert store.disclose(1) == store.disclose(2) == SQL
    assert store.disclose(3) == ""
    entries = list(store.entries())
    for index in (1, 2, 3):
        found = store.disclosure(index)
        assert hashlib.sha256(found.salt + found.text.encode()).hexdigest() == entries[index].commitment
    assert entries[1].commitment != entries[2].commitment
    assert entries[0].commitment is None
    for index in (0, 4, -1):
        with pytest.raises(SandboxError) as caught:
            store.disclose(index)
        assert caught.value.code is ErrorCode.NOT_FOUND


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE audit_secret SET sealed = (SELECT sealed FROM audit_secret WHERE seq = 1),"
        " nonce = (SELECT nonce FROM audit_secret WHERE seq = 1) WHERE seq = 0",
        "UPDATE audit_secret SET sealed = zeroblob(80) WHERE seq = 0",
        "UPDATE audit_secret SET sealed = x'' WHERE seq = 0",
        "UPDATE audit_secret SET nonce = x'' WHERE seq = 0",
        "UPDATE audit_secret SET nonce = 'text' WHERE seq = 0",
        "UPDATE audit_leaf SET leaf = x'7b7d' WHERE seq = 0",
    ],
)
def test_a_text_that_was_changed_or_moved_does_not_open(store: Store, tmp_path: Path, tampering: str) -> None:
    log(store, intended("q1", secret=SQL), intended("q2", secret="SELECT 2"))
    with sqlite3.connect(tmp_path / "store.db") as connection:
        connection.execute(tampering)
    connection.close()
    with pytest.raises(SandboxError) as caught:
        store.disclose(0)
    assert caught.value.code is ErrorCode.LOG_CORRUPT


def test_equal_acts_leave_different_leaves(store: Store) -> None:
    """A receipt shows hashes of neighbours' leaves: a guess at one cannot be confirmed."""
    log(store, published(), published())
    first, second = (entry.leaf for entry in store.entries())
    assert first.replace(b'"seq":0', b'"seq":1') != second


def test_times_are_whole_seconds(store: Store) -> None:
    log(store, published())
    (entry,) = store.entries()
    assert entry.time.microsecond == 0
    assert entry.time.tzinfo is UTC
    assert b"Z" in entry.leaf
    assert abs(datetime.now(UTC) - entry.time) < timedelta(seconds=30)


def test_entries_are_found(store: Store) -> None:
    log(store, published("a"), intended("q1"), settled("q1"), refused(), published("b"))

    def found(**conditions: Any) -> list[int]:
        return [entry.index for entry in store.entries(**conditions)]

    assert found() == [0, 1, 2, 3, 4]
    assert found(newest_first=True) == [4, 3, 2, 1, 0]
    assert found(kinds=["policy.published"]) == [0, 4]
    assert found(kinds=[EventKind.QUESTION_REFUSED, EventKind.QUESTION_SETTLED]) == [2, 3]
    assert found(person="wang") == [0, 4]
    assert found(grant="g") == [1, 3]
    assert found(question="q1") == [1, 2]
    assert found(dataset="nafld") == [1]
    assert found(dataset="b") == [4]
    assert found(person="wang", dataset="nafld") == []
    assert found(person="' OR 1=1 --") == []
    now = datetime.now(UTC)
    day = timedelta(days=1)
    assert found(since=now - day, until=now + day) == [0, 1, 2, 3, 4]
    assert found(since=now + day) == found(until=now - day) == []
    entry = next(iter(store.entries()))
    assert (entry.person, entry.organisation, entry.via) == ("wang", "数据交易所", "cli")
    assert entry.roles == ("auditor", "steward")
    assert entry.facts == {"dataset": "a", "digest": "00", "previous": None}


def test_entries_are_found_across_pages(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.audit.entries._PAGE", 3)
    log(store, *[published("a" if n % 3 else "b") for n in range(10)])
    assert [entry.index for entry in store.entries()] == list(range(10))
    assert [entry.index for entry in store.entries(newest_first=True)] == list(range(9, -1, -1))
    assert [entry.index for entry in store.entries(dataset="b")] == [0, 3, 6, 9]
    reading = store.entries()
    next(reading)
    log(store, Event(EventKind.LOG_READ, WANG, {"filters": {}}))
    assert [entry.index for entry in reading] == list(range(1, 11))
