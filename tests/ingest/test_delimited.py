"""CSV and TSV bytes as people really send them."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.errors import ErrorCode
from sandbox.ingest.connect import open_source
from tests.ingest.conftest import Read, refusal

UNREADABLE = ErrorCode.SOURCE_UNREADABLE


def test_plain(read):
    got = read("a.csv", b'id,case.id,name\n1,2,x\n3,,""\n')
    assert got.columns == ("id", "case.id", "name")
    assert got.rows == [{"id": "1", "case.id": "2", "name": "x"}, {"id": "3", "case.id": None, "name": None}]
    assert got.records == [2, 3]
    assert not got.bad


@pytest.mark.parametrize("encoding", ["gbk", "gb18030", "gb2312", "utf-16", "utf-8", "utf-8-sig", "big5"])
def test_chinese_headers_and_cells(read, encoding):
    text = (
        "编号,姓名,城市\r\n1,王小明,北京\r\n2,李四,上海\r\n"
        if encoding != "big5"
        else "編號,姓名,城市\r\n1,王小明,臺北\r\n"
    )
    declared = {} if encoding in ("utf-8", "utf-8-sig", "utf-16") else {"encoding": encoding}
    got = read("a.csv", text.encode(encoding), **declared)
    assert [list(got.columns), *([*row.values()] for row in got.rows)] == list(csv.reader(io.StringIO(text)))


def test_cp932_with_backslash_bytes(read):
    text = "番号\t住所\n1\t東京都 表示ソ十\n"
    got = read("a.tsv", text.encode("cp932"), encoding="cp932")
    assert got.rows == [{"番号": "1", "住所": "東京都 表示ソ十"}]


def test_gbk_reaches_gb18030(read):
    got = read("a.csv", "名\n€𠀀\n".encode("gb18030"), encoding="gbk")
    assert got.rows == [{"名": "€𠀀"}]


def test_undeclared_gbk_is_refused_with_line_and_byte(put):
    data = b"id,name\n" + b"1,abc\n" * 400_000 + "2,王\n".encode("gbk") + b"3,x\n"
    source = open_source(put("a.csv", data), {})
    error = refusal(UNREADABLE, lambda: Read(source))
    assert "line 400002" in error.message
    assert f"byte {8 + 6 * 400_000 + 2} " in error.message
    assert "gb18030" in error.hint


def test_mixed_encodings_quarantine_the_wrong_records_only(read):
    data = "id,name\n1,王\n".encode() + "2,李\n".encode("gbk") + "3,张\n".encode()
    got = read("a.csv", data, encoding="utf-8")
    assert [row["id"] for row in got.rows] == ["1", "3"]
    assert [(bad.record, bad.column) for bad in got.bad] == [(3, "name")]
    assert "\\xc0\\xee" in got.bad[0].raw
    assert got.records == [2, 4]


def test_wrong_bytes_in_a_column_nobody_asked_for_cost_nothing(read):
    got = read("a.csv", "id,name\n1,王\n".encode("gbk"), ["id"], encoding="utf-8")
    assert got.rows == [{"id": "1"}]


def test_a_cut_character_at_a_chunk_border_is_whole(read):
    data = b"n\n" + ("王" * 30 + "\n").encode() * 60_000
    got = read("a.csv", data)
    assert len(got.rows) == 60_000
    assert {row["n"] for row in got.rows} == {"王" * 30}
    assert got.batches > 1


def test_declared_gb18030_with_a_utf8_mark_is_refused(put):
    path = put("a.csv", b"\xef\xbb\xbfid\n1\n")
    refusal(UNREADABLE, lambda: open_source(path, {"encoding": "gb18030"}).columns())


def test_utf16_without_mark_is_refused(put):
    path = put("a.csv", "id,name\n1,x\n".encode("utf-16-le"))
    error = refusal(UNREADABLE, lambda: open_source(path, {}).columns())
    assert "utf-16" in error.hint
    refusal(UNREADABLE, lambda: open_source(path, {"encoding": "utf-16"}).columns())
    assert Read(open_source(path, {"encoding": "utf-16-le"})).rows == [{"id": "1", "name": "x"}]


def test_ragged_rows_keep_their_text_and_number(read):
    got = read("a.csv", b"a,b\n1,2\n3\n4,5,6\n7,8\n9\n")
    assert [row["a"] for row in got.rows] == ["1", "7"]
    assert [(bad.record, bad.raw) for bad in got.bad] == [(3, "3"), (4, "4,5,6"), (6, "9")]
    assert got.records == [2, 5]
    assert "2 cells expected, 3 found" in got.bad[1].reason


def test_numbers_stay_true_over_many_blocks(read):
    lines = [f"{n},x" if n % 1000 else f"{n}" for n in range(2, 300_002)]
    got = read("a.csv", ("n,x\n" + "\n".join(lines) + "\n").encode(), longest_record=65_536)
    assert got.batches > 10
    assert [int(row["n"]) for row in got.rows] == got.records
    assert [int(bad.raw) for bad in got.bad] == [bad.record for bad in got.bad]


def test_quoted_line_breaks_delimiters_and_quotes(read):
    got = read("a.csv", b'a,b\n"1\n2","x,""y"""\r\n3,4\n')
    assert got.rows == [{"a": "1\n2", "b": 'x,"y"'}, {"a": "3", "b": "4"}]
    assert got.records == [2, 3], "record numbers, where cells hold line breaks"


def test_quoted_header_over_two_lines(read):
    got = read("a.csv", b'"a\nb",c\n1,2\n')
    assert got.columns == ("a\nb", "c")
    assert got.records == [3]


def test_no_quotes(read):
    got = read("a.tsv", b'a\tb\n5"\tx\n"y\tz\n', quote="")
    assert [row["a"] for row in got.rows] == ['5"', '"y']


def test_skipped_lines_and_no_header(read):
    got = read("a.csv", "来源:统计局\n\n1;2\n3;4\n".encode(), skip_lines=2, header=False, delimiter=";")
    assert got.columns == ("column_1", "column_2")
    assert [row["column_2"] for row in got.rows] == ["2", "4"]
    assert got.records == [3, 4]


def test_null_markers(read):
    got = read("a.csv", b"a,b\nNA,1\n-,NA\nx,\n", nulls=["NA", "-"])
    assert got.rows == [{"a": None, "b": "1"}, {"a": None, "b": None}, {"a": "x", "b": ""}]


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf", b"\r\n"])
def test_empty_files(put, data):
    path = put("a.csv", data)
    assert "empty" in refusal(UNREADABLE, lambda: open_source(path, {}).columns()).message


@pytest.mark.parametrize("data", [b"a,b", b"a,b\n", b"a,b\n\n\n"])
def test_header_only(read, data):
    got = read("a.csv", data)
    assert got.columns == ("a", "b")
    assert got.rows == []


def test_only_ragged_rows(read):
    got = read("a.csv", b"a,b\n1\n2\n")
    assert got.rows == []
    assert [bad.record for bad in got.bad] == [2, 3]


def test_huge_line_and_open_quote(put):
    huge = put("a.csv", b"a,b\n1,2\n1," + b"x" * 9_000_000 + b"\n3,4\n")
    error = refusal(UNREADABLE, lambda: Read(open_source(huge, {})))
    assert "longer than 4194304 bytes" in error.message
    open_quote = put("b.csv", b'a,b\n1,"2\n' + b"3,4\n" * 3_000_000)
    assert "quote" in refusal(UNREADABLE, lambda: Read(open_source(open_quote, {}))).hint
    header = put("c.csv", b"x" * 5_000_000)
    refusal(UNREADABLE, lambda: open_source(header, {}).columns())
    assert len(Read(open_source(huge, {"longest_record": 16 << 20})).rows) == 3


def test_nul_bytes(read):
    got = read("a.csv", b"a,b\n1,x\0y\n2,z\n")
    assert [row["a"] for row in got.rows] == ["2"]
    assert [(bad.record, bad.column, bad.reason) for bad in got.bad] == [(2, "b", "NUL character")]


def test_gzip(read, put):
    data = b"a,b\n" + b"1,2\n" * 1000
    assert len(read("a.csv.gz", gzip.compress(data)).rows) == 1000
    cut = put("b.csv.gz", gzip.compress(data)[:-20])
    assert "gzip" in refusal(UNREADABLE, lambda: Read(open_source(cut, {}))).message
    no_gzip = put("c.csv.gz", data)
    refusal(UNREADABLE, lambda: open_source(no_gzip, {}).columns())


def test_gzip_bomb(put):
    bomb = io.BytesIO()
    with gzip.GzipFile(fileobj=bomb, mode="wb", compresslevel=9) as file:
        file.write(b"a,b\n")
        for _ in range(100):
            file.write(b"1,2\n" * 262_144)
    path = put("a.csv.gz", bomb.getvalue())
    assert "expands" in refusal(UNREADABLE, lambda: Read(open_source(path, {}))).message


def test_names_twice_or_empty(put, read):
    twice = put("a.csv", b"a,b,a\n1,2,3\n")
    assert "twice: a" in refusal(UNREADABLE, lambda: open_source(twice, {}).columns()).message
    got = read("b.csv", b",a\n0,1\n")
    assert got.columns == ("(column 1)", "a")


def test_only_columns_asked_for(read):
    got = read("a.csv", b"a,b,c\n1,2,3\n", ["c", "a"])
    assert got.rows == [{"c": "3", "a": "1"}]


def test_glob(tmp_path, put):
    put("x1.csv", b"a,b\n1,2\n")
    put("x2.csv", b"a,b\n3\n4,5\n")
    got = Read(open_source(str(tmp_path / "x*.csv"), {}))
    assert [row["a"] for row in got.rows] == ["1", "4"]
    assert [(bad.part, bad.record) for bad in got.bad] == [("x2.csv", 2)]
    put("x3.csv", b"b,a\n1,2\n")
    error = refusal(UNREADABLE, lambda: open_source(str(tmp_path / "x*.csv"), {}).columns())
    assert "x3.csv" in error.message
    refusal(UNREADABLE, lambda: open_source(str(tmp_path / "y*.csv"), {}))


def test_paths_that_are_no_files(tmp_path):
    for location in (tmp_path / "none.csv", tmp_path, Path("/dev/zero")):
        refusal(UNREADABLE, lambda at=location: open_source(str(at), {"format": "csv"}))


def test_wrong_options(put):
    path = put("a.csv", b"a\n1\n")
    for options in (
        {"encodng": "gbk"},
        {"encoding": "rot13"},
        {"encoding": "utf-7"},
        {"delimiter": "，"},
        {"delimiter": "||"},
        {"skip_lines": -1},
        {"format": "xls"},
        {"header": "no"},
        {"longest_record": True},
    ):
        refusal(ErrorCode.ARGUMENT, lambda options=options: open_source(path, options))
    assert "encoding" in refusal(ErrorCode.ARGUMENT, lambda: open_source(path, {"encodng": "gbk"})).hint
    refusal(ErrorCode.ARGUMENT, lambda: open_source(put("a.bin", b""), {}))
    refusal(ErrorCode.ARGUMENT, lambda: open_source(path, connector="nothing"))


def test_description_has_size_and_place(put):
    path = put("数据.csv", b"a\n1\n")
    described = open_source(path).describe()
    assert (described.name, described.size) == ("数据.csv", 4)
    assert described.uri.startswith("file:///")


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufdd0\ufeff"), max_size=8)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(CELL, CELL), min_size=1, max_size=20), st.sampled_from(["utf-8", "gb18030", "utf-16"])
)
def test_any_text_comes_back(tmp_path_factory, rows, encoding):
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([("a", "b"), *rows])
    path = tmp_path_factory.mktemp("any") / "a.csv"
    path.write_bytes(out.getvalue().encode(encoding))
    certain = {"encoding": encoding, "encoding_is_certain": True, "nulls": []}
    got = Read(open_source(str(path), certain))
    assert [tuple(row.values()) for row in got.rows] == rows
    assert not got.bad
