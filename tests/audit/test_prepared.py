from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from sandbox.audit.prepared import Prepared

TABLE = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("raw", sa.LargeBinary),
)
NEW = Prepared(TABLE.insert())
NAMED = Prepared(
    sa.select(TABLE.c.id, TABLE.c.raw)
    .where(TABLE.c.name == sa.bindparam("wanted"))
    .order_by(TABLE.c.id)
    .limit(1)
)


@pytest.fixture
def connection() -> Iterator[sa.Connection]:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        TABLE.create(connection)
        yield connection


def test_values_go_to_their_names_and_constants_stay(connection: sa.Connection) -> None:
    NEW.run(connection, raw=b"x", name="a", id=2)
    NEW.run_each(connection, [{"id": 1, "name": "a", "raw": None}, {"id": 3, "name": "b'; --", "raw": b""}])
    assert NAMED.run(connection, wanted="a").fetchall() == [(1, None)]
    assert NAMED.run(connection, wanted="b'; --").fetchone() == (3, b"")
    assert connection.execute(sa.select(sa.func.count()).select_from(TABLE)).scalar_one() == 3


def test_a_missing_value_and_a_broken_rule_are_errors(connection: sa.Connection) -> None:
    with pytest.raises(KeyError):
        NEW.run(connection, id=1)
    with pytest.raises(sqlite3.IntegrityError):
        NEW.run(connection, id=1, name=None, raw=None)


def test_it_runs_in_the_transaction_of_the_connection(connection: sa.Connection) -> None:
    nested = connection.begin_nested()
    NEW.run(connection, id=1, name="a", raw=None)
    nested.rollback()
    assert NAMED.run(connection, wanted="a").fetchone() is None
