"""The hot store: first touch of a column set and warm scans of it, against DuckDB on plain Parquet.

python -m benchmarks hot
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import duckdb

from benchmarks.instances import load_tpch, tpch_file, tpch_home
from benchmarks.report import Goal, Report
from benchmarks.scale import Scale
from benchmarks.timing import interleaved
from sandbox.catalog.model import NUMBER_COLUMN, TableVersion
from sandbox.service.home import Home

NUMBERS = ("l_quantity", "l_extendedprice", "l_discount", "l_tax")
SETS = {
    "seven columns of Q1": (*NUMBERS, "l_shipdate", "l_returnflag", "l_linestatus"),
    "four columns of Q6": ("l_quantity", "l_extendedprice", "l_discount", "l_shipdate"),
}
_MIDDLE = {"l_shipdate": "date '1995-06-17'", "l_returnflag": "'N'", "l_linestatus": "'F'"}
FIRST = 10.0
WARM = 0.5


def run(scale: Scale) -> list[Report]:
    """Measure both, for each column set."""
    rows: list[tuple[str | float, ...]] = []
    goals: list[Goal] = []
    with tpch_home() as home, duckdb.connect() as plain:
        for table in ("customer", "orders", "lineitem"):
            load_tpch(home, scale.tpch, table, "parquet")
        version = home.catalog.current("tpch", "lineitem")
        assert version is not None
        file = f"'{tpch_file(scale.tpch, 'lineitem', 'parquet')}'"
        for name, columns in SETS.items():
            scan = _scan(columns)
            times = interleaved(
                {
                    "first": _first(home, version, columns),
                    "warm": _warm(home, version, columns, scan),
                    "plain": partial(_plain, plain, scan.format(file)),
                },
                scale.rounds,
            )
            first, warm, other = times["first"], times["warm"], times["plain"]
            ratios = (first.processor_ratio(other), warm.processor_ratio(other))
            clock = (first.ratio(other), warm.ratio(other))
            rows.append((name, *(1000 * t.median_processor for t in (first, warm, other)), *ratios, *clock))
            goals.append(Goal(f"first touch of {name}, ratio to a plain scan", ratios[0], FIRST))
            goals.append(Goal(f"warm scan of {name}, ratio to a plain scan", ratios[1], WARM))
    titles = (
        "",
        "first touch",
        "warm scan",
        "plain scan",
        "first x",
        "warm x",
        "first x, clock",
        "warm x, clock",
    )
    return [Report("Hot store (processor ms)", titles, tuple(rows), tuple(goals))]


def _scan(columns: tuple[str, ...]) -> str:
    """A SELECT that must look at every value: extremes could be read from statistics."""
    parts = [f"sum({c})" if c in NUMBERS else f"count(*) FILTER (WHERE {c} > {_MIDDLE[c]})" for c in columns]
    return f"SELECT {', '.join(parts)} FROM {{}}"


def _plain(connection: duckdb.DuckDBPyConnection, sql: str, _: int) -> None:
    connection.sql(sql).fetchall()


def _first(home: Home, version: TableVersion, columns: tuple[str, ...]) -> Callable[[int], object]:
    def touch(_: int) -> None:
        home.hot.forget(version.id)
        with home.hot.lease({version: frozenset((*columns, NUMBER_COLUMN))}):
            pass

    return touch


def _warm(home: Home, version: TableVersion, columns: tuple[str, ...], scan: str) -> Callable[[int], object]:
    def ask(_: int) -> None:
        with home.hot.lease({version: frozenset(columns)}) as lease:
            lease.run(scan.format(lease.relation(version.id)), home.settings.question_seconds)

    return ask
