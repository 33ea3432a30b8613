"""Dirty properties of real public datasets, each met by what happens to it.

The bytes here are made in the same manner as those of the datasets that are named; the datasets do not ship.
"""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from sandbox.errors import ErrorCode
from sandbox.ingest.connect import open_source
from sandbox.ingest.infer import infer
from sandbox.ingest.source import BadRecord, Source
from sandbox.ingest.validate import Validator
from sandbox.policy.types import ColumnPolicy, Kind
from tests.ingest.conftest import refusal

UNREADABLE = ErrorCode.SOURCE_UNREADABLE


@pytest.fixture
def put(tmp_path: Path):
    def write(name: str, data: bytes | str, encoding: str = "utf-8") -> str:
        (tmp_path / name).write_bytes(data if isinstance(data, bytes) else data.encode(encoding))
        return str(tmp_path / name)

    return write


@pytest.fixture
def declare(tmp_path: Path):
    """A source file beside the data."""

    def write(text: str) -> Source:
        (tmp_path / "it.source.yaml").write_text(text, "utf-8")
        return open_source(str(tmp_path / "it.source.yaml"))

    return write


def checked(source: Source, **kinds: Any) -> tuple[list[dict[str, Any]], list[BadRecord]]:
    """Rows of the declared types, and what was set aside."""
    policy = {
        name: ColumnPolicy.model_validate({"type": kind} if isinstance(kind, str) else kind)
        for name, kind in kinds.items()
    }
    validator = Validator(policy)
    rows: list[dict[str, Any]] = []
    bad: list[BadRecord] = []
    for batch in source.batches(tuple(kinds)):
        done = validator.check(batch)
        rows += done.rows.to_pylist()
        bad += done.bad
    return rows, bad


def zipped(**files: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/") + ".csv", text)
    return out.getvalue()


# diabetes130us, adult_census


def test_question_marks_are_nulls_where_declared_and_the_word_none_is_a_category(put):
    path = put("a.csv", "weight,max_glu,age,diag\n?,None,[70-80),250.83\n[75-100),>200,[0-10),V27")
    rows, bad = checked(open_source(path, {"nulls": ["?"]}), weight="text", max_glu="text", age="text")
    assert [row["weight"] for row in rows] == [None, "[75-100)"]
    assert [row["max_glu"] for row in rows] == ["None", ">200"]
    assert not bad, "the last line has no line break, and is a row all the same"
    assert infer(open_source(path))["diag"].type is Kind.TEXT, "codes that mix digits and letters are text"


def test_undeclared_question_marks_in_a_number_column_are_set_aside(put):
    rows, bad = checked(
        open_source(put("a.csv", "age,hours-per-week\n39,?\n50,13\n")), **{"hours-per-week": "integer"}
    )
    assert [row["hours-per-week"] for row in rows] == [13]
    assert [(one.record, one.column) for one in bad] == [(2, "hours-per-week")]


# online_retail


def test_daily_files_in_one_archive_ids_written_as_doubles_and_repeated_rows(put):
    line = "InvoiceNo,CustomerID,Quantity,Description\n"
    days = zipped(
        by_day__2010_12_01=line + "536365,17850.0,6,WHITE T-LIGHT\n536365,17850.0,6,WHITE T-LIGHT\n",
        by_day__2010_12_02=line + "C536379,,-1,Rosé ½\n536380,14688.0,2,\n",
    )
    source = open_source(put("days.zip", days))
    rows, bad = checked(
        source, InvoiceNo="text", CustomerID="integer", Quantity="integer", Description="text"
    )
    assert [row["CustomerID"] for row in rows] == [17850, 17850, None, 14688], "repeated rows stay rows"
    assert (rows[2]["InvoiceNo"], rows[2]["Quantity"], rows[2]["Description"]) == ("C536379", -1, "Rosé ½")
    assert rows[3]["Description"] is None
    assert not bad


# nafld, beijing_prsa_air, nycflights13


def test_dots_in_names_negative_days_and_na(put):
    path = put("a.csv", "case.id,PM2.5,days,CO\n1,4.5,-12,NA\n2,NA,3,300\n")
    rows, bad = checked(
        open_source(path, {"nulls": ["NA"]}),
        **{"case.id": "integer", "PM2.5": "double", "days": "integer", "CO": "integer"},
    )
    assert rows == [
        {"case.id": 1, "PM2.5": 4.5, "days": -12, "CO": None},
        {"case.id": 2, "PM2.5": None, "days": 3, "CO": 300},
    ]
    assert not bad


def test_times_at_volume_and_hours_written_as_integers(put):
    path = put(
        "a.csv", "time_hour,dep_time,tailnum\n2013-01-01 05:00:00,517,N14228\n2013-01-01T06:00:00Z,,\n"
    )
    rows, bad = checked(open_source(path), time_hour="timestamp", dep_time="integer", tailnum="text")
    assert rows == [
        {"time_hour": datetime(2013, 1, 1, 5), "dep_time": 517, "tailnum": "N14228"},
        {"time_hour": datetime(2013, 1, 1, 6), "dep_time": None, "tailnum": None},
    ]
    assert not bad


def test_a_date_over_four_columns_stays_four_columns(put):
    rows, _ = checked(
        open_source(put("a.csv", "year,month,day,hour\n2013,3,1,0\n")),
        year="integer",
        month="integer",
        day="integer",
        hour="integer",
    )
    assert rows == [{"year": 2013, "month": 3, "day": 1, "hour": 0}]


# uk_gender_pay_gap


def test_yearly_files_whose_columns_grow_are_refused_together(put, tmp_path):
    put("gpg_2017.csv", "EmployerName,CompanyNumber\nA,00012345\n")
    put("gpg_2019.csv", "EmployerName,CompanyNumber,DueDate\nA,00012345,x\n")
    error = refusal(UNREADABLE, lambda: open_source(str(tmp_path / "gpg_*.csv")).columns())
    assert "gpg_2019.csv" in error.message


def test_line_breaks_in_addresses_many_codes_in_a_cell_and_leading_zeros(put):
    data = 'CompanyNumber,Address,SicCodes\r\n00012345,"1 High St,\nLeeds","1,\n85200"\r\n'
    source = open_source(put("a.csv", data))
    assert infer(source)["CompanyNumber"].type is Kind.TEXT
    rows, bad = checked(source, CompanyNumber="text", Address="text", SicCodes="text")
    assert rows == [{"CompanyNumber": "00012345", "Address": "1 High St,\nLeeds", "SicCodes": "1,\n85200"}]
    assert not bad


# jp_edinet_codes

JAPANESE = (
    "ダウンロード実行日,2024年07月21日現在,件数,2件\r\n"
    "ＥＤＩＮＥＴコード,提出者名,決算日,所在地\r\n"
    "E00004,カネコ種苗株式会社,5月31日,前橋市古市町\r\n"
    "E00006,株式会社ホクリヨウ,3月31日,札幌市白石区\r\n"
)


def test_a_title_line_full_width_names_and_days_without_a_year(put):
    path = put("a.csv", JAPANESE, "cp932")
    options = {"encoding": "cp932", "skip_lines": 1}
    rows, bad = checked(open_source(path, options), **{"ＥＤＩＮＥＴコード": "text", "決算日": "text"})
    assert rows[0] == {"ＥＤＩＮＥＴコード": "E00004", "決算日": "5月31日"}
    assert not bad
    rows, bad = checked(open_source(path, options), 決算日="date")
    assert not rows, "a day without a year is no date: set aside, never completed"
    assert [one.record for one in bad] == [3, 4]


TAIWANESE = (
    "鄉鎮市區,交易標的,門牌\r\n文山區,房地(土地+建物),臺北市文山區忠順街二段\r\n"
    "信義區,車位,臺北市信義區松仁路\r\n"
)


@pytest.mark.parametrize(
    ("text", "real"), [(JAPANESE, "cp932"), (TAIWANESE, "big5"), (JAPANESE, "utf-8"), (JAPANESE, "euc_jp")]
)
def test_another_encoding_declared_as_gb18030_is_asked_about(put, text, real):
    path = put("a.csv", text, real)
    error = refusal(UNREADABLE, lambda: open_source(path, {"encoding": "gb18030"}).columns())
    assert {"big5": "cp950"}.get(real, real) in error.message
    assert "encoding_is_certain" in error.hint
    for cell in text.replace("\r\n", ",").split(","):
        assert not cell.strip() or cell not in str(error)
    certain = {"encoding": "gb18030", "encoding_is_certain": True}
    if real in ("cp932", "big5"):
        assert open_source(path, certain).columns(), "a person may answer for it"


MAINLAND = (
    "编号,公司名称,注册地址\r\n1,深圳国华网安科技股份有限公司,广东省深圳市南山区\r\n"
    "2,平安银行股份有限公司,深圳市罗湖区\r\n"
)
WRITTEN_IN = {"gb18030": MAINLAND, "big5": TAIWANESE, "cp932": JAPANESE}


@pytest.mark.parametrize("declared", WRITTEN_IN)
@pytest.mark.parametrize("real", WRITTEN_IN)
def test_none_of_the_three_is_taken_for_another(put, real, declared):
    path = put("a.csv", WRITTEN_IN[real], real)
    if declared == real:
        assert open_source(path, {"encoding": declared}).columns()
        return
    error = refusal(UNREADABLE, lambda: list(open_source(path, {"encoding": declared}).batches()))
    assert {"big5": "cp950"}.get(real, real) in error.message


@pytest.mark.parametrize("declared", ["latin-1", "cp1252", "cp932", "big5"])
def test_gbk_declared_as_something_else_is_asked_about(put, declared):
    text = (
        "编号,公司名称,注册地址\n1,深圳国华网安科技股份有限公司,广东省深圳市南山区\n"
        "2,平安银行股份有限公司,深圳市罗湖区\n"
    )
    path = put("a.csv", text, "gbk")
    error = refusal(UNREADABLE, lambda: list(open_source(path, {"encoding": declared}).batches()))
    assert "gb18030" in error.message


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("编号,姓名\n1,王喆\n2,李璟\n3,䶮昱\n", "gb18030"),
        ("項目,說明\n1,臺灣臺北市政府\n2,繁體中文以國標編碼\n", "gb18030"),
        ("名前,住所\n1,髙橋\n2,東京都ソ連\n3,ﾃﾞｰﾀ\n", "cp932"),
        ("ｶﾀｶﾅ,ﾃﾞｰﾀ\nﾔﾏﾀﾞ,ﾀﾛｳ\nｽｽﾞｷ,ﾊﾅｺ\n", "cp932"),
        ("nom,ville\nÉléonore,Besançon\nZoë,Orléans\nœuvre,Nîmes\n", "cp1252"),
        ("имя,город\nИван,Москва\nСергей,САМАРА\n", "cp1251"),
        ("이름,도시\n김철수,서울특별시\n", "cp949"),
    ],
)
def test_right_encodings_are_believed(put, text, encoding):
    source = open_source(put("a.csv", text, encoding), {"encoding": encoding})
    names = source.columns()
    got = [names, *(tuple(row.values()) for batch in source.batches() for row in batch.rows.to_pylist())]
    assert got == [tuple(line.split(",")) for line in text.splitlines()]


# cn_listed_companies, cn_admin_divisions, us_california_housing


def workbook(*sheets: tuple[str, list[list[Any]]], merge: str = "") -> bytes:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    for name, rows in sheets:
        sheet = book.add_worksheet(name)
        for place, row in enumerate(rows):
            sheet.write_row(place, 0, row)
        if merge:
            sheet.merge_range(merge, rows[0][0])
    book.close()
    return out.getvalue()


def test_a_workbook_with_empty_sheets_and_a_stray_quote_in_a_name(put):
    data = workbook(
        ("Sheet1", [["证券代码", "证券中文简称'"], ["000004.SZ", "国农科技"]]), ("Sheet2", []), ("Sheet3", [])
    )
    rows, _ = checked(open_source(put("公司名单.xlsx", data)), **{"证券中文简称'": "text"})
    assert rows == [{"证券中文简称'": "国农科技"}]


def test_several_full_sheets_are_asked_about(put):
    path = put("a.xlsx", workbook(("一", [["a"], [1]]), ("二", [["a"], [2]]), ("空", [])))
    error = refusal(UNREADABLE, lambda: open_source(path).columns())
    assert "一, 二" in error.hint
    for sheet in ("二", "2"):
        rows, _ = checked(open_source(path, {"sheet": sheet}), a="integer")
        assert rows == [{"a": 2}]
    refusal(UNREADABLE, lambda: open_source(path, {"sheet": "三"}).columns())
    refusal(UNREADABLE, lambda: open_source(path, {"sheet": "空"}).columns())


def test_a_merged_title_codes_as_numbers_indented_names_and_footnotes(put):
    rows = [
        ["2023年中华人民共和国县以上行政区划代码", ""],
        ["行政区划代码", "单位名称"],
        [110000, "北京市"],
        [110101, "   东城区"],
        ["", ""],
        ["注：1.香港、澳门", ""],
    ]
    path = put("行政区划.xlsx", workbook(("区划", rows), merge="A1:B1"))
    options = {"skip_lines": 1, "footer_lines": 1}
    got, bad = checked(open_source(path, options), 行政区划代码="text", 单位名称="text")
    assert got == [
        {"行政区划代码": "110000", "单位名称": "北京市"},
        {"行政区划代码": "110101", "单位名称": "   东城区"},
    ], "a code is its digits, an indented name stays as it came"
    assert not bad
    _, bad = checked(open_source(path, {"skip_lines": 1}), 行政区划代码="integer")
    assert [one.record for one in bad] == [6], "an undeclared footnote is set aside with its row"


def test_a_workbook_of_numbers(put):
    rows, bad = checked(
        open_source(put("h.xlsx", workbook(("h", [["value", "beds"], [500001, 129.0], [452600.5, ""]])))),
        value="double",
        beds="integer",
    )
    assert rows == [{"value": 500001.0, "beds": 129}, {"value": 452600.5, "beds": None}]
    assert not bad


# cn_covid_dxy


def test_chinese_values_under_english_names_and_dates_without_a_year(put):
    path = put("a.csv", "provinceName,confirmed,updateTime\n广东省,1294,2/15\n广东省,1294,2/15\n", "gbk")
    source = open_source(path, {"encoding": "gbk"})
    rows, bad = checked(source, provinceName="text", confirmed="integer", updateTime="text")
    assert [row["confirmed"] for row in rows] == [1294, 1294], "what is counted twice is the steward's to say"
    rows, bad = checked(source, updateTime="date")
    assert not rows
    assert len(bad) == 2


# tw_real_price

ROC = (
    "\ufeff鄉鎮市區,交易年月日,總樓層數,車位移轉總面積(平方公尺)\n"
    "The villages and towns urban district,transaction year month and day,total floor number,berth area\n"
    "文山區,991126,十五層,40.7\n中正區,1020830,六層,0.0\n大安區,0790524,,1\n大安區,1021340,,1\n"
)


def test_roc_dates_of_six_and_seven_digits_and_a_second_header_line(put, declare):
    put("a.csv", ROC)
    source = declare(
        "location: a.csv\n"
        "options: {header_lines: 2, header_names: first}\n"
        "columns: {交易年月日: {written: roc date}}\n"
    )
    rows, bad = checked(source, 交易年月日="date", 總樓層數="text", **{"車位移轉總面積(平方公尺)": "double"})
    assert [row["交易年月日"] for row in rows] == [date(2010, 11, 26), date(2013, 8, 30), date(1990, 5, 24)]
    assert rows[0]["總樓層數"] == "十五層", "a Chinese number is a text"
    assert [(one.record, one.column) for one in bad] == [(6, "交易年月日")], "there is no month 13"
    assert "1021340" in bad[0].raw


def test_an_undeclared_second_header_line_is_set_aside(put):
    _, bad = checked(open_source(put("a.csv", ROC)), **{"車位移轉總面積(平方公尺)": "double"})
    assert [one.record for one in bad] == [2]


def test_header_lines_joined(put):
    source = open_source(put("a.csv", ROC), {"header_lines": 2})
    assert source.columns()[0] == "鄉鎮市區 The villages and towns urban district"
    merged = open_source(
        put("b.csv", "地区,2020年,,2021年,\n,人口,GDP,人口,GDP\n沪,1,2,3,4\n"), {"header_lines": 2}
    )
    assert merged.columns() == ("地区", "2020年 人口", "2020年 GDP", "2021年 人口", "2021年 GDP")


# scms_delivery

SHIPMENTS = (
    "\ufeffID,PQ Date,Delivered,Weight (Kilograms),Freight Cost (USD)\n"
    "1,Pre-PQ Process,02-Jun-06,13,780.34\n"
    "3,2010-06-07,6/7/10,Weight Captured Separately,Freight Included in Commodity Cost\n"
    "4,6/7/10,2010-06-07,See DN-304 (ID#:10589),See DN-304 (ID#:10589)\n"
)


@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n"])
def test_texts_in_number_columns_and_every_line_end(put, line_end):
    path = put("a.csv", SHIPMENTS.replace("\n", line_end))
    rows, bad = checked(open_source(path), **{"ID": "integer", "Weight (Kilograms)": "integer"})
    assert rows == [{"ID": 1, "Weight (Kilograms)": 13}]
    assert [(one.record, one.column) for one in bad] == [(3, "Weight (Kilograms)"), (4, "Weight (Kilograms)")]
    rows, bad = checked(open_source(path), **{"Weight (Kilograms)": "text"})
    assert not bad, "as a text the whole column is kept"


def test_cr_line_ends_in_other_encodings(put):
    path = put("a.csv", "编号,名\r1,王\r2,李\r", "gbk")
    rows, _ = checked(open_source(path, {"encoding": "gbk"}), 名="text")
    assert [row["名"] for row in rows] == ["王", "李"]
    error = refusal(UNREADABLE, lambda: list(open_source(path).columns()))
    assert "line 1" in error.message


def test_a_column_of_mixed_dates(put, declare):
    put("a.csv", SHIPMENTS)
    source = declare(
        "location: a.csv\n"
        "columns: {Delivered: {written: day month year}, PQ Date: {written: month/day/year}}\n"
    )
    rows, bad = checked(source, Delivered="date")
    assert [row["Delivered"] for row in rows] == [date(2006, 6, 2), date(2010, 6, 7)], "ISO days need no word"
    assert [one.record for one in bad] == [3], "one way of writing is declared; another is set aside"
    rows, bad = checked(source, **{"PQ Date": "date"})
    assert [row["PQ Date"] for row in rows] == [date(2010, 6, 7), date(2010, 6, 7)]
    assert [one.record for one in bad] == [2]


# kosovo_procurement

CONTRACTS = (
    '1,"9,500.00",“Bartja” e nxënësve,"21,01,2013"\n2,30000,DPT Dallas,01-31.05.2013\n3,100.50\n4,5,6,7,8\n'
)


def test_no_header_ragged_rows_and_thousands_separators(put, declare, tmp_path):
    (tmp_path / "k.zip").write_bytes(
        zipped(procurements__Ferizaj__2013=CONTRACTS, procurements__Gjakova__2014=CONTRACTS)
    )
    source = declare(
        "location: k.zip\n"
        "options: {header: false, names: [nr, vlera, pershkrimi, data], member: '*.csv'}\n"
        "columns: {vlera: {written: thousands}}\n"
    )
    rows, bad = checked(source, vlera={"type": "decimal", "decimals": 2}, pershkrimi="text", data="text")
    assert [row["vlera"] for row in rows[:2]] == [Decimal("9500.00"), Decimal("30000.00")]
    assert rows[0]["pershkrimi"] == "“Bartja” e nxënësve"
    assert rows[1]["data"] == "01-31.05.2013", "a range of days stays a text"
    assert [(one.part, one.record) for one in bad] == [
        ("procurements/Ferizaj/2013.csv", 3),
        ("procurements/Ferizaj/2013.csv", 4),
        ("procurements/Gjakova/2014.csv", 3),
        ("procurements/Gjakova/2014.csv", 4),
    ]
    _, bad = checked(open_source(str(tmp_path / "k.zip"), {"header": False}), column_2="decimal")
    assert "9,500.00" in bad[2].raw or "9,500.00" in bad[0].raw, "undeclared separators are set aside"
