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
import numpy as np
import pyarrow as pa
from adbc_driver_postgresql import dbapi

from connectors.database import Server, Wanted, server_of, wanted
from connectors.opening import unreadable
from connectors.options import Options
from sandbox.ingest.source import Option, RawBatch, Source, SourceDescription

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


class PostgresqlSource:
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
        with self._cursor() as cursor:
            return tuple(self._schema(cursor).names)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[RawBatch]:
        """Its rows.

        Raises:
            SandboxError: SOURCE_UNREADABLE.

        """
        with self._cursor() as cursor:
            schema = self._schema(cursor)
            names = list(schema.names if columns is None else columns)
            asked = [*names, *({self._asked.key} - {"", *names})]
            listed = ", ".join(_expression(schema.field(name)) for name in asked)
            done = read = 0
            cursor.execute(self._asked.sql(listed, _name, _literal))
            for batch in cursor.fetch_record_batch():
                rows = pa.RecordBatch.from_arrays([_plain(column) for column in batch.columns], names=asked)
                records = np.arange(done + 1, done + rows.num_rows + 1, dtype=np.int64)
                done += rows.num_rows
                read += rows.nbytes
                if self._asked.key:
                    self._remember(rows.column(self._asked.key))
                yield RawBatch(rows.select(names), records, self._asked.name, read)

    def _remember(self, keys: Any) -> None:
        known = keys.drop_null()
        if len(known):
            self.watermark = str(known[-1].as_py())

    def _schema(self, cursor: Any) -> pa.Schema:
        everything = Wanted(self._asked.table, self._asked.query, "", None)
        cursor.execute(everything.sql("*", _name, _literal) + " LIMIT 0")
        schema: pa.Schema = cursor.fetch_record_batch().schema
        twice = {name for name in schema.names if schema.names.count(name) > 1}
        if twice:
            raise unreadable(f"The query names a column twice: {', '.join(sorted(twice))}.", "Use AS.")
        return schema

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
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
                yield cursor
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
