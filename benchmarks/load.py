"""Load throughput: a whole load against a plain PyArrow rewrite of the same file to Parquet.

The load reads, checks every value against the policy, gives each row its unit (through a foreign key),
clusters by unit, encrypts, writes durably and commits. The same file as a table that is declared open has no
unit, so its load clusters nothing: the difference is what clustering costs. The plain rewrite reads the file
with the declared types, all of it at once and with all cores, and writes it with the same compression. From
CSV, DuckDB's own rewrite runs beside them, with types that it guesses and the same compression.

    python -m benchmarks load
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from benchmarks.instances import DATA, load_tpch, tpch_file, tpch_home
from benchmarks.report import Goal, Report
from benchmarks.scale import Scale
from benchmarks.timing import Timing, interleaved
from sandbox.identity import operator_of_this_machine
from sandbox.ingest.connect import open_source
from sandbox.ingest.load import load_table
from sandbox.ingest.schema import arrow_type
from sandbox.service.home import Home

GOAL = 0.6
GOAL_DUCKDB = 0.8
TABLE = "lineitem"
OPEN_TABLE = "open_lineitem"
LOAD = "sandbox load"
UNCLUSTERED = "sandbox load, not clustered"


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
        LOAD: lambda _: load_tpch(home, scale.tpch, TABLE, form),
        UNCLUSTERED: lambda _: _load_open(home, source),
    }
    if form == "csv":
        contestants["DuckDB CSV to Parquet"] = duckdb_rewrite
    times = interleaved(contestants, scale.loads)
    rows = pq.read_metadata(target).num_rows
    size = source.stat().st_size / 1e6
    goals = _goals("plain PyArrow", times["plain PyArrow"], times, GOAL)
    if form == "csv":
        goals += _goals("DuckDB", times["DuckDB CSV to Parquet"], times, GOAL_DUCKDB)
    return Report(
        f"Load of {TABLE}, TPC-H scale {scale.tpch:g}, {rows:,} rows, from {form} ({size:,.0f} MB)",
        ("", "seconds", "rows/s", "MB/s", "processor s"),
        tuple(
            (name, t.median, rows / t.median, size / t.median, t.median_processor)
            for name, t in times.items()
        ),
        tuple(goals),
    )


def _goals(name: str, other: Timing, times: Mapping[str, Timing], bound: float) -> list[Goal]:
    return [
        goal
        for load in (LOAD, UNCLUSTERED)
        for goal in (
            Goal(f"throughput, {load}, to {name}", 1 / times[load].ratio(other), bound, at_most=False),
            Goal("  by processor time", 1 / times[load].processor_ratio(other), bound, at_most=False),
        )
    ]


def _load_open(home: Home, source: Path) -> None:
    version = home.registry.snapshot().policies["tpch"]
    rules = version.content.tables[TABLE].model_copy(update={"protection": "open", "unit": None})
    policy = version.content.model_copy(update={"tables": {OPEN_TABLE: rules}})
    load_table(
        home.folder,
        home.keyring,
        home.catalog,
        operator_of_this_machine(),
        open_source(str(source)),
        policy,
        OPEN_TABLE,
        policy_digest=version.digest,
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
