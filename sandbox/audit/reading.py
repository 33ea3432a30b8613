"""Reading the store: one moment at a time, never writing."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import Any, Self

import sqlalchemy as sa

from sandbox.audit.database import translated
from sandbox.audit.entries import Wanted, all_of, page
from sandbox.audit.leaf import Entry
from sandbox.audit.log import Log
from sandbox.audit.note import VerifierKey
from sandbox.audit.proved import Prefix, prove
from sandbox.audit.sealed import Disclosure, commitment_of, derived_key, opened_text, sealed_bytes
from sandbox.errors import ErrorCode, SandboxError


class Reader:
    """What a store is asked. Threads share it; a forked process may not."""

    def __init__(self, engine: sa.Engine, log: Log) -> None:
        self._engine = engine
        self._log = log
        self._codes = derived_key(log.secret_key, b"sandbox kept lines")
        self._process = os.getpid()
        self._moment = threading.local()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection that sees one moment and cannot write.

        Raises:
            SandboxError: STORAGE_CORRUPT, SERVICE_BUSY.

        """
        self._same_process()
        held: sa.Connection | None = getattr(self._moment, "connection", None)
        if held is not None:
            yield held
            return
        with translated(writing=False), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def moment(self) -> Iterator[None]:
        """Everything that this thread reads inside is of one moment, whatever others write meanwhile.

        Raises:
            SandboxError: STORAGE_CORRUPT, SERVICE_BUSY.

        """
        with self.read() as connection:
            self._moment.connection = connection
            try:
                yield
            finally:
                self._moment.connection = None

    def leaves(self, count: int) -> Iterator[bytes]:
        """The first `count` leaves of the log, streamed."""
        for entry in islice(self.entries(), count):
            yield entry.leaf

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def seal(self, text: str) -> bytes:
        """A text that people wrote, encrypted to be kept in a table of the store."""
        return sealed_bytes(self._log.secret_key, text)

    def commitment(self, piece: bytes) -> str:
        """The salted commitment to the text of `seal`, for the log."""
        return commitment_of(piece)

    def unseal(self, piece: bytes) -> str:
        """The text of `seal`.

        Raises:
            SandboxError: STORAGE_CORRUPT when it does not open.

        """
        text = opened_text(self._log.secret_key, piece)
        if text is None:
            raise SandboxError(
                ErrorCode.STORAGE_CORRUPT,
                "A text in the store does not open with the store's key.",
                "Restore a backup: sandbox restore.",
            )
        return text

    def authenticated(self, *parts: str) -> str:
        """A code (hex) of these parts that only this home can make, for the log: it tells nothing of them."""
        return hmac.new(self._codes, json.dumps(parts).encode(), hashlib.sha256).hexdigest()

    def receipt(self, index: int) -> Mapping[str, Any]:
        """The receipt of the entry at `index` under the newest checkpoint.

        Raises:
            SandboxError: NOT_FOUND, LOG_CORRUPT.

        """
        with self.read() as connection:
            return self._log.receipt(connection, index)

    def entries(
        self,
        *,
        kinds: Sequence[str] = (),
        person: str | None = None,
        grant: str | None = None,
        question: str | None = None,
        dataset: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        newest_first: bool = False,
    ) -> Iterator[Entry]:
        """The entries for which all conditions hold (None or empty: any), streamed.

        For finding things: proof is the exported bundle's.

        Args:
            kinds: any of these kinds.
            person: the actor's id.
            grant: named by the facts.
            question: named by the facts.
            dataset: named by the facts, alone or among several.
            since: aware time, inclusive.
            until: aware time, inclusive.
            newest_first: from the end of the log backwards.

        """
        wanted = Wanted(tuple(kinds), person, grant, question, dataset, since, until, newest_first)
        after: int | None = None
        while True:
            with self.read() as connection:
                found, after = page(connection, wanted, after)
            yield from found
            if after is None:
                return

    def prove(self, known: Prefix, take: Callable[[Entry], None]) -> Prefix:
        """Prove the log against its signed checkpoint, and give `take` each entry behind what is known.

        `take` must believe nothing before this has returned.

        Args:
            known: entries that were proved before; they are compared with what they were.
            take: called with every later entry, in order.

        Returns:
            all entries, proved.

        Raises:
            SandboxError: LOG_CORRUPT.

        """
        with self.read() as connection:
            return prove(connection, self._log.check(connection)[0], known, take)

    def all_of(self, kinds: Collection[str]) -> Iterator[Entry]:
        """Every entry of these kinds, in order, whatever the indexes say; as true as `prove` found the log.

        Raises:
            SandboxError: LOG_CORRUPT.

        """
        with self.read() as connection:
            yield from all_of(connection, kinds)

    def disclose(self, index: int) -> str:
        """What a person wrote in the entry at `index`. Log the reading (`log.read`) before.

        Raises:
            SandboxError: NOT_FOUND, LOG_CORRUPT.

        """
        return self.disclosure(index).text

    def disclosure(self, index: int) -> Disclosure:
        """What a person wrote, with the salt that proves it against the leaf's commitment.

        Raises:
            SandboxError: NOT_FOUND, LOG_CORRUPT.

        """
        with self.read() as connection:
            return self._log.disclose(connection, index)

    @property
    def log(self) -> Log:
        """The log, for those who bring a connection of `read`."""
        return self._log

    @property
    def key(self) -> VerifierKey:
        """The log's verifier key."""
        return self._log.verifier

    def checkpoint(self) -> str:
        """The newest signed checkpoint."""
        with self.read() as connection:
            return self._log.checkpoint(connection)[0]

    def close(self) -> None:
        """Give up all connections."""
        self._engine.dispose()

    def _same_process(self) -> None:
        if os.getpid() != self._process:
            raise RuntimeError("a store does not survive a fork: open it again in the new process")
