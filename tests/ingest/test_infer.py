"""Suggestions of types."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sandbox.ingest.connect import open_source
from sandbox.ingest.infer import columns_block, infer
from sandbox.policy.read import read_policy
from sandbox.policy.types import Kind, Use
from tests.ingest.conftest import Read

DATA = """id,code,"no: {yes}",day,at,price,ratio,flag,nothing,价格,mixed
1,001,x,2020-01-05,2020-01-05 12:00:00,1.50,1e-7,true,,１,5
-2,013,y,2020/2/9,2020-02-09,20.125,0.5,False,,2,x
"""


def test_types_from_text(put):
    suggested = infer(open_source(put("a.csv", DATA.encode())))
    assert [(name, column.type, column.decimals) for name, column in suggested.items()] == [
        ("id", Kind.INTEGER, 0),
        ("code", Kind.TEXT, 0),
        ("no: {yes}", Kind.TEXT, 0),
        ("day", Kind.DATE, 0),
        ("at", Kind.TIMESTAMP, 0),
        ("price", Kind.DECIMAL, 4),
        ("ratio", Kind.DOUBLE, 0),
        ("flag", Kind.BOOLEAN, 0),
        ("nothing", Kind.TEXT, 0),
        ("价格", Kind.TEXT, 0),
        ("mixed", Kind.TEXT, 0),
    ]
    assert all(column.use is Use.HIDDEN and column.between is None for column in suggested.values())


@pytest.mark.parametrize(
    ("usual", "odd", "kind", "decimals"),
    [
        ("17", "NA", Kind.INTEGER, 0),
        ("17", "17.123456789", Kind.INTEGER, 0),
        ("1.5", "1.123456789", Kind.DECIMAL, 2),
        ("1.5", "1e-7", Kind.DECIMAL, 2),
        ("1e-7", "1.5", Kind.DOUBLE, 0),
        ("2020-01-05", "Pre-PQ Process", Kind.DATE, 0),
        ("2020-01-05", "2020-01-05 12:30:00", Kind.DATE, 0),
        ("true", "?", Kind.BOOLEAN, 0),
        ("王府井", "17", Kind.TEXT, 0),
    ],
)
def test_no_single_row_decides(put, usual, odd, kind, decimals):
    for cells in ([usual] * 200, [*[usual] * 200, odd]):
        path = put("a.csv", "\n".join(["x", *cells]).encode())
        found = infer(open_source(path))["x"]
        assert (found.type, found.decimals) == (kind, decimals)
    # More than a few rows do, and a leading zero always: it would be lost.
    many = put("a.csv", "\n".join(["x", *[usual] * 100, *["17 a"] * 100]).encode())
    assert infer(open_source(many))["x"].type is Kind.TEXT
    zero = put("a.csv", "\n".join(["x", *[usual] * 200, "017"]).encode())
    assert infer(open_source(zero))["x"].type is Kind.TEXT


def test_the_block_is_a_policy(put):
    suggested = infer(open_source(put("a.csv", DATA.encode())))
    block = columns_block(suggested)
    text = (
        "dataset: d\ntitle: {en: x}\npublisher: p\nlicence: l\nstewards: [w]\n"
        "tables:\n  t:\n    protection: open\n" + "".join(f"    {line}\n" for line in block.splitlines())
    )
    assert dict(read_policy(text).tables["t"].columns) == dict(suggested)


def test_types_from_parquet(tmp_path):
    table = pa.table(
        {
            "i": pa.array([1], pa.int8()),
            "d": pa.array([Decimal("1.5")], pa.decimal128(30, 12)),
            "f": pa.array([1.5], pa.float32()),
            "b": [True],
            "y": [dt.date(2020, 1, 1)],
            "t": pa.array([dt.datetime(2020, 1, 1)], pa.timestamp("ns")),
            "s": pa.array(["x"]).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    found = infer(open_source(str(tmp_path / "a.parquet")))
    assert [column.type.value for column in found.values()] == [
        "integer", "decimal", "double", "boolean", "date", "timestamp", "text",
    ]  # fmt: skip
    assert (found["d"].digits, found["d"].decimals) == (18, 9)


def test_only_the_head_is_read(put):
    path = put("a.csv", b"x\n" + b"123456789\n" * 3_000_000 + "王\n".encode("gbk"))
    assert infer(open_source(path))["x"].type is Kind.INTEGER


def test_header_only(put):
    path = put("a.csv", b"a,b\n")
    assert Read(open_source(path)).rows == []
    assert {column.type for column in infer(open_source(path)).values()} == {Kind.TEXT}
