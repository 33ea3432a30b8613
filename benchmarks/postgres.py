"""Reading a table of PostgreSQL: the connector against ADBC's bare read of the same table.

A real server, started for this; TPC-H lineitem with its decimals as numerics. The connector reads in one
snapshot, read-only, and brings numerics as the digits that they have; so does the load, which checks,
clusters and encrypts besides.

    python -m benchmarks postgres
"""

from __future__ import annotations

import os
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
from adbc_driver_postgresql import dbapi

from benchmarks.instances import load_tpch, tpch_file, tpch_home
from benchmarks.report import Goal, Report
from benchmarks.scale import Scale
from benchmarks.timing import interleaved
from sandbox.identity import operator_of_this_machine
from sandbox.ingest.connect import open_source
from sandbox.ingest.source import Source
from sandbox.service import loading
from sandbox.service.home import Home
from sandbox.service.reports import LoadRequest
from tests.connectors.database_servers import PASSWORD, postgres_uri, postgresql

GOAL = 0.8
TABLE = "lineitem"
OPTIONS = {"table": TABLE, "password": "env:DATABASE_PASSWORD"}
NUMERIC = ("l_quantity", "l_extendedprice", "l_discount", "l_tax")


def run(scale: Scale) -> list[Report]:
    """Measure lineitem from PostgreSQL."""
    with postgresql() as server, tpch_home() as home, patch.dict(os.environ, DATABASE_PASSWORD=PASSWORD):
        for table in ("customer", "orders"):
            load_tpch(home, scale.tpch, table, "parquet")
        uri = postgres_uri(server.port)
        rows = _fill(uri, pq.read_table(tpch_file(scale.tpch, TABLE, "parquet")))
        place = f"postgresql://owner@127.0.0.1:{server.port}/postgres"
        times = interleaved(
            {
                "ADBC, bare": lambda _: _bare(uri),
                "connector": lambda _: _drained(open_source(place, OPTIONS)),
                "sandbox load": lambda _: _load(home, place),
            },
            scale.loads,
        )
    bare, ours = times["ADBC, bare"], times["connector"]
    return [
        Report(
            f"{TABLE} from PostgreSQL, TPC-H scale {scale.tpch:g}, {rows:,} rows",
            ("", "seconds", "rows/s", "processor s of ours"),
            tuple((name, t.median, rows / t.median, t.median_processor) for name, t in times.items()),
            (
                Goal(
                    "throughput of the connector, ratio to ADBC's bare read",
                    1 / ours.ratio(bare),
                    GOAL,
                    False,
                ),
                Goal("the same by processor time", 1 / ours.processor_ratio(bare), GOAL, False),
            ),
        )
    ]


def _fill(uri: str, table: pa.Table) -> int:
    with dbapi.connect(uri) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("arrived", table, mode="create")
        cursor.execute(
            f"CREATE TABLE {TABLE} AS SELECT "
            + ", ".join(f"{c}::numeric(15, 2)" if c in NUMERIC else c for c in table.column_names)
            + " FROM arrived"
        )
        cursor.execute("DROP TABLE arrived")
        connection.commit()
        cursor.execute(f"ANALYZE {TABLE}")
        connection.commit()
    return table.num_rows


def _bare(uri: str) -> int:
    with dbapi.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {TABLE}")
        return sum(batch.num_rows for batch in cursor.fetch_record_batch())


def _drained(source: Source) -> int:
    return sum(batch.rows.num_rows for batch in source.batches())


def _load(home: Home, place: str) -> None:
    loading.load(home, operator_of_this_machine(), LoadRequest(place, "tpch", TABLE, OPTIONS))
