"""MySQL and MariaDB by PyMySQL: one table or one SELECT, row by row from the server, as the texts it sends.

Rules
- One transaction: a consistent snapshot, READ ONLY.
- Every value is the server's own text, so numbers keep their digits; bytes come as hexadecimal text, and
  timestamps in UTC.
- Without `key` rows come in the order in which they lie (that of the primary key).
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

import pyarrow as pa
import pymysql
from pymysql.constants import FIELD_TYPE
from pymysql.converters import encoders
from pymysql.cursors import SSCursor

from connectors.database import Server, Wanted, server_of, wanted
from connectors.opening import unreadable
from connectors.options import Options, wrong
from connectors.statement import StatementSource, text_rows
from sandbox.ingest.source import Option, Source

_BATCH_ROWS = 8192
_BATCH_BYTES = 8 << 20
_CONNECT_SECONDS = 15
_READ_SECONDS = 600
_SNAPSHOT = (
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "SET SESSION time_zone = '+00:00'",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
)
_EXACT = (
    FIELD_TYPE.TINY,
    FIELD_TYPE.SHORT,
    FIELD_TYPE.INT24,
    FIELD_TYPE.LONG,
    FIELD_TYPE.LONGLONG,
    FIELD_TYPE.DECIMAL,
    FIELD_TYPE.NEWDECIMAL,
)
_NUMBER = re.compile(r"-?[0-9]{1,65}(\.[0-9]{1,38})?", re.ASCII)
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


class MysqlSource(StatementSource):
    """What one statement gives."""

    def __init__(self, server: Server, asked: Wanted) -> None:
        super().__init__(asked, server.uri)
        self._server = server

    @contextmanager
    def _session(self) -> Iterator[_Snapshot]:
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
                yield _Snapshot(connection, self._asked)
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


class _Snapshot:
    """One transaction."""

    def __init__(self, connection: Any, asked: Wanted) -> None:
        self._connection = connection
        self._asked = asked
        with connection.cursor() as cursor:
            cursor.execute(asked.everything(_name) + " LIMIT 0")
            self._kinds = [(column[0], column[1]) for column in cursor.description]

    def names(self) -> Sequence[str]:
        return [name for name, _ in self._kinds]

    def rows(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        statement = self._asked.sql(", ".join(map(_name, columns)), _name, self._constant)
        with self._connection.cursor(SSCursor) as cursor:
            cursor.execute(statement)
            for block in _blocks(cursor):
                yield text_rows(block, columns, _text)

    def _constant(self, after: str) -> str:
        # A text beside an exact number would make both of them inexact ones.
        if dict(self._kinds).get(self._asked.key) not in _EXACT:
            return str(self._connection.escape(after))
        if not _NUMBER.fullmatch(after):
            raise wrong("The key is a number, and what it should be greater than is none.")
        return after


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
