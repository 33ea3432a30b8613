"""Any database that SQLAlchemy reaches: the slow fallback, row by row.

Rules
- The driver must be installed. Reading only cannot be enforced for every database: give the user no other
  right. The transaction is rolled back at the end.
- Decimals keep their digits; bytes come as hexadecimal text, dates and times as ISO 8601.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from connectors.database import Wanted, wanted
from connectors.opening import unreadable
from connectors.options import Options, wrong
from connectors.secret import Secret
from connectors.statement import StatementSource, text_rows
from sandbox.ingest.source import Option, Source

_BATCH_ROWS = 2048
_MARK = "\0"
_VALUES: Mapping[type, Callable[[str], Any]] = {
    int: int,
    float: float,
    Decimal: Decimal,
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    time: time.fromisoformat,
}


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


class SqlalchemySource(StatementSource):
    """What one statement gives."""

    def __init__(self, url: sa.URL, password: Secret | None, asked: Wanted) -> None:
        super().__init__(asked, url.set(username=None, query={}).render_as_string())
        self._url = url
        self._password = password

    @contextmanager
    def _session(self) -> Iterator[_Snapshot]:
        url = self._url if self._password is None else self._url.set(password=self._password.reveal())
        more = {}
        if url.drivername.endswith("+pymysql") and url.password is not None:
            # PyMySQL would encode a text as Latin-1.
            more = {"password": str(url.password).encode("utf-8")}
        try:
            engine = sa.create_engine(url, poolclass=sa.NullPool, hide_parameters=True, connect_args=more)
        except (NoSuchModuleError, ModuleNotFoundError, ArgumentError):
            raise wrong(
                f"No driver for {self._url.drivername} is installed.", "Install it beside the sandbox."
            ) from None
        try:
            with engine.connect() as connection:
                yield _Snapshot(connection, self._asked)
                connection.rollback()
        except (SQLAlchemyError, OSError):
            raise unreadable(
                f"The database of {self._asked.name} could not be reached, or refused the statement.",
                "Check the source file, and that the user may read this.",
            ) from None
        finally:
            engine.dispose()


class _Snapshot:
    """One transaction."""

    def __init__(self, connection: sa.Connection, asked: Wanted) -> None:
        self._connection = connection.execution_options(stream_results=True)
        self._asked = asked
        self._quote = connection.dialect.identifier_preparer.quote_identifier

    def names(self) -> Sequence[str]:
        with self._connection.execute(_exactly(self._asked.everything(self._quote))) as found:
            return list(found.keys())

    def rows(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        after = {} if self._asked.after is None else {"after": self._like_the_key(self._asked.after)}
        listed = ", ".join(map(self._quote, columns))
        statement = self._asked.sql(listed, self._quote, lambda _: _MARK)
        with self._connection.execute(_exactly(statement), after) as found:
            while block := found.fetchmany(_BATCH_ROWS):
                yield text_rows(block, columns, _text)

    def _like_the_key(self, after: str) -> Any:
        """`after` as a value of the key's own type: databases compare a text with a number in many ways."""
        key = Wanted(self._asked.table, self._asked.query, self._asked.key, None)
        statement = key.sql(self._quote(key.key), self._quote, str)
        with self._connection.execute(_exactly(statement)) as found:
            sample = next((row[0] for row in found if row[0] is not None), None)
        try:
            return after if sample is None else _VALUES.get(type(sample), str)(after)
        except (ValueError, InvalidOperation):
            raise wrong(
                f"The key is a {type(sample).__name__}, and what it should be greater than is none."
            ) from None


def _exactly(statement: str) -> sa.TextClause:
    """The statement as it was written: the only parameter is ours, whatever colons it holds."""
    return sa.text(statement.replace(":", r"\:").replace(_MARK, ":after"))


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
