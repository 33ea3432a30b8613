"""Altering the store of a home from outside: every column of a table, in every way."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path


def run(home: Path, *statements: str) -> int:
    """How many lines were changed."""
    with closing(sqlite3.connect(home / "store.sqlite")) as connection, connection:
        return sum(connection.execute(statement).rowcount for statement in statements)


def alterations(home: Path, table: str) -> Iterator[str]:
    with closing(sqlite3.connect(home / "store.sqlite")) as connection:
        columns = connection.execute(f'PRAGMA table_info("{table}")').fetchall()
        (count,) = connection.execute(f'SELECT COUNT(*) FROM "{table}"').fetchone()
    assert count, f"{table} holds nothing: nothing would be tried"
    yield f'DELETE FROM "{table}"'
    for _, name, kind, *_ in columns:
        ways = ["'x'", f"\"{name}\" || 'x'", "x'00'", "-1"]
        if "INT" in kind:
            ways = [f'"{name}" + 1000', "0", "'x'"]
        elif "BLOB" in kind:
            ways = [f'CAST(substr("{name}", 1, length("{name}") - 1) || x\'00\' AS BLOB)', "x''", "'x'"]
        for way in ways:
            yield f'UPDATE OR IGNORE "{table}" SET "{name}" = {way}'
        if table not in ("audit_node", "policy_blob"):  # compared where they are used
            first = ", ".join(f'"{key}"' for _, key, *_, part in columns if part)
            one = f'({first}) = (SELECT {first} FROM "{table}" ORDER BY {first} LIMIT 1)'
            yield f'UPDATE OR IGNORE "{table}" SET "{name}" = {ways[0]} WHERE {one}'


def lines_of(home: Path, table: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(home / "store.sqlite")) as connection:
        connection.text_factory = bytes
        return connection.execute(f'SELECT * FROM "{table}"').fetchall()
