"""Load throughput: a whole load against a plain PyArrow rewrite of the same file to Parquet.

The load reads, checks every value against the policy, gives each row its unit (through a foreign key),
clusters by unit, encrypts, writes durably and commits. The plain rewrite reads the file with the declared
types, all of it at once and with all cores, and writes it with the same compression. From CSV, DuckDB's own
rewrite runs beside them, with types that it guesses and the same compression.

    python -m benchmarks load
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from benchmarks.instances import DATA, load_tpch, tpch_file, tpch_home
from benchmarks.report import Goal, Report
from benchmarks.scale import Scale
from benchmarks.timing import interleaved
from sandbox.ingest.schema import arrow_type
from sandbox.service.home import Home

GOAL = 0.6
GOAL_DUCKDB = 0.8
TABLE = "lineitem"


def run(scale: Scale) -> list[Report]:
    """Measure loads of lineitem from CSV and from Parquet."""
    with tpch_home() as home, TemporaryDirectory(dir=DATA) as folder:
        for table in ("customer", "orders"):
            load_tpch(home, scale.tpch, table, "parquet")
        return [_compared(home, form, Path(folder) / f"{form}.parquet", scale) for form in READERS]


def _compared(home: Home, form: str, target: Path, scale: Scale) -> Report:
    source = tpch_file(scale.tpch, TABLE, form)
    types = _declared(home)

    def rewrite(_: int) -> None:
        pq.write_table(READERS[form](source, types), target, compression="zstd")

    def duckdb_rewrite(_: int) -> None:
        with duckdb.connect() as plain:
            plain.execute(f"COPY (FROM '{source}') TO '{target}.duckdb' (FORMAT parquet, COMPRESSION zstd)")

    contestants: dict[str, Callable[[int], object]] = {
        "plain PyArrow": rewrite,
        "sandbox load": lambda _: load_tpch(home, scale.tpch, TABLE, form),
    }
    if form == "csv":
        contestants["DuckDB CSV to Parquet"] = duckdb_rewrite
    times = interleaved(contestants, scale.loads)
    rows = pq.read_metadata(target).num_rows
    size = source.stat().st_size / 1e6
    plain, load = times["plain PyArrow"], times["sandbox load"]
    goals = [
        Goal("throughput, ratio to plain PyArrow", 1 / load.ratio(plain), GOAL, at_most=False),
        Goal("the same by processor time", 1 / load.processor_ratio(plain), GOAL, at_most=False),
    ]
    if form == "csv":
        rewritten = times["DuckDB CSV to Parquet"]
        goals += [
            Goal("throughput, ratio to DuckDB", 1 / load.ratio(rewritten), GOAL_DUCKDB, at_most=False),
            Goal(
                "the same by processor time", 1 / load.processor_ratio(rewritten), GOAL_DUCKDB, at_most=False
            ),
        ]
    return Report(
        f"Load of {TABLE}, TPC-H scale {scale.tpch:g}, {rows:,} rows, from {form} ({size:,.0f} MB)",
        ("", "seconds", "rows/s", "MB/s", "processor s"),
        tuple(
            (name, t.median, rows / t.median, size / t.median, t.median_processor)
            for name, t in times.items()
        ),
        tuple(goals),
    )


def _declared(home: Home) -> pa.Schema:
    policy = home.registry.snapshot().policies["tpch"].content
    columns = policy.tables[TABLE].columns
    return pa.schema([(name, arrow_type(column)) for name, column in columns.items()])


def _read_csv(path: Path, types: pa.Schema) -> pa.Table:
    options = pyarrow.csv.ConvertOptions(column_types=types)
    return pyarrow.csv.read_csv(path, convert_options=options)


def _read_parquet(path: Path, types: pa.Schema) -> pa.Table:
    return pq.read_table(path).cast(types)


READERS = {"csv": _read_csv, "parquet": _read_parquet}
