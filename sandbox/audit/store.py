"""The one transactional store of a home: everything that must hold together commits here, with its event.

Rules
- Every write takes an event. The event is appended first, under the write lock, in the transaction
  in which it takes effect: both commit or neither does.
- A connection that reads cannot write (`query_only`).
- A commit returns after the data is on the disk (WAL, `synchronous=FULL`).
- Threads share a `Store`; each process opens its own.
- An older copy of the file is refused: see `high_water.py`.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sandbox.audit.database import BUSY_SECONDS, WRITES, busy, driver_of, engine_of, file_of, translated
from sandbox.audit.event import Event
from sandbox.audit.high_water import HighWater
from sandbox.audit.kept import KeptProof
from sandbox.audit.log import Appended, Log
from sandbox.audit.reading import Reader
from sandbox.audit.tables import metadata
from sandbox.errors import ErrorCode, SandboxError

__all__ = ["BUSY_SECONDS", "Store", "Transaction", "metadata"]


class Transaction:
    """One write: its connection, and its event's place in the log (index from 0)."""

    def __init__(self, connection: sa.Connection, appended: Appended) -> None:
        self.connection = connection
        self.leaf = appended.index
        self._appended = appended
        self._committed = False

    def receipt(self) -> Mapping[str, Any]:
        """The event's receipt, once the transaction is committed.

        Raises:
            RuntimeError: before that: a signed promise about an event that may yet be rolled back.

        """
        if not self._committed:
            raise RuntimeError("a receipt exists only after its transaction is committed")
        return self._appended.receipt


class Store(Reader):
    """The open store. `create` makes a new one, `open` opens one that exists.

    `kept` is what the last proof of it found, beside its file.
    """

    def __init__(self, path: Path, log: Log) -> None:
        super().__init__(engine_of(path), log)
        self.kept = KeptProof(path, log.secret_key)
        self._high_water = HighWater(path, log.secret_key)
        self._writing = threading.Lock()
        self._writer: int | None = None
        self._refused: SandboxError | None = None

    @classmethod
    def create(
        cls, path_or_url: Path | str, log_key: Ed25519PrivateKey, origin: str, secret_key: bytes
    ) -> Store:
        """Make a new store (file mode 0600) with every table that was imported, and an empty signed log.

        Args:
            path_or_url: a file, or `sqlite:///…`.
            log_key: signs the log.
            origin: the log's name, without spaces and plus signs.
            secret_key: 32 bytes; encrypts what people wrote.

        Raises:
            SandboxError: HOME_EXISTS, STORAGE_FULL, ARGUMENT (another database than SQLite).

        """
        path = file_of(path_or_url)
        log = Log(log_key, origin, _checked(secret_key))
        log.verifier  # noqa: B018 - refuses a bad name before a file exists
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            raise SandboxError(
                ErrorCode.HOME_EXISTS,
                f"There is a store at {path} already.",
                "Open it, or choose another place.",
            ) from None
        except OSError as error:
            raise _unwritable(path, error) from None
        store = cls(path, log)
        try:
            with store._begin() as connection:
                metadata.create_all(connection)
                log.start(connection)
            store._high_water.start()
        except BaseException:
            store.close()
            for suffix in ("", "-wal", "-shm"):
                Path(f"{path}{suffix}").unlink(missing_ok=True)
            raise
        return store

    @classmethod
    def open(
        cls, path_or_url: Path | str, log_key: Ed25519PrivateKey, origin: str, secret_key: bytes
    ) -> Store:
        """Open a store; tables that are new since it was made are added.

        Raises:
            SandboxError: HOME_MISSING, STORAGE_CORRUPT, STORAGE_FULL, SERVICE_BUSY, ARGUMENT;
                LOG_CORRUPT when the log does not fit its checkpoint, or the checkpoint not this key.

        """
        path = file_of(path_or_url)
        if not path.is_file():
            raise SandboxError(
                ErrorCode.HOME_MISSING, f"There is no store at {path}.", "Make a home with `sandbox init`."
            )
        log = Log(log_key, origin, _checked(secret_key))
        store = cls(path, log)
        try:
            with store._begin() as connection:
                now, _ = log.check(connection)
                store._high_water.check(now.size)
                metadata.create_all(connection)
        except BaseException:
            store.close()
            raise
        return store

    @contextmanager
    def write(self, event: Event) -> Iterator[Transaction]:
        """One transaction that appends `event`; an exception in the body rolls back both.

        Raises:
            SandboxError: STORAGE_FULL, SERVICE_BUSY, STORAGE_CORRUPT, LOG_CORRUPT,
                REQUEST_TOO_LARGE, REQUEST_INVALID. Nothing was done then.

        """
        with self._begin() as connection:
            transaction = Transaction(connection, self._log.append(connection, event))
            yield transaction
        transaction._committed = True
        self._high_water.note(transaction.leaf + 1)

    def refuse(self, why: SandboxError) -> None:
        """Write nothing more: whoever wants to is told why."""
        self._refused = why

    def copy_to(self, path: Path) -> int:
        """A copy of the store as it is at one moment, with its mark; gives the log's size. Others go on.

        Args:
            path: a file that does not exist yet.

        Raises:
            SandboxError: STORAGE_FULL, STORAGE_CORRUPT, SERVICE_BUSY.

        """
        self._same_process()
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        with (
            translated(writing=True),
            self._engine.connect() as connection,
            closing(sqlite3.connect(path)) as copy,
        ):
            driver_of(connection).backup(copy)
        mark = HighWater(path, self._log.secret_key)
        with Store(path, self._log) as made, made.read() as connection:
            size = self._log.check(connection)[0].size
        mark.start()
        mark.note(size)
        return size

    @contextmanager
    def _begin(self) -> Iterator[sa.Connection]:
        """A write transaction. Threads of this process queue here; processes queue at the file."""
        self._same_process()
        if self._refused is not None:
            raise SandboxError(self._refused.code, self._refused.message, self._refused.hint)
        if self._writer == threading.get_ident():
            raise RuntimeError("this thread is writing already: one act, one transaction, one event")
        if not self._writing.acquire(timeout=BUSY_SECONDS):
            raise busy()
        try:
            self._writer = threading.get_ident()
            with translated(writing=True), self._engine.connect() as plain:
                connection = plain.execution_options(**{WRITES: True})
                with connection.begin():
                    yield connection
                    # SQLite may end a transaction itself when the disk fails; what the body did after
                    # that would stand without its event.
                    if not driver_of(connection).in_transaction:
                        raise RuntimeError("the transaction ended before its commit")
        finally:
            self._writer = None
            self._writing.release()


def _checked(secret_key: bytes) -> bytes:
    if len(secret_key) != 32:
        raise ValueError("the secret key of a store has 32 bytes")
    return secret_key


def _unwritable(path: Path, error: OSError) -> SandboxError:
    return SandboxError(
        ErrorCode.STORAGE_FULL,
        f"The store cannot be made at {path}: {error.strerror}.",
        "Choose a folder that exists, that you may write to, and that has room.",
    )
