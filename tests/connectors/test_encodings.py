"""Every declared encoding against every real one: another one is asked about, the right one is believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.errors import ErrorCode
from sandbox.ingest.connect import open_source
from tests.ingest.conftest import refusal

ROOT = Path(__file__).resolve().parents[2]

COMPANIES = (
    "编号,公司名称,注册地址\r\n1,深圳国华网安科技股份有限公司,广东省深圳市南山区\r\n"
    "2,平安银行股份有限公司,深圳市罗湖区\r\n"
)
PROVINCES = "provinceName,cityName,confirmed\n湖北省,武汉,39462\n广东省,深圳,386\n河南省,信阳,240\n"
ESTATES = (
    "鄉鎮市區,交易標的,門牌\r\n文山區,房地(土地+建物),臺北市文山區忠順街二段\r\n"
    "信義區,車位,臺北市信義區松仁路\r\n"
)
CODES = (
    "コード,提出者名,所在地\r\nE00004,カネコ種苗株式会社,前橋市古市町一丁目\r\n"
    "E00006,株式会社サカタのタネ,横浜市\r\n"
)
FIRMS = "이름,주소,회사\n김철수,서울특별시 강남구,삼성전자 주식회사\n이영희,부산광역시,한국전력공사\n"
TOWNS = "nom,prénom,ville\nBédard,Hélène,Montréal\nLefèvre,François,Besançon\nNuñez,José,Málaga\n"
STREETS = "имя,город\nСергей,Самара\nТатьяна,Москва\n"


def prose() -> str:
    """A long Chinese text that ships with the project, as a table of one column."""
    lines = (ROOT / "README.zh-CN.md").read_text("utf-8").replace('"', "").splitlines()
    return "文字\n" + "".join(f'"{line}"\n' for line in lines if line)


TEXTS = {
    "companies": (COMPANIES, ("gbk", "gb18030")),
    "provinces": (PROVINCES, ("gbk",)),
    "prose": (prose(), ("gbk", "gb18030")),
    "estates": (ESTATES, ("big5", "gb18030")),
    "codes": (CODES, ("cp932", "shift_jis", "euc_jp")),
    "firms": (FIRMS, ("euc_kr", "cp949")),
    "towns": (TOWNS, ("latin-1", "cp1252")),
    "streets": (STREETS, ("cp1251",)),
}
FAMILY = {
    "gbk": "gb18030",
    "big5": "cp950",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "latin-1": "cp1252",
}
UNICODE = ("utf-8", "utf-16-le", "utf-16-be")
DECLARED = (*FAMILY, "gb18030", "cp950", "cp932", "euc_jp", "cp949", "cp1252", *UNICODE)
PAIRS = [
    (name, real, declared)
    for name, (_, encodings) in TEXTS.items()
    for real in (*encodings, *UNICODE)
    for declared in DECLARED
]


def family(encoding: str) -> str:
    return FAMILY.get(encoding, encoding)


@pytest.mark.parametrize(("name", "real"), sorted({(name, real) for name, real, _ in PAIRS}))
def test_whatever_is_declared_no_text_loads_as_another(tmp_path, name, real):
    path = tmp_path / "a.csv"
    path.write_bytes(TEXTS[name][0].encode(real))
    for declared in DECLARED:
        source = open_source(str(path), {"encoding": declared})
        if family(declared) == family(real):
            assert sum(batch.rows.num_rows for batch in source.batches()) > 1, declared
            continue
        error = refusal(ErrorCode.SOURCE_UNREADABLE, lambda: list(source.batches()))  # noqa: B023
        # Western and Cyrillic code pages are told from East Asian ones and Unicode, not from each other.
        if {family(declared), real} != {"cp1252", "cp1251"}:
            assert f"read as {family(real)} it is" in error.message, declared


def test_a_file_with_letters_in_few_rows_is_asked_about_too(tmp_path):
    """A wrong byte sets its record aside; if these are few, the rest would load without a question."""
    rows = [f"{n},{'市辖区县城乡' if n % 100 == 50 else ''}" for n in range(2000)]
    rows[150] = "150,北京市朝阳区街道办事处"
    path = tmp_path / "a.csv"
    path.write_bytes(("n,note\n" + "\n".join(rows)).encode("gbk"))
    for declared in ("utf-8", "euc_jp"):
        error = refusal(
            ErrorCode.SOURCE_UNREADABLE,
            lambda: list(open_source(str(path), {"encoding": declared}).batches()),  # noqa: B023
        )
        assert "gb18030" in error.message


def test_utf_16_without_a_mark_is_told_by_its_zeros(tmp_path):
    path = tmp_path / "a.csv"
    for real in ("utf-16-le", "utf-16-be"):
        path.write_bytes("id,city\n1,Paris\n2,Lyon\n".encode(real))
        for declared in ("latin-1", "gb18030", "utf-8"):
            error = refusal(
                ErrorCode.SOURCE_UNREADABLE,
                lambda: open_source(str(path), {"encoding": declared}).columns(),  # noqa: B023
            )
            assert real in error.message


@pytest.mark.parametrize(
    "text",
    [
        "name\nสมชาย ใจดี\nสมหญิง รักไทย\n",  # no list of its common characters is kept
        "name\nNguyễn Thị Hương\nTrần Văn Đức\n",
        "name\nمحمد علي\nفاطمة حسن\n",
        "mood\n😀😀😀\n🎉🎉🎉\n🚀🚀\n",
    ],
)
def test_utf_8_of_any_language_is_believed_where_it_is_declared_and_asked_about_elsewhere(tmp_path, text):
    path = tmp_path / "a.csv"
    path.write_text(text, "utf-8")
    source = open_source(str(path), {"encoding": "utf-8"})
    assert [row for batch in source.batches() for row in batch.rows.column(0).to_pylist()] == text.split(
        "\n"
    )[1:-1]
    error = refusal(
        ErrorCode.SOURCE_UNREADABLE, lambda: list(open_source(str(path), {"encoding": "gb18030"}).batches())
    )
    assert "utf-8" in error.message


def test_records_with_wrong_bytes_are_set_aside_where_no_other_encoding_fits(tmp_path):
    path = tmp_path / "a.csv"
    lines = COMPANIES.encode("gbk").splitlines()
    path.write_bytes(b"\n".join([*lines, b"3,\xff\xff,x", b""]))
    batches = list(open_source(str(path), {"encoding": "gbk"}).batches())
    assert sum(batch.rows.num_rows for batch in batches) == 2
    assert [bad.record for batch in batches for bad in batch.bad] == [4]
