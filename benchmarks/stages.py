"""What each stage of a load costs: processor time of the stages of a load from CSV, told apart.

The stages are those of `sandbox.ingest.load`, one pulling from the other in one thread, so that rows are in
memory no longer than in a load. Encoding alone is a plain Parquet file of the same rows in the same order.

    python -m benchmarks stages
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.instances import DATA, load_tpch, tpch_file, tpch_home
from benchmarks.report import Report
from benchmarks.scale import Scale
from sandbox.ingest.cluster import RANK, UNIT, clustered
from sandbox.ingest.connect import open_source
from sandbox.ingest.rows import UnitColumn
from sandbox.ingest.validate import Validator
from sandbox.service.home import Home
from sandbox.vault.lock import loading
from sandbox.vault.parquet import ROWS_PER_GROUP, EncryptedWriter

T = TypeVar("T")
TABLE = "lineitem"
STAGES = {
    "read": "read, split into cells, hash",
    "check": "types and rules",
    "unit": "find each row's unit, through orders",
    "cluster": "sort by unit and rank, with the encrypted spill",
    "encode": "Parquet and its compression",
    "encrypt": "encrypt, hash and write to the disk",
}
Spent = dict[str, float]
Write = Callable[[Home, pa.Schema, Iterator[pa.RecordBatch]], None]


def run(scale: Scale) -> list[Report]:
    """Measure the stages of loading lineitem from CSV."""
    with tpch_home() as home:
        for table in ("customer", "orders"):
            load_tpch(home, scale.tpch, table, "parquet")
        tpch_file(scale.tpch, TABLE, "csv")
        rounds = [_round(home, scale, number) for number in range(1, scale.loads + 1)]
    spent = {name: statistics.median(one[name] for one in rounds) for name in STAGES}
    whole = sum(spent.values())
    rows = [(name, what, spent[name], f"{spent[name] / whole:.0%}") for name, what in STAGES.items()]
    return [
        Report(
            f"Stages of a load of {TABLE} from CSV, TPC-H scale {scale.tpch:g}",
            ("stage", "what it does", "processor s", "share"),
            (*rows, ("all", "", whole, "100%")),
        )
    ]


def _round(home: Home, scale: Scale, number: int) -> Spent:
    encrypted = _stages(home, scale, lambda h, schema, rows: _encrypted(h, schema, rows, 1000 + number))
    plain = _stages(home, scale, _plain)
    encode = plain["write"]
    # Never below nothing: the two are measured one after the other.
    return {**encrypted, "encode": encode, "encrypt": max(0.0, encrypted["write"] - encode)}


def _stages(home: Home, scale: Scale, write: Write) -> Spent:
    """Processor seconds of each stage, without those of the stages that it pulls from."""
    policy = home.registry.snapshot().policies["tpch"].content
    columns = policy.tables[TABLE].columns
    whole: Spent = dict.fromkeys(("read", "check", "unit", "cluster"), 0.0)

    def timed(name: str, items: Iterator[T]) -> Iterator[T]:
        while True:
            began = time.process_time()
            item = next(items, None)
            whole[name] += time.process_time() - began
            if item is None:
                return
            yield item

    began = time.process_time()
    units = UnitColumn(home.folder, home.keyring, home.catalog, policy, TABLE)
    reading_units = time.process_time() - began
    validator = Validator(columns)
    source = open_source(str(tpch_file(scale.tpch, TABLE, "csv")))
    raw = timed("read", source.batches(tuple(columns)))
    checked = timed("check", map(validator.check, raw))
    owned = timed("unit", (units.append(batch.rows) for batch in checked))
    ordered = timed("cluster", clustered(owned, home.folder))
    began = time.process_time()
    write(home, validator.schema.append(UNIT).append(RANK), ordered)
    whole["write"] = time.process_time() - began
    alone = {name: whole[name] - whole[before] for before, name in pairwise(whole)}
    alone["unit"] += reading_units
    return {"read": whole["read"], **alone}


def _encrypted(home: Home, schema: pa.Schema, rows: Iterator[pa.RecordBatch], version: int) -> None:
    with (
        loading(home.folder),
        EncryptedWriter(
            home.folder, home.keyring, dataset="tpch", table=TABLE, version=version, schema=schema, grades={}
        ) as writer,
    ):
        for batch in rows:
            writer.write(batch)


def _plain(_: Home, schema: pa.Schema, rows: Iterator[pa.RecordBatch]) -> None:
    with (
        TemporaryDirectory(dir=DATA) as folder,
        pq.ParquetWriter(
            Path(folder) / "plain.parquet", schema, compression="zstd", write_statistics=False
        ) as writer,
    ):
        held: list[pa.RecordBatch] = []
        for batch in rows:
            held.append(batch)
            if sum(one.num_rows for one in held) >= ROWS_PER_GROUP:
                writer.write_table(pa.Table.from_batches(held, schema), ROWS_PER_GROUP)
                held.clear()
        if held:
            writer.write_table(pa.Table.from_batches(held, schema), ROWS_PER_GROUP)
