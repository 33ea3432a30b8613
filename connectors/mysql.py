"""MySQL and MariaDB by PyMySQL: one table or one SELECT, row by row from the server, as the texts it sends.

Rules
- One transaction: a consistent snapshot, READ ONLY.
- Every value is the server's own text, so numbers keep their digits; bytes come as hexadecimal text, and
  timestamps in UTC.
- Without `key` rows come in the order in which they lie (that of the primary key).
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pymysql
from pymysql.converters import encoders
from pymysql.cursors import SSCursor

from connectors.database import Server, Wanted, server_of, wanted
from connectors.opening import unreadable
from connectors.options import Options, wrong
from sandbox.ingest.source import Option, RawBatch, Source, SourceDescription

_BATCH_ROWS = 8192
_BATCH_BYTES = 8 << 20
_CONNECT_SECONDS = 15
_READ_SECONDS = 600
_SNAPSHOT = (
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "SET SESSION time_zone = '+00:00'",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
)
_PROBLEMS = {
    1044: "refused the user",
    1045: "refused the user or the password",
    1049: "has no such database",
    1054: "does not know a column of this statement",
    1064: "does not understand the statement",
    1142: "does not let the user read this",
    1146: "does not know a table of this statement",
    1792: "refused the statement: reading only is allowed",
}


class MysqlConnector:
    """The connectors `mysql` and `mariadb`."""

    def open(self, location: str, options: Mapping[str, Option]) -> Source:
        """Open one table or SELECT of a database; connects when it is read.

        Raises:
            SandboxError: ARGUMENT.

        """
        given = Options("mysql", options)
        server = server_of(location, "mysql", 3306, given)
        asked = wanted(given)
        given.done()
        return MysqlSource(server, asked)


class MysqlSource:
    """What one statement gives.

    Attributes:
        watermark: greatest value of the key that was read, as text.

    """

    def __init__(self, server: Server, asked: Wanted) -> None:
        self._server = server
        self._asked = asked
        self.watermark: str | None = None

    def describe(self) -> SourceDescription:
        """Server, database and table."""
        return SourceDescription(self._asked.name, f"{self._server.uri}#{self._asked.name}")

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
            statement = self._asked.sql(", ".join(map(_name, asked)), _name, connection.escape)
            done = read = 0
            with connection.cursor(SSCursor) as cursor:
                cursor.execute(statement)
                for block in _blocks(cursor):
                    cells = [[_text(value) for value in column] for column in zip(*block, strict=True)]
                    rows = pa.RecordBatch.from_arrays([pa.array(c, pa.string()) for c in cells], names=asked)
                    records = np.arange(done + 1, done + rows.num_rows + 1, dtype=np.int64)
                    done += rows.num_rows
                    read += rows.nbytes
                    if self._asked.key:
                        keys = rows.column(self._asked.key).drop_null()
                        self.watermark = str(keys[-1]) if len(keys) else self.watermark
                    yield RawBatch(rows.select(names), records, self._asked.name, read)

    def _columns(self, connection: Any) -> tuple[str, ...]:
        everything = Wanted(self._asked.table, self._asked.query, "", None)
        with connection.cursor() as cursor:
            cursor.execute(everything.sql("*", _name, connection.escape) + " LIMIT 0")
            names = tuple(column[0] for column in cursor.description)
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise unreadable(f"The query names a column twice: {', '.join(sorted(twice))}.", "Use AS.")
        return names

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        server = self._server
        try:
            with closing(
                pymysql.connect(
                    host=server.host,
                    port=server.port,
                    user=server.user,
                    # PyMySQL would encode a text as Latin-1.
                    password=server.secret().encode("utf-8"),
                    database=server.database,
                    charset="utf8mb4",
                    # Encoders without decoders: values stay as the server wrote them.
                    conv=dict(encoders),
                    ssl=_tls(server),
                    ssl_disabled=server.tls == "none",
                    connect_timeout=_CONNECT_SECONDS,
                    read_timeout=_READ_SECONDS,
                    local_infile=False,
                )
            ) as connection:
                with connection.cursor() as cursor:
                    for statement in _SNAPSHOT:
                        cursor.execute(statement)
                yield connection
        except (pymysql.Error, OSError, UnicodeDecodeError) as error:
            raise self._problem(error) from None

    def _problem(self, error: Exception) -> Exception:
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        where = f"The server {self._server.host}:{self._server.port}"
        if code in _PROBLEMS:
            return unreadable(f"{where} {_PROBLEMS[code]} (error {code}).", "Check the source file.")
        if "certificate" in str(error).lower() or "ssl" in str(error).lower():
            return unreadable(
                f"{where} has no certificate that can be verified.",
                "Name the authority that signed it by the option ca; tls: none turns encryption off.",
            )
        return unreadable(
            f"{where} could not be reached, or broke off.", "Nothing was changed; try again when it runs."
        )


def _tls(server: Server) -> ssl.SSLContext | None:
    if server.tls == "none":
        return None
    try:
        return ssl.create_default_context(cafile=server.ca or None)
    except OSError:
        raise wrong("The file of the option ca cannot be read.", "It holds certificates in PEM.") from None


def _blocks(cursor: Any) -> Iterator[list[Any]]:
    block: list[Any] = []
    size = 0
    for row in cursor:
        block.append(row)
        size += sum(len(cell) for cell in row if cell is not None)
        if len(block) >= _BATCH_ROWS or size >= _BATCH_BYTES:
            yield block
            block, size = [], 0
    if block:
        yield block


def _text(value: str | bytes | None) -> str | None:
    return value.hex() if isinstance(value, bytes) else value


def _name(text: str) -> str:
    return "`" + text.replace("`", "``") + "`"
