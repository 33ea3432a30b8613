"""smartnoise-sql over SQLite. It charges epsilon for each column: here it gets what makes the sum right."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from snsql import Privacy, from_connection
from turns import Rows, run, sql

METADATA = {
    "": {
        "main": {
            "people": {
                "max_ids": 1,
                "row_privacy": False,
                "rows": 17549,
                "id": {"type": "int", "private_id": True},
                "age": {"type": "int", "lower": 18, "upper": 100},
                "male": {"type": "int", "lower": 0, "upper": 1},
                "futime": {"type": "int", "lower": 0, "upper": 8000},
                "status": {"type": "int", "lower": 0, "upper": 1},
            },
            "labs": {
                "max_ids": 100,
                "row_privacy": False,
                "rows": 400123,
                "id": {"type": "int", "private_id": True},
                "days": {"type": "int", "lower": -4000, "upper": 8000},
                "test": {"type": "string"},
                "value": {"type": "float", "lower": 0, "upper": 500},
            },
        }
    }
}


def prepare(data: Path, epsilon: float) -> Callable[[dict[str, Any], int], tuple[Rows, float]]:
    warnings.filterwarnings("ignore")
    connection = sqlite3.connect(":memory:")
    for table in ("people", "labs"):
        pd.read_parquet(data / f"{table}.parquet").to_sql(table, connection, index=False)
    tables = {"people": "main.people", "labs": "main.labs"}

    def reader(each: float) -> Any:
        return from_connection(
            connection, engine="sqlite", metadata=METADATA, privacy=Privacy(epsilon=each, delta=1e-6)
        )

    def ask(question: dict[str, Any], turn: int) -> tuple[Rows, float]:
        text = sql(question, turn, **tables)
        cost = reader(epsilon).get_privacy_cost(text)[0]
        honest = reader(epsilon * epsilon / cost)
        return list(honest.execute(text))[1:], honest.get_privacy_cost(text)[0]

    return ask


run(prepare)
