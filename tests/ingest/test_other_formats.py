"""NDJSON and Parquet."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pyarrow.parquet as pq

from sandbox.errors import ErrorCode
from sandbox.ingest.connect import open_source
from tests.ingest.conftest import Read, refusal

UNREADABLE = ErrorCode.SOURCE_UNREADABLE


def test_ndjson(read):
    data = (
        '{"id": 1, "名": "王", "x": 0.10000000000000000005, "ok": true}\n'
        "\n"
        '{"id": 2, "x": null}\n'
        "{broken\n"
        '{"id": 3, "x": [1]}\n'
        '{"id": 4, "id": 5}\n'
        "[1, 2]\n" + "[" * 100_000 + "\n"
        '{"id": 6, "名": "\\ud800"}\n'
        '{"id": 7, "other": {"deep": 1}}\n'
    ).encode()
    got = read("a.ndjson", data, ["id", "名", "x", "ok"])
    assert got.columns == ("id", "名", "x", "ok", "other.deep")
    assert got.rows == [
        {"id": "1", "名": "王", "x": "0.10000000000000000005", "ok": "true"},
        {"id": "2", "名": None, "x": None, "ok": None},
        {"id": "7", "名": None, "x": None, "ok": None},
    ]
    assert got.records == [1, 3, 10]
    assert [(bad.record, bad.column) for bad in got.bad] == [
        (4, ""),
        (5, "x"),
        (6, ""),
        (7, ""),
        (8, ""),
        (9, "名"),
    ]


def test_ndjson_that_is_something_else(put):
    path = put("a.ndjson", b"a,b\n1,2\n")
    refusal(UNREADABLE, lambda: open_source(path).columns())
    long = put("b.ndjson", b'{"a": "' + b"x" * 5_000_000 + b'"}\n')
    refusal(UNREADABLE, lambda: Read(open_source(long)))


def test_parquet(tmp_path):
    path = tmp_path / "a.parquet"
    table = pa.table(
        {
            "case.id": pa.array([1, None], pa.int32()),
            "case": [datetime.date(2020, 1, 1), None],
            "x": [0.5, 1.5],
        }
    )
    pq.write_table(table, path)
    got = Read(open_source(str(path)), ["x", "case.id"])
    assert got.columns == ("case.id", "case", "x")
    assert got.rows == [{"x": 0.5, "case.id": 1}, {"x": 1.5, "case.id": None}]
    assert got.records == [1, 2]


def test_damaged_parquet(put, tmp_path):
    good = tmp_path / "good.parquet"
    pq.write_table(pa.table({"a": list(range(50_000))}), good)
    data = bytearray(good.read_bytes())
    refusal(UNREADABLE, lambda: open_source(put("cut.parquet", bytes(data[:-9]))).columns())
    refusal(UNREADABLE, lambda: open_source(put("none.parquet", b"")).columns())
    data[4:200] = b"\xff" * 196
    refusal(UNREADABLE, lambda: Read(open_source(put("hit.parquet", bytes(data)))))
