"""Formats of files beyond delimited text, their own corners, and archives that mean harm."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
import xlsxwriter

from sandbox.errors import ErrorCode
from sandbox.ingest.connect import open_source
from tests.connectors.file_subjects import ods, parquet, shapes
from tests.connectors.subject import Published
from tests.ingest.conftest import Read, refusal

UNREADABLE = ErrorCode.SOURCE_UNREADABLE
FIXED: dict[str, Any] = {
    "format": "fixed",
    "encoding": "gb18030",
    "header": False,
    "widths": ["4", "10", "6"],
}


@pytest.fixture
def put(tmp_path: Path):
    def write(name: str, data: bytes) -> str:
        (tmp_path / name).write_bytes(data)
        return str(tmp_path / name)

    return write


def archive(files: dict[str, bytes], **how: Any) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, **how) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return out.getvalue()


def test_fixed_width_counts_bytes_of_the_encoding(put):
    lines = ["0001王小明    000012", "0002欧阳娜娜  -00003", "0003短", "", "0004王小明    000012多", "合计"]
    path = put("a.dat", "\n".join(lines).encode("gb18030"))
    got = Read(open_source(path, FIXED | {"names": ["id", "名", "n"], "footer_lines": 1}))
    assert [tuple(row.values()) for row in got.rows] == [
        ("0001", "王小明", "000012"),
        ("0002", "欧阳娜娜", "-00003"),
    ]
    assert [bad.record for bad in got.bad] == [3, 5]
    cut = put("b.dat", "0001王小明明明000012\n000王小明明明0000123\n".encode("gb18030"))
    assert [bad.record for bad in Read(open_source(cut, FIXED)).bad] == [2], (
        "a field that ends within a character"
    )


def test_fixed_width_in_characters_with_a_header(put):
    text = "编号  名称\n01  甲\n02  乙丙\n"
    got = Read(
        open_source(
            put("a.dat", text.encode("utf-16")),
            {"format": "fixed", "encoding": "utf-16", "widths_in": "characters", "widths": ["4", "2"]},
        )
    )
    assert got.rows == [{"编号": "01", "名称": "甲"}, {"编号": "02", "名称": "乙丙"}]
    refusal(ErrorCode.ARGUMENT, lambda: open_source(put("b.dat", b""), {"format": "fixed"}))
    refusal(ErrorCode.ARGUMENT, lambda: open_source(put("b.dat", b""), {"format": "fixed", "widths": ["x"]}))


def book() -> bytes:
    out = io.BytesIO()
    made = xlsxwriter.Workbook(out, {"in_memory": True})
    sheet = made.add_worksheet("2020")
    sheet.merge_range("B1:E1", "企业年报")
    sheet.write_row(
        "B3",
        [
            "编号",
            "收入",
            "",
            "日期",
        ],
    )
    sheet.write_row("B4", ["", "上年", "本年", ""])
    sheet.write_row("B5", [1, 1234567890123, 0.1])
    sheet.write_datetime("E5", datetime(2020, 1, 2), made.add_format({"num_format": "yyyy-mm-dd"}))
    sheet.write_row("B6", [2, True])
    sheet.write_formula("D6", "=1/0", None, "#DIV/0!")
    sheet.write_number("E6", 43831)
    sheet.write_row("B8", ["来源：统计局"])
    sheet.write_row("J5", ["旁注"])
    made.close()
    return out.getvalue()


def test_a_range_with_a_header_of_merged_cells(put):
    got = Read(open_source(put("a.xlsx", book()), {"range": "B3:E6", "header_lines": 2}))
    assert got.columns == ("编号", "收入 上年", "收入 本年", "日期")
    assert [tuple(row.values()) for row in got.rows] == [
        ("1", "1234567890123", "0.1", "2020-01-02"),
        ("2", "true", None, "43831"),
    ], "a cell that shows an error is null"
    assert got.records == [5, 6]
    whole = Read(open_source(put("b.xlsx", book()), {"skip_lines": 2, "header_lines": 2}))
    assert [bad.record for bad in whole.bad] == [5], "a note beside the table sets its row aside"
    for wrong in ("B3", "F3:B6", "3:4", "B9:F3"):
        refusal(ErrorCode.ARGUMENT, lambda wrong=wrong: open_source(put("c.xlsx", b""), {"range": wrong}))


def test_excel_serial_dates_are_declared(put, tmp_path):
    put("a.xlsx", book())
    (tmp_path / "a.source.yaml").write_text(
        "location: a.xlsx\n"
        "options: {range: 'B3:E6', header_lines: 2}\ncolumns: {日期: {written: excel date}}\n"
    )
    got = Read(open_source(str(tmp_path / "a.source.yaml")))
    assert [row["日期"] for row in got.rows] == ["2020-01-02", "2020-01-01"]


def test_workbooks_that_are_none(put):
    for name in ("a.xlsx", "a.xls", "a.ods"):
        refusal(UNREADABLE, lambda name=name: open_source(put(name, b"PK\x03\x04 no")).columns())
        refusal(UNREADABLE, lambda name=name: open_source(put(name, b"")).columns())
    empty = put("e.ods", ods([]))
    assert "empty" in refusal(UNREADABLE, lambda: open_source(empty).columns()).message


def test_a_cell_far_away_ends_the_reading_not_the_program(put):
    out = io.BytesIO()
    made = xlsxwriter.Workbook(out, {"in_memory": True})
    sheet = made.add_worksheet("s")
    sheet.write(0, 0, "a")
    sheet.write(1_048_575, 16_383, 1)
    made.close()
    error = refusal(UNREADABLE, lambda: open_source(put("far.xlsx", out.getvalue())).columns())
    assert "memory" in error.message
    assert "stray cell" in error.hint


def test_json_at_a_path(put):
    data = {
        "meta": {"n": 2},
        "data": {"rows": [{"id": 1, "地": {"市": "沪", "区": None}}, 5, {"id": 2.50, "地": []}]},
    }
    path = put("a.json", json.dumps(data, ensure_ascii=False).encode())
    got = Read(open_source(path, {"path": "data.rows"}), ["id", "地.市"])
    assert got.columns == ("id", "地.市", "地.区", "地")
    assert got.rows == [{"id": "1", "地.市": "沪"}, {"id": "2.5", "地.市": None}]
    assert [(bad.record, bad.raw) for bad in got.bad] == [(2, "5")]
    assert "path" in refusal(UNREADABLE, lambda: open_source(path).columns()).hint
    cut = put("b.json", b'[{"a": 1}, {"a": 2')
    refusal(UNREADABLE, lambda: Read(open_source(cut)))
    twice = Read(open_source(put("c.json", b'[{"a": 1, "a": 2}, {"a": 12345678901234567890.10}]')))
    assert twice.rows == [{"a": "12345678901234567890.10"}]
    assert [bad.reason for bad in twice.bad] == ["a key that is named twice"]


def test_geojson(put):
    ring = [[120.0, 30.0], [121.0, 30.0], [121.0, 31.5], [120.0, 30.0]]
    features = [
        {
            "type": "Feature",
            "id": "f1",
            "properties": {"名": "湖"},
            "geometry": {"type": "Polygon", "coordinates": [ring]},
        },
        {"type": "Feature", "id": "f2", "properties": {"名": "无"}, "geometry": None},
        {
            "type": "Feature",
            "id": "f3",
            "properties": {"名": "坏"},
            "geometry": {"type": "Point", "coordinates": ["x"]},
        },
        {
            "type": "Feature",
            "id": "f4",
            "properties": None,
            "geometry": {"type": "Point", "coordinates": [1, 2, 3]},
        },
    ]
    got = Read(
        open_source(
            put("a.geojson", json.dumps({"type": "FeatureCollection", "features": features}).encode())
        )
    )
    assert got.columns == ("id", "名", "geometry", "min_x", "min_y", "max_x", "max_y")
    assert [row["id"] for row in got.rows] == ["f1", "f2", "f4"]
    assert shapely.from_wkb(got.rows[0]["geometry"]).equals(shapely.Polygon(ring))
    assert [got.rows[0][name] for name in got.columns[3:]] == ["120.0", "30.0", "121.0", "31.5"]
    assert got.rows[1]["geometry"] is None
    assert shapely.from_wkb(got.rows[2]["geometry"]).z == 3
    assert [(bad.record, bad.reason) for bad in got.bad] == [(3, "not a geometry")]


def test_a_shapefile_in_a_folder_with_a_declared_encoding(put):
    table = Published(("名称",), (("浦东新区",), ("徐汇区",)))
    for ending, data in shapes(table, "gb18030").items():
        path = put(f"点.{ending}" if ending != "dbf" else "点.DBF", data)
    path = path.replace(".DBF", ".shp").replace(".shx", ".shp").replace(".dbf", ".shp")
    got = Read(open_source(path, {"encoding": "gb18030"}))
    assert [row["名称"] for row in got.rows] == ["浦东新区", "徐汇区"]
    assert (got.rows[0]["min_x"], got.rows[0]["max_y"]) == ("121.5", "31.25")
    assert "encoding" in refusal(UNREADABLE, lambda: Read(open_source(path))).hint
    put("点.cpg", b"GB18030")
    assert Read(open_source(path)).columns[0] == "名称"
    alone = put("b.shp", Path(path).read_bytes())
    assert ".dbf" in refusal(UNREADABLE, lambda: Read(open_source(alone))).message
    Path(path).write_bytes(b"\0" * 50)
    refusal(UNREADABLE, lambda: Read(open_source(path, {"encoding": "gb18030"})))


def test_archives_that_mean_harm(put):
    bomb = archive({"a.csv": b"a,b\n" + b"1,2\n" * 30_000_000})
    assert len(bomb) < 1 << 20
    for name, data in {
        "bomb.zip": bomb,
        "none.zip": b"PK\x05\x06",
        "nested.zip": archive({"b.zip": bomb}),
        "cut.zip": archive({"a.csv": b"a\n1\n"})[:-8],
        "nothing.zip": archive({"__MACOSX/a.csv": b"a\n1\n", ".hidden.csv": b"a\n1\n"}),
    }.items():
        refusal(UNREADABLE, lambda name=name, data=data: Read(open_source(put(name, data))))
    inner = put("bomb.csv.zip", archive({"a.csv.gz": gzip.compress(b"1,2\n" * 30_000_000)}))
    refusal(UNREADABLE, lambda: Read(open_source(inner)))
    sheet = put("bomb.xlsx", archive({"xl/worksheets/sheet1.xml": b" " * 200_000_000}))
    assert "expands" in refusal(UNREADABLE, lambda: open_source(sheet).columns()).message
    damaged = bytearray(archive({"a.csv": b"a,b\n" + bytes(range(48, 58)) * 2000}))
    damaged[60] ^= 0xFF
    refusal(UNREADABLE, lambda: Read(open_source(put("hit.zip", bytes(damaged)))))


def test_names_in_archives_made_where_they_are_gb18030(put):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr(zipfile.ZipInfo("XXXX.csv"), "a\n1\n")
    raw = out.getvalue().replace(b"XXXX", "数据".encode("gb18030"))
    got = Read(open_source(put("a.zip", raw), {"member": "数据*"}))
    assert got.rows == [{"a": "1"}]


def test_the_digest_is_that_of_the_bytes(put, tmp_path):
    source = open_source(put("a.csv", b"a\n1\n"))
    assert source.describe().digest is None, "known when it was read"
    Read(source)
    assert source.describe().digest == "sha256:" + hashlib.sha256(b"a\n1\n").hexdigest()
    put("b.csv", b"a\n2\n")
    both, changed = open_source(str(tmp_path / "?.csv")), open_source(str(tmp_path / "?.csv"))
    Read(both)
    put("b.csv", b"a\n3\n")
    Read(changed)
    assert both.describe().digest != changed.describe().digest


def test_a_file_that_vanishes_while_it_is_read_ends_the_load(put, tmp_path):
    source = open_source(put("a.csv", b"a\n1\n"))
    assert source.describe().hashes, "so its records are not hashed a second time"
    batches = source.batches()
    next(batches)
    (tmp_path / "a.csv").unlink()
    assert "to its end" in refusal(ErrorCode.SOURCE_UNREADABLE, lambda: list(batches)).message


def test_folders_as_partitions(tmp_path):
    for year in (2019, 2020):
        folder = tmp_path / f"年={year}" / "city=%E6%B2%AA"
        folder.mkdir(parents=True)
        (folder / "a.csv").write_text(f"x,y\n{year},1\n")
    got = Read(open_source(str(tmp_path / "**/*.csv"), {"partitions": True}), ["city", "x", "年"])
    assert got.columns == ("x", "y", "年", "city")
    assert [tuple(row.values()) for row in got.rows] == [("沪", "2019", "2019"), ("沪", "2020", "2020")]
    only = Read(open_source(str(tmp_path / "**/*.csv"), {"partitions": True}), ["年"])
    assert [row["年"] for row in only.rows] == ["2019", "2020"]


def test_a_file_that_changes_its_columns_before_it_is_read(put):
    """Between the header, by which a load is accepted, and the rows."""
    out = io.BytesIO()
    pq.write_table(pa.table({"b": ["2"]}), out)
    later = {
        "a.csv": (b"a\n1\n", b"b\n2\n", {}),
        "a.txt": (b"a \n1 \n", b"b \n2 \n", {"format": "fixed", "widths": ["2"]}),
        "a.xlsx": (cell("a"), cell("b"), {}),
        "a.parquet": (parquet(Published(("a",), (("1",),))), out.getvalue(), {}),
    }
    for name, (before, after, options) in later.items():
        source = open_source(put(name, before), options)
        assert source.columns() == ("a",)
        put(name, after)
        refusal(UNREADABLE, lambda source=source: list(source.batches(["a"])))


def cell(text: str) -> bytes:
    out = io.BytesIO()
    made = xlsxwriter.Workbook(out, {"in_memory": True})
    made.add_worksheet("s").write_column(0, 0, [text, "1"])
    made.close()
    return out.getvalue()
