"""A steward's first dirty file, as docs/connectors.md tells it: every refusal says what comes next."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
import yaml

from tests.cli.terminal import Ran, sandbox
from tests.ingest.records import credit_code

DOCUMENT = Path(__file__).parents[2] / "docs" / "connectors.md"
PEOPLE = "people: {wang: {organisation: City, roles: [steward]}}\n"
UNITS = "units: {enterprise: {title: {en: An enterprise, zh: 企业}}}\n"
ROWS = 400


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A home, and 企业.csv beside it."""
    r = random.Random(4)
    lines = ["某市企业登记公开数据（2026年一季度）,,,,", "企业名称,统一社会信用代码,注册资本,成立日期,行业"]
    for number in range(ROWS):
        capital = f'"{r.randint(1_000, 99_999):,}.00"'
        trade = r.choice(["制造业", "批发业", "零售业", "软件业"])
        lines.append(f"某某有限公司{number},{credit_code(r)},{capital},2018/5/{number % 28 + 1},{trade}")
    lines += ['合计,,"1,234,567.00",,', "注：数据来源于市场监督管理局,,,,"]
    (tmp_path / "企业.csv").write_bytes("\r\n".join(lines).encode("gbk"))
    assert sandbox("init", home=tmp_path / "home").code == 0
    for name, text, who in (("people.yaml", PEOPLE, ()), ("units.yaml", UNITS, ("--as", "wang"))):
        (tmp_path / name).write_text(text, "utf-8")
        assert sandbox("policy", "publish", tmp_path / name, *who, home=tmp_path / "home").code == 0
    return tmp_path


def plan(folder: Path, *options: str) -> Ran:
    command = ("load", folder / "企业.csv", "--dataset", "registry", "--table", "company", "--plan", *options)
    return sandbox(*command, home=folder / "home")


def source_file() -> str:
    section = DOCUMENT.read_text("utf-8").split("## A first file")[1].split("\n## ")[0]
    found = re.search(r"```yaml\n(.*?)```", section, re.S)
    assert found
    return found[1]


def test_each_refusal_leads_on(folder: Path) -> None:
    first = plan(folder)
    assert first.error == "source-unreadable"
    assert "As gb18030 it reads well" in first.err
    second = plan(folder, "--encoding", "gb18030")
    assert second.error == "source-unreadable"
    assert "A title above it? Say how many lines to skip by skip_lines" in second.err
    third = plan(folder, "--encoding", "gb18030", "--skip-lines", "1")
    assert third.code == 0, third.err
    assert "注册资本 would be typed if its source file said written: thousands." in third.out
    assert "统一社会信用代码 looks like uscc" in third.out


def test_from_the_file_to_the_loaded_table(folder: Path) -> None:
    source, policy = folder / "企业.source.yaml", folder / "registry.policy.yaml"
    source.write_text(source_file(), "utf-8")
    drafted = sandbox(
        "policy", "draft", "registry", "--table", f"company={source}", "--unit", "enterprise",
        "--unit-column", "company=统一社会信用代码", "--steward", "wang", "--publisher", "市场监督管理局",
        "--licence", "CC-BY-4.0", "--output", policy,
    )  # fmt: skip
    assert drafted.code == 0, drafted.err
    columns = yaml.safe_load(policy.read_text("utf-8"))["tables"]["company"]["columns"]
    assert {name: column["type"] for name, column in columns.items()} == {
        "企业名称": "text",
        "统一社会信用代码": "text",
        "注册资本": "integer",
        "成立日期": "date",
        "行业": "text",
    }
    home = folder / "home"
    assert sandbox("policy", "publish", policy, "--as", "wang", home=home).code == 0
    loaded = sandbox("load", source, "--dataset", "registry", "--table", "company", home=home)
    assert loaded.code == 0, loaded.err
    assert f"version 1: {ROWS} rows" in loaded.out
    assert "set aside" not in loaded.out


def test_a_file_without_a_header_and_one_with_a_ragged_title(folder: Path) -> None:
    """A title of another width leaves no row that fits under it; a draft of it would be of nothing."""
    file = folder / "title.csv"
    file.write_text("Report,2026\n" + "a,b,c\n" * 30, "utf-8")
    command = ("--unit", "enterprise", "--steward", "wang")
    refused = sandbox("policy", "draft", "d", "--table", f"t={file}", *command)
    assert refused.error == "source-unreadable"
    assert "does not fit most of the records below it" in refused.err
    file.write_text("1,1,2\n" + "3,4,5\n" * 30, "utf-8")
    assert "header: false" in sandbox("policy", "draft", "d", "--table", f"t={file}", *command).err
    file.write_text("a,b,c\n", "utf-8")
    assert sandbox("policy", "draft", "d", "--table", f"t={file}", *command).code == 0
