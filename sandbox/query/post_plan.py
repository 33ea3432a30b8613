"""Plans of post-processing SELECTs: made once for each text and its types, and kept.

To read and plan a SELECT of many half-widths takes the engine ten times as long as to run it. The text of a
question that was asked with another date, or for another epsilon, is the same. A plan knows the types of its
tables and nothing of their rows: each is a stream that tells its schema when the SELECT is planned, and gives
what it then holds each time that it runs.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import duckdb
import pyarrow as pa

from sandbox.vault.engine import interrupted_after, open_engine

ENGINE_MB = 1024
KEPT = 256
_EXAMPLES: dict[pa.DataType, Any] = {
    pa.int64(): 1, pa.float64(): 1.0, pa.bool_(): True, pa.date32(): date(2000, 1, 1),
    pa.timestamp("us"): datetime(2000, 1, 1), pa.string(): "a", pa.null(): None,
}  # fmt: skip


@lru_cache(maxsize=1)
def engine() -> duckdb.DuckDBPyConnection:
    """The engine of post-processing, which never held a protected row."""
    return open_engine(ENGINE_MB, threads=1)


class _Stream:
    """An Arrow stream of what it holds at the moment."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_schema__(self) -> object:
        return self.table.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)  # type: ignore[no-untyped-call]


class PostPlan:
    """A SELECT that is planned. Threads take turns with it.

    Args:
        text: one SELECT without parameters.
        samples: by name, a made-up table of the types of each that it reads.
        seconds: planning is interrupted after so long.

    Raises:
        duckdb.Error: it does not fit together.

    """

    def __init__(self, text: str, samples: Mapping[str, pa.Table], seconds: float) -> None:
        self._samples = dict(samples)
        self._streams = {name: _Stream(table) for name, table in samples.items()}
        self._turn = threading.Lock()
        self._cursor = engine().cursor()
        for name, stream in self._streams.items():
            self._cursor.register(name, stream)
        with interrupted_after(self._cursor, seconds):
            self._cursor.execute(f"PREPARE post AS {text}")

    def fits(self, tables: Mapping[str, pa.Table]) -> bool:
        """Whether these tables have the names and types that it was planned for."""
        return tables.keys() == self._samples.keys() and all(
            table.schema.equals(self._samples[name].schema) for name, table in tables.items()
        )

    def run(self, tables: Mapping[str, pa.Table], seconds: float) -> pa.Table:
        """The answer over `tables`, which fit; interrupted after `seconds`.

        Raises:
            duckdb.Error: what the engine raises.

        """
        with self._turn:
            try:
                for name, table in tables.items():
                    self._streams[name].table = table
                with interrupted_after(self._cursor, seconds):
                    answer = self._cursor.execute("EXECUTE post").to_arrow_table()
            finally:
                for name, sample in self._samples.items():
                    self._streams[name].table = sample
        assert answer is not None  # noqa: S101 -- a SELECT has rows, though there may be none
        return answer


@lru_cache(maxsize=KEPT)
def plan_of(text: str, schemas: tuple[tuple[str, pa.Schema], ...], seconds: float) -> PostPlan:
    """The plan of `text` over tables of these types, run once over made-up rows.

    Raises:
        duckdb.Error: it does not fit together, or does not run.

    """
    samples = {name: sample(schema) for name, schema in schemas}
    plan = PostPlan(text, samples, seconds)
    plan.run(samples, seconds)
    return plan


atexit.register(plan_of.cache_clear)  # the engine's library complains of what is held at the end


def sample(schema: pa.Schema) -> pa.Table:
    """One made-up row: a SELECT in the place of a value may not find two."""
    return pa.table([pa.array([_example(field.type)], field.type) for field in schema], schema=schema)


def _example(kind: pa.DataType) -> Any:
    return [(_example(kind.key_type), 1)] if pa.types.is_map(kind) else _EXAMPLES.get(kind, Decimal(0))
