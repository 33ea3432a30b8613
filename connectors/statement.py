"""What sources share that are one statement of a database: names, order, numbers of records, watermark."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from connectors.database import Wanted
from connectors.opening import unreadable
from sandbox.ingest.source import RawBatch, SourceDescription


class Session(Protocol):
    """One snapshot of a database."""

    def names(self) -> Sequence[str]:
        """Names of the columns of the statement, as the database says them."""
        ...

    def rows(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows, in the order of the key, with these columns."""
        ...


class StatementSource(ABC):
    """What one statement gives.

    Args:
        asked: the statement.
        uri: of the database, without anything secret.

    Attributes:
        key: the column in whose order rows come; empty without one.
        watermark: greatest value of the key that was read, as text.

    """

    def __init__(self, asked: Wanted, uri: str) -> None:
        self.key = asked.key
        self.watermark: str | None = None
        self._asked = asked
        self._uri = uri

    @abstractmethod
    def _session(self) -> AbstractContextManager[Session]:
        """A new snapshot; what goes wrong in it is SOURCE_UNREADABLE."""

    def describe(self) -> SourceDescription:
        """Server, database and table."""
        return SourceDescription(self._asked.name, f"{self._uri}#{self._asked.name}")

    def columns(self) -> tuple[str, ...]:
        """Names of the columns.

        Raises:
            SandboxError: SOURCE_UNREADABLE.

        """
        with self._session() as session:
            return _each_once(session.names())

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[RawBatch]:
        """Its rows.

        Raises:
            SandboxError: SOURCE_UNREADABLE.

        """
        with self._session() as session:
            known = _each_once(session.names())
            names = list(known if columns is None else columns)
            done = read = 0
            for rows in session.rows([*names, *({self.key} - {"", *names})]):
                records = np.arange(done + 1, done + rows.num_rows + 1, dtype=np.int64)
                done += rows.num_rows
                read += rows.nbytes
                if self.key:
                    self._remember(rows.column(self.key))
                yield RawBatch(rows.select(names), records, self._asked.name, read)

    def _remember(self, keys: Any) -> None:
        known = keys.drop_null()
        if len(known):
            self.watermark = str(known[-1].cast(pa.string()))


def text_rows(
    block: Sequence[Sequence[Any]], names: Sequence[str], text: Callable[[Any], str | None]
) -> pa.RecordBatch:
    """Rows as a batch of text columns, column by column, so that one of them is in memory twice."""
    columns = range(len(names))
    cells = (pa.array([text(row[place]) for row in block], pa.string()) for place in columns)
    return pa.RecordBatch.from_arrays(list(cells), names=list(names))


def _each_once(names: Sequence[str]) -> tuple[str, ...]:
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise unreadable(f"The query names a column twice: {', '.join(sorted(twice))}.", "Use AS.")
    return tuple(names)
