"""qrlew (PyPI: pyqrlew): rewrites to SQL with noise in it, run here by DuckDB.

Its bounds are set as tight as the policy's. By its own account it spends what it is given; the noise comes
from the database's RANDOM(), which is not safe, and that is not counted against it here.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyqrlew as qrl
import sqlalchemy as sa
from pyqrlew import Dialect
from turns import Rows, run, sql

RANGES = {
    "people": {"id": (0, 20000), "age": (18, 100), "futime": (0, 8000)},
    "labs": {"id": (0, 20000), "days": (-4000, 8000), "value": (0, 500)},
}
CODES = {
    "people": {"male": ["0", "1"], "status": ["0", "1"]},
    "labs": {"test": ["chol", "dbp", "fib4", "hdl", "sbp", "smoke"]},
}
UNIT = [("people", [], "id"), ("labs", [], "id")]


def prepare(data: Path, epsilon: float) -> Callable[[dict[str, Any], int], tuple[Rows, float]]:
    warnings.filterwarnings("ignore")
    pool = {"poolclass": sa.pool.StaticPool, "connect_args": {"check_same_thread": False}}
    engine = sa.create_engine("sqlite:///:memory:", **pool)
    runs = duckdb.connect()
    runs.execute("SET threads = 2")
    for table, ranges in RANGES.items():
        columns = ", ".join([*ranges, *CODES[table]])
        runs.execute(f"CREATE TABLE {table} AS SELECT {columns} FROM '{data / table}.parquet'")
        runs.table(table).df().to_sql(table, engine, index=False)
    known = qrl.Dataset.from_database("nafld", engine)
    for table, columns in RANGES.items():
        for name, (low, high) in columns.items():
            known = known.with_range(None, table, name, low, high)
    known = known.with_possible_values(None, "labs", "test", CODES["labs"]["test"])
    for name in CODES["people"]:
        known = known.with_range(None, "people", name, 0, 1)
    known = known.with_constraint(None, "people", "id", "Unique")
    budget = {"epsilon": epsilon, "delta": 1e-6}

    def ask(question: dict[str, Any], turn: int) -> tuple[Rows, float]:
        text = sql(question, turn, people="people", labs="labs")
        most = 100.0 if "labs" in text else 1.0
        relation = known.relation(text, Dialect.PostgreSql)
        private = relation.rewrite_with_differential_privacy(known, UNIT, budget, max_multiplicity=most)
        rows = runs.execute(private.relation().to_query(Dialect.PostgreSql)).fetchall()
        return rows, epsilon

    return ask


run(prepare)
