"""What every connector does, whatever lies behind it."""

from __future__ import annotations

import pyarrow as pa
import pytest

from sandbox.ingest.source import Source
from tests.connectors.subject import TABLE, Published, Subject, digest, grown, growth, texts

ROWS = 25_000
MEASURED_AS = {
    "tsv-utf-16": "csv-gb18030",
    "csv-gz": "csv",
    "geojson": "json",
    "http-ckan": "http-json_pages",
    "http-socrata": "http-json_pages",
    "http-ogc_features": "http-json_pages",
    "http-sdmx": "http-file",
    "s3": "csv",  # the store itself runs in this process and holds the file
}
"""Subjects that stream through the very code of another one, which is measured."""


def test_chinese_names_and_values_come_back(subject: Subject):
    source = subject.publish(TABLE)()
    names = source.columns()
    assert [name for name in names if name in TABLE.columns] == list(TABLE.columns)
    assert texts(source, TABLE.columns) == list(TABLE.rows)


def test_the_same_source_twice_gives_the_same_digest(subject: Subject):
    opened = subject.publish(TABLE)
    first = opened()
    assert digest(first) == digest(opened()) == digest(first)


def test_only_the_columns_asked_for_in_that_order(subject: Subject):
    source = subject.publish(TABLE)()
    assert texts(source, ("金额", "编号")) == [(row[2], row[0]) for row in TABLE.rows]


def test_records_count_up(subject: Subject):
    records = [n for batch in subject.publish(TABLE)().batches(["编号"]) for n in batch.records.tolist()]
    assert records == sorted(set(records))
    assert records[0] >= 1


def test_it_says_what_it_is_and_how_far_it_came(subject: Subject):
    source = subject.publish(TABLE)()
    described = source.describe()
    assert described.name
    assert described.uri
    done = [batch.bytes_done for batch in source.batches(["编号"])]
    assert done == sorted(done)
    assert described.size is None or done[-1] <= described.size


def test_memory_is_flat(subject: Subject, request: pytest.FixtureRequest):
    if not subject.flat:
        small = Published(("编号", "文"), tuple((str(n), "长" * 50) for n in range(2_000)))
        assert texts(subject.publish(small)(), small.columns) == list(small.rows)
        return
    if request.node.callspec.id in MEASURED_AS:
        return
    large = grown(ROWS)
    plain = sum(len(cell.encode()) for row in large.rows for cell in row if cell)
    opened = subject.publish(large)
    drain(subject.publish(grown(5_000))())

    def read() -> None:
        assert drain(opened()) == ROWS

    if request.node.callspec.id == "parquet":
        # Arrow's pool hands nothing back for a while; its own count tells what is in use.
        before = pa.total_allocated_bytes()
        peak = max(pa.total_allocated_bytes() for _ in opened().batches(large.columns))
        assert peak - before < plain * 0.7
        return
    # Buffers and pools take up to 80 MB whatever the size; who holds all rows takes more than their text.
    assert growth(read) < plain * 0.95


def drain(source: Source) -> int:
    return sum(batch.rows.num_rows for batch in source.batches(source.columns()))
