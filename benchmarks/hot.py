"""The hot store: first touch of a column set and scans of it, against DuckDB on plain Parquet.

A first touch decrypts and fills what a question then asks. Compressing it is done in the background when the
question has its answer, so it stands apart, and the scan before it (loose) beside the scan after it (warm).

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
FIRST = "first touch"
LOOSE = "loose scan"
COMPRESS = "compress"
WARM = "warm scan"
PLAIN = "plain scan"
MOST = {FIRST: 10.0, WARM: 0.5}


def run(scale: Scale) -> list[Report]:
    """Measure all of them, for each column set."""
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
            held = _scanned(home, version, columns, scan)
            times = interleaved(
                {
                    FIRST: _first(home, version, columns),
                    LOOSE: held,
                    COMPRESS: lambda _: home.hot.compress(),
                    WARM: held,
                    PLAIN: partial(_plain, plain, scan.format(file)),
                },
                scale.rounds,
            )
            rows.extend(
                (
                    f"{name}: {what}",
                    *(1000 * seconds for seconds in (time.median, time.median_processor)),
                    time.ratio(times[PLAIN]),
                    time.processor_ratio(times[PLAIN]),
                )
                for what, time in times.items()
            )
            for what, most in MOST.items():
                goal = f"{what} of {name}, ratio to a plain scan"
                goals.append(Goal(goal, times[what].ratio(times[PLAIN]), most))
                processor = times[what].processor_ratio(times[PLAIN])
                goals.append(Goal("  by processor time", processor, most))
    titles = ("", "ms", "processor ms", "x plain", "x plain, processor")
    return [Report(f"Hot store, TPC-H scale {scale.tpch:g}", titles, tuple(rows), tuple(goals))]


def _scan(columns: tuple[str, ...]) -> str:
    """A SELECT that must look at every value: extremes could be read from statistics.

    Outcomes of conditions are added up. To pick rows by one, as FILTER does, takes the processor longer than
    to read the column, because it cannot foresee them.
    """
    parts = [f"sum({c})" if c in NUMBERS else f"sum(({c} > {_MIDDLE[c]})::INT)" for c in columns]
    return f"SELECT {', '.join(parts)} FROM {{}}"


def _plain(connection: duckdb.DuckDBPyConnection, sql: str, _: int) -> None:
    connection.sql(sql).fetchall()


def _first(home: Home, version: TableVersion, columns: tuple[str, ...]) -> Callable[[int], object]:
    def touch(_: int) -> None:
        home.hot.forget(version.id)
        with home.hot.lease({version: frozenset((*columns, NUMBER_COLUMN))}):
            pass

    return touch


def _scanned(
    home: Home, version: TableVersion, columns: tuple[str, ...], scan: str
) -> Callable[[int], object]:
    def ask(_: int) -> None:
        with home.hot.lease({version: frozenset(columns)}) as lease:
            lease.run(scan.format(lease.relation(version.id)), home.settings.question_seconds)

    return ask
