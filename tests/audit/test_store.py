"""The store: both or neither, read-only readers, and every way in which a disk or a caller fails."""

from __future__ import annotations

import contextlib
import multiprocessing
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sandbox.audit import database
from sandbox.audit import store as store_module
from sandbox.audit.note import Checkpoint, NoteError
from sandbox.audit.store import Store, Transaction, metadata
from sandbox.errors import ErrorCode, SandboxError
from tests.audit.acts import ORIGIN, SECRET_KEY, intended, log, published, refused, settled

balance = sa.Table(
    "test_balance",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("left", sa.Integer, sa.CheckConstraint('"left" >= 0'), nullable=False),
    sa.Column("blob", sa.LargeBinary),
)


def size(store: Store) -> int:
    return Checkpoint.open(store.checkpoint(), store.key).size


def put(transaction: Transaction, left: int = 5, blob: bytes | None = None) -> None:
    transaction.connection.execute(balance.insert().values(id=1, left=left, blob=blob))


def fill(transaction: Transaction) -> None:
    """Write more than the database may still hold."""
    pages = transaction.connection.exec_driver_sql("PRAGMA page_count").scalar()
    transaction.connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    put(transaction, blob=bytes(1_000_000))


def fail_after(transaction: Transaction) -> None:
    put(transaction)
    raise ZeroDivisionError


def commit_early(transaction: Transaction) -> None:
    transaction.connection.commit()
    put(transaction)


def fill_and_go_on(transaction: Transaction) -> None:
    with contextlib.suppress(sa.exc.OperationalError):
        fill(transaction)


def test_an_act_and_its_event_commit_together(store: Store) -> None:
    with store.write(published()) as transaction:
        transaction.connection.execute(balance.insert().values(id=1, left=5))
    assert transaction.leaf == 0
    with store.read() as connection:
        assert connection.scalar(sa.select(balance.c.left)) == 5
    assert size(store) == 1


def test_an_exception_rolls_back_both(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.write(published()) as transaction:
        fail_after(transaction)
    assert size(store) == 0
    assert list(store.entries()) == []
    with store.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(balance)) == 0
    with pytest.raises(sa.exc.IntegrityError), store.write(published()) as transaction:
        transaction.connection.execute(balance.insert().values(id=1, left=-5))
    assert size(store) == 0
    assert log(store, published()) == 0


def test_a_receipt_exists_only_after_the_commit(store: Store) -> None:
    with store.write(published()) as transaction, pytest.raises(RuntimeError):
        transaction.receipt()
    assert transaction.receipt() == store.receipt(0)
    with pytest.raises(ZeroDivisionError), store.write(published()) as rolled_back:
        raise ZeroDivisionError
    with pytest.raises(RuntimeError):
        rolled_back.receipt()


def test_an_early_commit_of_the_body_is_an_error(store: Store) -> None:
    with pytest.raises((RuntimeError, sa.exc.InvalidRequestError)), store.write(published()) as transaction:
        commit_early(transaction)
    with store.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(balance)) == 0


def test_a_savepoint_inside_a_write(store: Store) -> None:
    with store.write(published()) as transaction:
        transaction.connection.execute(balance.insert().values(id=1, left=5))
        with pytest.raises(sa.exc.IntegrityError), transaction.connection.begin_nested():
            transaction.connection.execute(balance.insert().values(id=1, left=6))
    with store.read() as connection:
        assert connection.scalars(sa.select(balance.c.left)).all() == [5]


def test_a_reader_cannot_write(store: Store) -> None:
    log(store, published())
    with pytest.raises(sa.exc.OperationalError), store.read() as connection:
        connection.execute(balance.insert().values(id=1, left=5))
    with pytest.raises(sa.exc.OperationalError), store.read() as connection:
        connection.execute(sa.text("DELETE FROM audit_leaf"))
    log(store, published())
    assert size(store) == 2


def test_a_reader_sees_one_moment(store: Store) -> None:
    log(store, published())
    with store.read() as connection:
        count = sa.select(sa.func.count()).select_from(sa.text("audit_leaf"))
        assert connection.scalar(count) == 1
        log(store, published())
        assert connection.scalar(count) == 1


def test_one_thread_does_not_wait_for_itself(store: Store) -> None:
    with store.write(published()), pytest.raises(RuntimeError, match="one event"), store.write(published()):
        pass
    assert size(store) == 1


def test_settings_of_the_database(store: Store, tmp_path: Path) -> None:
    with store.read() as connection:
        for pragma, value in (
            ("journal_mode", "wal"),
            ("synchronous", 2),
            ("foreign_keys", 1),
            ("query_only", 1),
        ):
            assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() == value
    log(store, published())
    files = sorted(tmp_path.iterdir())
    assert [path.name for path in files] == ["store.db", "store.db-shm", "store.db-wal", "store.db.mark"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_create_and_open(tmp_path: Path, key: Ed25519PrivateKey) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    made = Store.create(url, key, ORIGIN, SECRET_KEY)
    log(made, published(), refused(secret="SELECT 1"))
    made.close()
    again = Store.open(str(tmp_path / "s.db"), key, ORIGIN, SECRET_KEY)
    assert log(again, published()) == 2
    assert again.disclose(1) == "SELECT 1"
    assert str(again.key).startswith(f"{ORIGIN}+")
    with pytest.raises(SandboxError) as caught:
        Store.create(url, key, ORIGIN, SECRET_KEY)
    assert caught.value.code is ErrorCode.HOME_EXISTS
    assert size(again) == 3


@pytest.mark.parametrize("url", ["postgresql://h/d", "sqlite://", "sqlite:///:memory:", "mysql://h/d"])
def test_other_databases_are_refused(url: str, key: Ed25519PrivateKey) -> None:
    with pytest.raises(SandboxError) as caught:
        Store.create(url, key, ORIGIN, SECRET_KEY)
    assert caught.value.code is ErrorCode.ARGUMENT


def test_tables_that_are_new_are_added(tmp_path: Path, key: Ed25519PrivateKey) -> None:
    Store.create(tmp_path / "s.db", key, ORIGIN, SECRET_KEY).close()
    late = sa.Table("test_late", metadata, sa.Column("id", sa.Integer, primary_key=True))
    try:
        with Store.open(tmp_path / "s.db", key, ORIGIN, SECRET_KEY).write(published()) as transaction:
            transaction.connection.execute(late.insert().values(id=1))
    finally:
        metadata.remove(late)


def test_bad_keys_and_names_leave_nothing(tmp_path: Path, key: Ed25519PrivateKey) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Store.create(tmp_path / "s.db", key, ORIGIN, b"short")
    with pytest.raises(NoteError):
        Store.create(tmp_path / "s.db", key, "two words", SECRET_KEY)
    with pytest.raises(SandboxError) as caught:
        Store.create(tmp_path / "no" / "s.db", key, ORIGIN, SECRET_KEY)
    assert caught.value.code is ErrorCode.STORAGE_FULL
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_not_there_or_not_a_store(tmp_path: Path, key: Ed25519PrivateKey) -> None:
    with pytest.raises(SandboxError) as caught:
        Store.open(tmp_path / "s.db", key, ORIGIN, SECRET_KEY)
    assert caught.value.code is ErrorCode.HOME_MISSING
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "s.db").write_bytes(b"not a database at all " * 100)
    with pytest.raises(SandboxError) as caught:
        Store.open(tmp_path / "s.db", key, ORIGIN, SECRET_KEY)
    assert caught.value.code is ErrorCode.STORAGE_CORRUPT


def test_another_key_or_name_does_not_open_the_log(tmp_path: Path, key: Ed25519PrivateKey) -> None:
    Store.create(tmp_path / "s.db", key, ORIGIN, SECRET_KEY).close()
    for wrong in ((Ed25519PrivateKey.generate(), ORIGIN), (key, "other/log")):
        with pytest.raises(SandboxError) as caught:
            Store.open(tmp_path / "s.db", *wrong, SECRET_KEY)
        assert caught.value.code is ErrorCode.LOG_CORRUPT
    Store.open(tmp_path / "s.db", key, ORIGIN, SECRET_KEY).close()


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE audit_node SET hash = zeroblob(32) WHERE level = 0 AND position = 2",
        "DELETE FROM audit_node WHERE level = 1",
        "DELETE FROM audit_checkpoint",
        "UPDATE audit_checkpoint SET note = replace(note, x'0a330a', x'0a320a')",
        "UPDATE audit_checkpoint SET note = 7",
        "UPDATE audit_node SET hash = 'text'",
    ],
)
def test_the_log_does_not_sign_over_a_changed_past(
    tmp_path: Path, store: Store, key: Ed25519PrivateKey, tampering: str
) -> None:
    log(store, published(), published(), published())
    with sqlite3.connect(tmp_path / "store.db") as connection:
        connection.execute(tampering)
    connection.close()
    for act in (
        lambda: log(store, published()),
        lambda: Store.open(tmp_path / "store.db", key, ORIGIN, SECRET_KEY),
    ):
        with pytest.raises(SandboxError) as caught:
            act()
        assert caught.value.code is ErrorCode.LOG_CORRUPT


def test_no_receipt_for_a_changed_entry(tmp_path: Path, store: Store) -> None:
    log(store, published(), refused(), published())
    with sqlite3.connect(tmp_path / "store.db") as connection:
        connection.execute("UPDATE audit_leaf SET leaf = replace(leaf, 'raw-rows', 'raw-cows') WHERE seq = 1")
    connection.close()
    with pytest.raises(SandboxError) as caught:
        store.receipt(1)
    assert caught.value.code is ErrorCode.LOG_CORRUPT
    assert store.receipt(2)["index"] == 2
    with pytest.raises(SandboxError) as caught:
        store.receipt(3)
    assert caught.value.code is ErrorCode.NOT_FOUND


def test_a_full_database_does_nothing_half(store: Store) -> None:
    log(store, published())
    with pytest.raises(SandboxError) as caught, store.write(published()) as transaction:
        fill(transaction)
    assert caught.value.code is ErrorCode.STORAGE_FULL
    assert size(store) == 1
    with store.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(balance)) == 0
    store.close()
    assert log(store, published()) == 1


def test_a_body_that_swallows_a_full_disk_does_nothing_half(store: Store) -> None:
    """Whether the write stands or not, the act and the event agree, and the constraint held."""
    with contextlib.suppress(SandboxError, RuntimeError), store.write(published()) as transaction:
        fill_and_go_on(transaction)
        transaction.connection.execute(sa.text("UPDATE test_balance SET id = id"))
    with store.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(balance)) == 0
    store.close()
    assert log(store, published()) == size(store) - 1


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sandbox.audit.store import Store
from sandbox.errors import SandboxError
from tests.audit.acts import ORIGIN, SECRET_KEY, refused
key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(sys.argv[2]))
store = Store.open(Path(sys.argv[1]), key, ORIGIN, SECRET_KEY)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
done = 0
try:
    while True:
        with store.write(refused(secret="x" * 5000)) as transaction:
            pass
        done = transaction.leaf + 1
except SandboxError as error:
    print(done, error.code.value)
    for _ in range(3):
        try:
            with store.write(refused()):
                pass
        except SandboxError as again:
            print(done, again.code.value)
"""


def test_files_that_cannot_grow(tmp_path: Path, store: Store, key: Ed25519PrivateKey) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "store.db"), key.private_bytes_raw().hex()]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    lines = ended.stdout.splitlines()
    assert len(lines) >= 1
    done = int(lines[0].split()[0])
    assert done > 0
    assert {line.split()[1] for line in lines} == {"storage-full"}
    assert done <= size(store) <= done + 3
    assert log(store, published()) == size(store) - 1


def test_a_busy_store_says_so(
    tmp_path: Path, key: Ed25519PrivateKey, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "BUSY_SECONDS", 0.05)
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    other = Store.open(tmp_path / "store.db", key, ORIGIN, SECRET_KEY)
    codes = []

    def attempt(through: Store) -> None:
        with pytest.raises(SandboxError) as caught:
            log(through, published())
        codes.append(caught.value.code)

    with store.write(published()):
        attempt(other)
        waiting = threading.Thread(target=attempt, args=(store,))
        waiting.start()
        waiting.join()
        assert size(other) == 0
    assert codes == [ErrorCode.SERVICE_BUSY, ErrorCode.SERVICE_BUSY]
    assert log(other, published()) == 1


def _in_a_fork(store: Store, found: multiprocessing.SimpleQueue[str]) -> None:
    try:
        with store.read():
            pass
    except RuntimeError as error:
        found.put(str(error))
    else:
        found.put("")


def test_a_store_does_not_survive_a_fork(store: Store) -> None:
    context = multiprocessing.get_context("fork")
    found = context.SimpleQueue()
    child = context.Process(target=_in_a_fork, args=(store, found))
    child.start()
    assert "fork" in found.get()
    child.join()


def test_an_oversized_or_unencodable_act_changes_nothing(store: Store) -> None:
    for event, code in (
        (refused(code="x" * 70_000), ErrorCode.REQUEST_TOO_LARGE),
        (refused(code="\udc80"), ErrorCode.REQUEST_INVALID),
        (refused(secret="\udc80"), ErrorCode.REQUEST_INVALID),
    ):
        with pytest.raises(SandboxError) as caught:
            log(store, event)
        assert caught.value.code is code
    for value in (0.5, object(), 2**60, {"a": b"x"}, {1: "a"}):
        with pytest.raises(TypeError):
            log(store, intended("q", epsilon=value))  # type: ignore[arg-type]
    assert size(store) == 0
    log(store, intended("q"), settled("q"))
