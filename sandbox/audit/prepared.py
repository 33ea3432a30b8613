"""Statements that every question runs: SQLAlchemy writes their text once, the driver runs it each time.

What runs rarely goes through SQLAlchemy itself, which takes a tenth of a millisecond more for each statement:
every question runs some forty. Values are what SQLite keeps: whole numbers, text, bytes, None.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from sandbox.audit.database import driver_of

_DIALECT = sqlite.dialect(paramstyle="qmark")


class Prepared:
    """One statement, its values given by name. Threads share it."""

    def __init__(self, statement: sa.Select[Any] | sa.Insert | sa.Update) -> None:
        compiled = statement.compile(dialect=_DIALECT)
        self._text = str(compiled)
        self._order = tuple(compiled.positiontup or ())
        self._given = {name: value for name, value in compiled.params.items() if value is not None}

    def run(self, connection: sa.Connection, **values: object) -> sqlite3.Cursor:
        """Run it in the transaction of `connection`; rows come as tuples, in the order of the columns.

        Raises:
            sqlite3.Error: as the driver says it.
            KeyError: a value is missing.

        """
        return driver_of(connection).execute(self._text, self._values(values))

    def run_each(self, connection: sa.Connection, rows: Iterable[Mapping[str, object]]) -> None:
        """Run it once for each of `rows`; raises as `run`."""
        driver_of(connection).executemany(self._text, map(self._values, rows))

    def _values(self, values: Mapping[str, object]) -> list[object]:
        return [values[name] if name in values else self._given[name] for name in self._order]
