"""TPC-H Q1 and Q6 as private questions (unit = customer) against non-private DuckDB, in the same run.

Private: the whole way of a question, from its text to a settled answer with receipt, warm. Every round
asks with another date, so that no stored answer is given. Not private: DuckDB over the plain Parquet file
of the same rows, and over a native DuckDB table, with the same dates and as many threads.

    python -m benchmarks tpch
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import duckdb

from benchmarks.instances import GRANT, TPCH_TABLES, analyst, load_tpch, tpch_file, tpch_home
from benchmarks.report import Goal, Report
from benchmarks.scale import Scale
from benchmarks.timing import interleaved
from sandbox.query import pipeline
from sandbox.query.execute import execute, locate
from sandbox.service import home as homes
from sandbox.service import opc
from sandbox.service.home import Home

GOAL = 1.2
EPSILON = Decimal("0.5")
Q1 = """
SELECT l_returnflag, l_linestatus, sum(l_quantity) AS sum_qty, sum(l_extendedprice) AS sum_base_price,
       sum(l_extendedprice * (1 - l_discount)) AS sum_disc_price,
       sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) AS sum_charge,
       avg(l_quantity) AS avg_qty, avg(l_extendedprice) AS avg_price, avg(l_discount) AS avg_disc,
       count(*) AS count_order
FROM {table} WHERE l_shipdate <= date '{end}'
GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus
"""
Q6 = """
SELECT sum(l_extendedprice * l_discount) AS revenue
FROM {table} WHERE l_shipdate >= date '{start}' AND l_shipdate < date '{end}'
  AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24
"""


def run(scale: Scale) -> list[Report]:
    """Measure both questions."""
    with tpch_home() as home, duckdb.connect() as plain:
        for table in TPCH_TABLES:
            load_tpch(home, scale.tpch, table, "parquet")
        file = tpch_file(scale.tpch, "lineitem", "parquet")
        if home.settings.engine_threads:
            plain.execute(f"SET threads = {home.settings.engine_threads}")
        plain.execute(f"CREATE TABLE lineitem AS FROM '{file}'")
        return [
            _compared(name, sql, home, plain, f"'{file}'", scale) for name, sql in (("Q1", _q1), ("Q6", _q6))
        ]


def _q1(table: str, number: int) -> str:
    return Q1.format(table=table, end=date(1998, 9, 2) - timedelta(days=number))


def _q6(table: str, number: int) -> str:
    return Q6.format(table=table, start=date(1994, 1, 1) + timedelta(days=number), end=date(1995, 1, 1))


def _compared(
    name: str,
    sql: Callable[[str, int], str],
    home: Home,
    plain: duckdb.DuckDBPyConnection,
    file: str,
    scale: Scale,
) -> Report:
    me = analyst(home)

    def engine_alone(number: int) -> None:
        context = pipeline.Context(
            home.registry.snapshot(), home.catalog, home.ledger, home.store, home.hot, home.settings,
            homes.today(),
        )  # fmt: skip
        rewritten = pipeline.decide(pipeline.Question(sql("tpch.lineitem", number), GRANT, me), context)
        execute(rewritten, locate(rewritten, home.catalog), home.hot, home.settings.question_seconds)

    times = interleaved(
        {
            "private, the whole way": lambda n: opc.ask(home, me, sql("tpch.lineitem", n), GRANT, EPSILON),
            "private, planned and run only": engine_alone,
            "not private, DuckDB on Parquet": lambda n: plain.sql(sql(file, n)).to_arrow_table(),
            "not private, native DuckDB table": lambda n: plain.sql(sql("lineitem", n)).to_arrow_table(),
        },
        scale.rounds,
    )
    base = times["not private, DuckDB on Parquet"]
    private = times["private, the whole way"]
    rows = tuple(
        (
            who, 1000 * t.median, t.ratio(base), t.ratio(times["not private, native DuckDB table"]),
            1000 * t.median_processor, t.processor_ratio(base),
        )
        for who, t in times.items()
    )  # fmt: skip
    return Report(
        f"TPC-H {name}, scale {scale.tpch:g}, unit = customer, warm, median of {scale.rounds}",
        ("", "ms", "x Parquet", "x native", "processor ms", "x Parquet"),
        rows,
        (
            Goal(f"{name}, ratio to non-private DuckDB on Parquet", private.ratio(base), GOAL),
            Goal("the same by processor time", private.processor_ratio(base), GOAL),
        ),
    )
