"""Many threads, several processes, and the plug pulled: one order, no gap, no half act."""

from __future__ import annotations

import multiprocessing
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sandbox.audit.bundle import export_bundle
from sandbox.audit.store import Store, metadata
from sandbox.audit.verify import verify_bundle
from tests.audit.acts import ORIGIN, SECRET_KEY, refused

written = sa.Table(
    "test_written",
    metadata,
    sa.Column("leaf", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("writer", sa.String, nullable=False),
)

WRITER = """
import sys
from pathlib import Path
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sandbox.audit.store import Store
from tests.audit.acts import ORIGIN, SECRET_KEY, refused
from tests.audit.test_concurrency import written
path, key, name, count = sys.argv[1:]
store = Store.open(Path(path), Ed25519PrivateKey.from_private_bytes(bytes.fromhex(key)), ORIGIN, SECRET_KEY)
for n in range(int(count)):
    with store.write(refused(secret=f"SELECT {n}")) as transaction:
        transaction.connection.execute(written.insert().values(leaf=transaction.leaf, writer=name))
    print(transaction.leaf, flush=True)
"""


def writer(path: Path, key: Ed25519PrivateKey, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), key.private_bytes_raw().hex(), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def verified(store: Store, folder: Path, expected: int | None = None) -> int:
    """The size of the log, after everything about it was proved."""
    size = export_bundle(store, folder)
    report = verify_bundle(folder, str(store.key))
    assert report.findings == []
    assert report.size == size
    with store.read() as connection:
        assert connection.scalars(sa.select(written.c.leaf).order_by(written.c.leaf)).all() == list(
            range(size)
        )
    if expected is not None:
        assert size == expected
    return size


def test_eight_threads(store: Store, tmp_path: Path) -> None:
    leaves: list[int] = []

    def work(name: str) -> None:
        for _ in range(25):
            with store.write(refused(secret="SELECT 1")) as transaction:
                transaction.connection.execute(written.insert().values(leaf=transaction.leaf, writer=name))
            leaves.append(transaction.leaf)
            assert store.receipt(transaction.leaf)["index"] == transaction.leaf

    threads = [threading.Thread(target=work, args=(str(n),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(leaves) == list(range(200))
    verified(store, tmp_path / "bundle", 200)


def test_three_processes(store: Store, key: Ed25519PrivateKey, tmp_path: Path) -> None:
    running = [writer(tmp_path / "store.db", key, str(n), 60) for n in range(3)]
    leaves = [int(line) for process in running for line in process.communicate(timeout=60)[0].split()]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert sorted(leaves) == list(range(180))
    verified(store, tmp_path / "bundle", 180)


def write_until_killed(path: Path, key: Ed25519PrivateKey, pipe: Connection) -> None:
    store = Store.open(path, key, ORIGIN, SECRET_KEY)
    while True:
        with store.write(refused(secret="SELECT 1")) as transaction:
            transaction.connection.execute(written.insert().values(leaf=transaction.leaf, writer="killed"))
        pipe.send(transaction.leaf)


def acknowledged(pipe: Connection) -> Iterator[int]:
    while True:
        try:
            yield pipe.recv()
        except EOFError:
            return


def test_the_plug_is_pulled_twenty_times(store: Store, key: Ed25519PrivateKey, tmp_path: Path) -> None:
    """After each kill: everything that was acknowledged is there, and at most one act more."""
    store.close()
    chance = random.Random(20)
    context = multiprocessing.get_context("fork")
    size = 0
    for kill in range(20):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=write_until_killed, args=(tmp_path / "store.db", key, theirs))
        process.start()
        theirs.close()
        assert ours.recv() == size
        time.sleep(chance.uniform(0, 0.03))
        process.kill()
        process.join()
        seen = [size, *acknowledged(ours)]
        again = Store.open(tmp_path / "store.db", key, ORIGIN, SECRET_KEY)
        now = verified(again, tmp_path / f"bundle-{kill}")
        again.close()
        assert seen == list(range(size, size + len(seen)))
        assert seen[-1] + 1 <= now <= seen[-1] + 2
        size = now
    with sqlite3.connect(tmp_path / "store.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
