"""Source files, spellings, options and secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.options import Options
from connectors.secret import Secret
from sandbox.errors import ErrorCode, SandboxError
from sandbox.ingest.connect import open_source
from sandbox.ingest.written import WRITTEN
from tests.ingest.conftest import Read, refusal


@pytest.mark.parametrize(
    ("text", "says", "line"),
    [
        ("location: a.csv\nloction: b", "loction", 2),
        ("location: a.csv\nlocation: b", "twice", 2),
        ("connector: files", "needs a location", 1),
        ("location: [a, b]", "text", 1),
        ("location: a.csv\ncolumns: {x: {written: roc}}", "`roc`", 2),
        ("location: a.csv\ncolumns: {x: {type: date}}", "type", 2),
        ("location: a.csv\ncolumns: {x: {}}", "written", 2),
        ("location: a.csv\noptions: {nulls: [[a]]}", "text", 2),
        ("location: !x a.csv", "tags", 1),
        ("- a", "block", 1),
    ],
)
def test_wrong_source_files(tmp_path, text, says, line):
    path = tmp_path / "a.source.yaml"
    path.write_text(text)
    error = refusal(ErrorCode.POLICY_FILE, lambda: open_source(str(path)))
    assert says in str(error)
    assert error.place is not None
    assert error.place.line == line


def test_a_source_file_that_is_not_there(tmp_path):
    refusal(ErrorCode.SOURCE_UNREADABLE, lambda: open_source(str(tmp_path / "a.source.yaml")))


def test_options_in_a_source_file_are_texts_with_one_meaning(tmp_path):
    (tmp_path / "a.csv").write_text("-\nx;no\n01;0\n")
    (tmp_path / "a.source.yaml").write_text(
        "connector: files\nlocation: a.csv\n"
        "options: {skip_lines: 1, delimiter: ;, header: true, nulls: [0, '']}\n"
    )
    got = Read(open_source(str(tmp_path / "a.source.yaml")))
    assert got.rows == [{"x": "01", "no": None}]
    assert Read(open_source(str(tmp_path / "a.source.yaml"), {"skip_lines": "2"})).columns == ("01", "0")
    refusal(ErrorCode.ARGUMENT, lambda: open_source(str(tmp_path / "a.source.yaml"), {"skip_lines": "many"}))


def test_a_column_that_the_source_lacks(tmp_path):
    (tmp_path / "a.csv").write_text("x\n1\n")
    (tmp_path / "a.source.yaml").write_text("location: a.csv\ncolumns: {y: {written: thousands}}\n")
    refusal(ErrorCode.SOURCE_UNREADABLE, lambda: open_source(str(tmp_path / "a.source.yaml")).columns())


@pytest.mark.parametrize(
    ("written", "text", "plain"),
    [
        ("thousands", "9,500.00", "9500.00"),
        ("thousands", "-1,234,567", "-1234567"),
        ("thousands", "12,34", None),
        ("thousands", "30000", None),
        ("decimal comma", "9.500,00", "9500.00"),
        ("decimal comma", "1 234 567,5", "1234567.5"),
        ("decimal comma", "12,5", "12.5"),
        ("decimal comma", "1.5", None),
        ("decimal comma", "1.500", "1500"),
        ("roc date", "991126", "2010-11-26"),
        ("roc date", "1020830", "2013-08-30"),
        ("roc date", "0790524", "1990-05-24"),
        ("roc date", "102/8/30", "2013-08-30"),
        ("roc date", "民國102年8月30日", "2013-08-30"),
        ("roc date", "1020230", None),
        ("roc date", "10208", None),
        ("roc date", "2013-08-30", None),
        ("roc date", "0000101", None),
        ("excel date", "43831", "2020-01-01"),
        ("excel date", "43831.5", "2020-01-01 12:00:00"),
        ("excel date", "1", "1900-01-01"),
        ("excel date", "59", "1900-02-28"),
        ("excel date", "60", None),
        ("excel date", "61", "1900-03-01"),
        ("excel date", "2958465", "9999-12-31"),
        ("excel date", "2958466", None),
        ("excel date 1904", "0", "1904-01-01"),
        ("excel date", "2020-01-01", None),
        ("month/day/year", "6/7/10", "2010-06-07"),
        ("month/day/year", "13/7/10", None),
        ("day/month/year", "13.7.1999", "1999-07-13"),
        ("day/month/year", "13/7.1999", None),
        ("day month year", "02-Jun-06", "2006-06-02"),
        ("day month year", "2 June 1970", "1970-06-02"),
        ("day month year", "02-Foo-06", None),
    ],
)
def test_written(written, text, plain):
    assert WRITTEN[written](text) == (text if plain is None else plain)


def test_secrets_are_references(tmp_path, monkeypatch):
    monkeypatch.setenv("A_SECRET", "hunter2")
    assert Secret("password", "env:A_SECRET").reveal() == "hunter2"
    path = tmp_path / "secret"
    path.write_text("hunter3\n")
    path.chmod(0o600)
    assert Secret("password", f"file:{path}").reveal() == "hunter3"
    path.chmod(0o644)
    refusal(ErrorCode.FILE_MODE, lambda: Secret("password", f"file:{path}").reveal())
    assert "hunter" not in repr(Secret("password", "env:A_SECRET"))
    assert "hunter" not in str(vars(Secret("password", "env:A_SECRET")))


@pytest.mark.parametrize("written", ["hunter2", "env:", "file:", "env:a b", "vault:x", ""])
def test_a_secret_that_is_written_out_is_refused_and_not_repeated(written):
    with pytest.raises(SandboxError) as caught:
        Options("any", {"password": written}).secret("password")
    assert caught.value.code is ErrorCode.ARGUMENT
    assert not written or written not in str(caught.value).replace("env:NAME", "").replace("file:PATH", "")


def test_a_secret_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.delenv("A_SECRET", raising=False)
    refusal(ErrorCode.ARGUMENT, lambda: Secret("password", "env:A_SECRET").reveal())
    refusal(ErrorCode.ARGUMENT, lambda: Secret("password", f"file:{tmp_path / 'none'}").reveal())
    two_lines = Path(tmp_path / "two")
    two_lines.write_text("a\nb\n")
    two_lines.chmod(0o600)
    refusal(ErrorCode.ARGUMENT, lambda: Secret("password", f"file:{two_lines}").reveal())
