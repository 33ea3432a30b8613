"""Digests of whole tables of the store, as fast as the database reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence

import sqlalchemy as sa

from sandbox.audit.database import same_through_indexes, scanned
from sandbox.audit.leaf import altered


def tables_digest(
    connection: sa.Connection, tables: Sequence[sa.Table], by_length: Collection[sa.Column[bytes]] = ()
) -> str:
    """SHA-256, in hex, of everything in these tables.

    Args:
        connection: of the store.
        tables: which.
        by_length: columns of bytes of which only the length counts, as the bytes are compared elsewhere.

    Raises:
        SandboxError: STORAGE_CORRUPT when what the indexes find is something else.
        ValueError: a value that was not written here.

    """
    if not same_through_indexes(connection, [table.name for table in tables]):
        raise altered("An index of the store does not fit its table.")
    found = hashlib.sha256()
    for table in tables:
        said = ", ".join(_said(column, by_length) for column in table.c)
        order = ", ".join(f'"{column.name}"' for column in table.primary_key)
        found.update(f"{table.name}\n".encode())
        # JSON tells a text from a number and from nothing.
        query = f'SELECT json_array({said}) FROM "{table.name}" NOT INDEXED ORDER BY {order}'
        for rows in scanned(connection, query):
            found.update("".join(f"{line}\n" for (line,) in rows).encode())
    return found.hexdigest()


def _said(column: sa.Column[bytes], by_length: Collection[sa.Column[bytes]]) -> str:
    name = f'"{column.name}"'
    if column in by_length:
        return f"typeof({name}), length({name})"
    return f"typeof({name}), hex({name})" if isinstance(column.type, sa.LargeBinary) else name
