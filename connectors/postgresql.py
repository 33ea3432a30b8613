"""PostgreSQL by ADBC: one table or one SELECT, streamed by COPY, exact.

Rules
- One transaction, REPEATABLE READ and READ ONLY, on a session that is read-only by default.
- Numerics come as the digits they have. Types that Arrow has no like of come as PostgreSQL's own text,
  bytes as hexadecimal text.
- Without `key` rows come in the order in which they lie, the same each time while nobody writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode

import adbc_driver_manager
import adbc_driver_postgresql
import pyarrow as pa
from adbc_driver_postgresql import dbapi

from connectors.database import Server, Wanted, server_of, wanted
from connectors.opening import unreadable
from connectors.options import Options
from connectors.statement import StatementSource
from sandbox.ingest.source import Option, Source

_BATCH_BYTES = 4 << 20
_CONNECT_SECONDS = 15
_SNAPSHOT = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    "SET LOCAL synchronize_seqscans = off",
    "SET LOCAL max_parallel_workers_per_gather = 0",
    "SET LOCAL TIME ZONE 'UTC'",
    "SET LOCAL bytea_output = 'hex'",
)
_PROBLEMS = {
    "28": "refused the user or the password",
    "3D": "has no such database",
    "42": "does not know a table, column or function of this statement, or the user may not read it",
    "25": "refused the statement: reading only is allowed",
    "57": "ended the statement",
    "53": "has no room for the statement",
}


class PostgresqlConnector:
    """The connector `postgresql`."""

    def open(self, location: str, options: Mapping[str, Option]) -> Source:
        """Open one table or SELECT of a database; connects when it is read.

        Raises:
            SandboxError: ARGUMENT.

        """
        given = Options("postgresql", options)
        server = server_of(location, "postgresql", 5432, given)
        asked = wanted(given)
        given.done()
        return PostgresqlSource(server, asked)


class PostgresqlSource(StatementSource):
    """What one statement gives."""

    def __init__(self, server: Server, asked: Wanted) -> None:
        super().__init__(asked, server.uri)
        self._server = server

    @contextmanager
    def _session(self) -> Iterator[_Snapshot]:
        try:
            with (
                dbapi.connect(_uri(self._server)) as connection,
                connection.cursor(
                    adbc_stmt_kwargs={
                        adbc_driver_postgresql.StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(_BATCH_BYTES)
                    }
                ) as cursor,
            ):
                for statement in _SNAPSHOT:
                    cursor.execute(statement)
                yield _Snapshot(cursor, self._asked)
                cursor.close()
                connection.rollback()
        except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
            raise self._problem(error) from None

    def _problem(self, error: Exception) -> Exception:
        state = str(getattr(error, "sqlstate", None) or "")
        where = f"The server {self._server.host}:{self._server.port}"
        if state[:2] in _PROBLEMS:
            return unreadable(f"{where} {_PROBLEMS[state[:2]]} (SQLSTATE {state}).", "Check the source file.")
        text = str(error).lower()
        if "authentication" in text or "no password" in text:
            return unreadable(f"{where} {_PROBLEMS['28']}.", "Check the source file.")
        if "certificate" in text or "ssl" in text:
            return unreadable(
                f"{where} has no certificate that can be verified.",
                "Name the authority that signed it by the option ca; tls: none turns encryption off.",
            )
        return unreadable(
            f"{where} could not be reached, or broke off.", "Nothing was changed; try again when it runs."
        )


class _Snapshot:
    """One transaction."""

    def __init__(self, cursor: Any, asked: Wanted) -> None:
        self._cursor = cursor
        self._asked = asked
        cursor.execute(asked.everything(_name) + " LIMIT 0")
        self._schema: pa.Schema = cursor.fetch_record_batch().schema

    def names(self) -> Sequence[str]:
        return self._schema.names

    def rows(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        listed = ", ".join(_expression(self._schema.field(name)) for name in columns)
        self._cursor.execute(self._asked.sql(listed, _name, _literal))
        for batch in self._cursor.fetch_record_batch():
            plain = [_plain(column) for column in batch.columns]
            yield pa.RecordBatch.from_arrays(plain, names=list(columns))


def _uri(server: Server) -> str:
    parameters = {
        "connect_timeout": str(_CONNECT_SECONDS),
        "application_name": "data-sandbox",
        "client_encoding": "UTF8",
        "options": "-c default_transaction_read_only=on",
        "sslmode": "disable" if server.tls == "none" else "verify-full",
        "gssencmode": "disable",
    }
    if server.tls == "verify":
        parameters["sslrootcert"] = server.ca or "system"
    user = quote(server.user, safe="")
    password = quote(server.secret(), safe="")
    host = f"[{server.host}]" if ":" in server.host else server.host
    login = f"{user}:{password}" if password else user
    return f"postgresql://{login}@{host}:{server.port}/{quote(server.database, safe='')}?" + urlencode(
        parameters, quote_via=quote
    )


def _expression(field: pa.Field[Any]) -> str:
    name = _name(field.name)
    kind = field.type
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_binary(kind) and field.type == kind:
        return f"encode({name}, 'hex') AS {name}"
    plain = (
        pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_string(kind)
        or pa.types.is_date(kind)
        or pa.types.is_timestamp(kind)
    )
    return name if plain else f"{name}::text AS {name}"


def _plain(column: Any) -> Any:
    return column.storage if isinstance(column, pa.ExtensionArray) else column


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
