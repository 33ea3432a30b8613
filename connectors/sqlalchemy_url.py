"""Any database that SQLAlchemy reaches: the slow fallback, row by row.

Rules
- The driver must be installed. Reading only cannot be enforced for every database: give the user no other
  right. The transaction is rolled back at the end.
- Decimals keep their digits; bytes come as hexadecimal text, dates and times as ISO 8601.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from typing import Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from connectors.database import Wanted, wanted
from connectors.opening import unreadable
from connectors.options import Options, wrong
from connectors.secret import Secret
from sandbox.ingest.source import Option, RawBatch, Source, SourceDescription

_BATCH_ROWS = 8192


class SqlalchemyConnector:
    """The connector `sqlalchemy`."""

    def open(self, location: str, options: Mapping[str, Option]) -> Source:
        """Open one table or SELECT; connects when it is read.

        Raises:
            SandboxError: ARGUMENT.

        """
        given = Options("sqlalchemy", options)
        password = given.secret("password")
        asked = wanted(given)
        given.done()
        try:
            url = sa.make_url(location)
        except ArgumentError:
            raise wrong(
                "This is not the URL of a database.", "As in: mssql+pyodbc://reader@host/db"
            ) from None
        if url.password is not None:
            raise wrong(
                "A password may not stand in the URL.", "Use the option password: env:NAME or file:PATH."
            )
        return SqlalchemySource(url, password, asked)


class SqlalchemySource:
    """What one statement gives.

    Attributes:
        watermark: greatest value of the key that was read, as text.

    """

    def __init__(self, url: sa.URL, password: Secret | None, asked: Wanted) -> None:
        self._url = url
        self._password = password
        self._asked = asked
        self.watermark: str | None = None

    def describe(self) -> SourceDescription:
        """Server, database and table, without user and query."""
        plain = self._url.set(username=None, query={})
        return SourceDescription(self._asked.name, f"{plain.render_as_string()}#{self._asked.name}")

    def columns(self) -> tuple[str, ...]:
        """Names of the columns.

        Raises:
            SandboxError: SOURCE_UNREADABLE.

        """
        with self._connection() as connection:
            return self._columns(connection)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[RawBatch]:
        """Its rows as text columns.

        Raises:
            SandboxError: SOURCE_UNREADABLE.

        """
        with self._connection() as connection:
            names = list(self._columns(connection) if columns is None else columns)
            asked = [*names, *({self._asked.key} - {"", *names})]
            quote = connection.dialect.identifier_preparer.quote_identifier
            statement = self._asked.sql(", ".join(map(quote, asked)), quote, lambda _: ":after")
            # A colon in the operator's own query is no parameter.
            bound = {} if self._asked.after is None else {"after": self._asked.after}
            found = connection.execution_options(stream_results=True).execute(sa.text(statement), bound)
            done = read = 0
            while block := found.fetchmany(_BATCH_ROWS):
                cells = [[_text(value) for value in column] for column in zip(*block, strict=True)]
                rows = pa.RecordBatch.from_arrays([pa.array(c, pa.string()) for c in cells], names=asked)
                records = np.arange(done + 1, done + rows.num_rows + 1, dtype=np.int64)
                done += rows.num_rows
                read += rows.nbytes
                if self._asked.key:
                    keys = rows.column(self._asked.key).drop_null()
                    self.watermark = str(keys[-1]) if len(keys) else self.watermark
                yield RawBatch(rows.select(names), records, self._asked.name, read)

    def _columns(self, connection: sa.Connection) -> tuple[str, ...]:
        quote = connection.dialect.identifier_preparer.quote_identifier
        everything = Wanted(self._asked.table, self._asked.query, "", None).sql("*", quote, quote)
        with connection.execution_options(stream_results=True).execute(sa.text(everything)) as found:
            names = tuple(found.keys())
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise unreadable(f"The query names a column twice: {', '.join(sorted(twice))}.", "Use AS.")
        return names

    @contextmanager
    def _connection(self) -> Iterator[sa.Connection]:
        url = self._url if self._password is None else self._url.set(password=self._password.reveal())
        try:
            engine = sa.create_engine(url, poolclass=sa.NullPool, hide_parameters=True)
        except (NoSuchModuleError, ModuleNotFoundError, ArgumentError):
            raise wrong(
                f"No driver for {self._url.drivername} is installed.", "Install it beside the sandbox."
            ) from None
        try:
            with engine.connect() as connection:
                yield connection
                connection.rollback()
        except (SQLAlchemyError, OSError):
            raise unreadable(
                f"The database of {self._asked.name} could not be reached, or refused the statement.",
                "Check the source file, and that the user may read this.",
            ) from None
        finally:
            engine.dispose()


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, date | time):
        return value.isoformat()
    return repr(value) if isinstance(value, float) else str(value)
