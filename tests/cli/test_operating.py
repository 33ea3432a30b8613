"""An operator's commands: what is mistyped, damaged or missing gets one coded error and changes nothing."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
import yaml

from sandbox.service import home as homes
from tests.cli.terminal import PASSPHRASE, Ran, sandbox
from tests.service.instance import settings, write_files


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home where everything is published and nothing loaded; returns the folder around it."""
    folder = tmp_path_factory.mktemp("town")
    files = write_files(folder / "files")
    assert sandbox("init", home=folder / "home").code == 0
    assert sandbox("policy", "publish", files.people, home=folder / "home").code == 0
    rest = (files.units, files.policy, files.grant)
    assert sandbox("policy", "publish", *rest, "--as", "wang", home=folder / "home").code == 0
    return folder


def load(town: Path, file: str | Path, *options: str, table: str = "residents") -> Ran:
    return sandbox("load", file, "--dataset", "town", "--table", table, *options, home=town / "home")


def test_a_load_says_what_it_did_and_keeps_bad_rows_aside(town: Path, tmp_path: Path) -> None:
    file = tmp_path / "residents.csv"
    rows = [f"{i},{20 + i % 60},east,s" for i in range(50)]
    rows[10] = "10,not a number,east,s"
    rows[20] = "20,31"
    file.write_text("id,age,district,secret\n" + "\n".join(rows) + "\n")
    done = load(town, file)
    assert done.code == 0, done.err
    assert "version 1: 48 rows" in done.out
    assert "2 bad rows were set aside" in done.out
    aside = sandbox("quarantine", "town", "residents", home=town / "home")
    assert "residents.csv:12: column age" in aside.out
    assert "not a number" in aside.out
    shown = sandbox("audit", "show", "--as", "zhao", "--kind", "dataset.quarantine-read", home=town / "home")
    assert "quarantine-read" in shown.out
    assert load(town, file, "--max-bad-rows", "1").error == "load-refused"
    assert load(town, file, "--max-bad-rows", "2").code == 0


def test_a_load_from_cron_goes_on_where_the_last_one_ended(town: Path, tmp_path: Path) -> None:
    source = tmp_path / "residents.source.yaml"
    source.write_text(
        f"connector: sqlalchemy\nlocation: sqlite:///{tmp_path}/r.sqlite\n"
        "options: {table: residents, key: id}\n"
    )
    with sqlite3.connect(tmp_path / "r.sqlite") as registry:
        registry.execute("CREATE TABLE residents (id INTEGER, age INTEGER, district TEXT, secret TEXT)")
        registry.executemany("INSERT INTO residents VALUES (?, 30, 'east', 's')", [(n,) for n in range(1, 8)])
    assert load(town, source, "--since", "3").error == "argument"
    assert load(town, source, "--incremental", "--append").error == "argument"
    assert load(town, source, "--incremental", "--option", "after=3").error == "argument"
    whole = load(town, source, "--accept-drift")
    assert "7 rows" in whole.out
    assert "The next load with --incremental begins after id 7." in whole.out
    with sqlite3.connect(tmp_path / "r.sqlite") as registry:
        registry.execute("INSERT INTO residents VALUES (8, 31, 'east', 's')")
    registry.close()
    planned = load(town, source, "--incremental", "--plan")
    assert "│ 8  │ 31" in planned.out or "| 8  | 31" in planned.out, planned.out
    for _ in range(2):
        again = load(town, source, "--incremental")
        assert again.code == 0, again.err
        assert "8 rows" in again.out
        assert "begins after id 8." in again.out
    assert load(town, town / "files" / "residents.csv", "--accept-drift").code == 0
    lost = load(town, source, "--incremental")
    assert lost.error == "load-refused"
    assert "--since VALUE" in lost.err


def test_a_plan_loads_nothing(town: Path) -> None:
    before = sandbox("audit", "show", "--as", "zhao", "--kind", "dataset.loaded", home=town / "home").out
    planned = load(town, town / "files" / "residents.csv", "--plan")
    assert planned.code == 0
    assert "integer" in planned.out
    assert "A plan only" in planned.out
    assert "raw data, for you only" in planned.out
    after = sandbox("audit", "show", "--as", "zhao", "--kind", "dataset.loaded", home=town / "home").out
    assert after == before


def test_a_plan_says_what_would_be_set_aside(town: Path, tmp_path: Path) -> None:
    lines = (town / "files" / "residents.csv").read_text().splitlines()
    file = tmp_path / "bad.csv"
    file.write_text("\n".join([lines[0] + ",extra", lines[1] + ",x", "?" + lines[2] + ",x", "1"]) + "\n")
    planned = load(town, file, "--plan")
    assert planned.code == 0, planned.err
    assert "not list extra" in planned.out
    assert "Of the first 3 records 1 would be set aside" in planned.out
    assert "cells expected, 1 found" in planned.out


def test_a_plan_for_an_unknown_table_suggests_columns_to_confirm(town: Path, tmp_path: Path) -> None:
    file = tmp_path / "new.csv"
    file.write_text("code,day,amount\n007,2026-01-31,1.50\n")
    phones = tmp_path / "phones.csv"
    phones.write_text("手机\n" + "".join(f"138{n:08d}\n" for n in range(40)))
    told = sandbox("load", phones, "--dataset", "new", "--table", "t", "--plan", home=town / "home")
    assert "手机 looks like mobile" in told.out
    planned = sandbox("load", file, "--dataset", "new", "--table", "t", "--plan", home=town / "home")
    assert planned.code == 0, planned.err
    block = planned.out[planned.out.index("columns:") : planned.out.index("A steward")]
    found = yaml.safe_load(block)["columns"]
    assert {name: column["type"] for name, column in found.items()} == {
        "code": "text",
        "day": "date",
        "amount": "decimal",
    }
    assert {column["use"] for column in found.values()} == {"hidden"}


BAD_FILES: list[tuple[str, bytes | None, tuple[str, ...], str]] = [
    ("missing.csv", None, (), "source-unreadable"),
    ("empty.csv", b"", (), "source-unreadable"),
    ("other.csv", b"a,b\n1,2\n", (), "load-refused"),
    ("semicolon.csv", b"id;age;district;secret\n1;2;east;s\n", (), "load-refused"),
    ("gbk.csv", "id,age,district,secret\n1,30,东,x\n".encode("gb18030"), (), "source-unreadable"),
    ("wrong.csv", b"id,age,district,secret\nx,y,z,w\n", (), "load-refused"),
    ("fake.parquet", b"PAR1 this is no parquet PAR1", (), "source-unreadable"),
    ("fake.csv.gz", b"\x1f\x8b\x08 this is no gzip", (), "source-unreadable"),
    ("what.bin", b"id,age\n", (), "argument"),
    ("encoding.csv", b"id,age,district,secret\n", ("--encoding", "klingon"), "argument"),
    ("delimiter.csv", b"id,age,district,secret\n", ("--delimiter", "ab"), "argument"),
    ("format.csv", b"id,age,district,secret\n", ("--format", "xml"), "argument"),
]


@pytest.mark.parametrize(("name", "content", "options", "code"), BAD_FILES, ids=[b[0] for b in BAD_FILES])
def test_a_bad_file_is_refused_with_its_reason(
    town: Path, tmp_path: Path, name: str, content: bytes | None, options: tuple[str, ...], code: str
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    before = sorted((town / "home").rglob("*.parquet"))
    refused = load(town, file, *options)
    assert (refused.code, refused.error) == (1, code), refused.err
    assert sorted((town / "home").rglob("*.parquet")) == before


def test_tables_and_datasets_that_no_policy_names(town: Path) -> None:
    file = town / "files" / "residents.csv"
    assert load(town, file, table="nothing").error == "policy-missing"
    done = sandbox("load", file, "--dataset", "nothing", "--table", "x", home=town / "home")
    assert (done.code, done.error) == (1, "policy-missing")
    assert sandbox("quarantine", "town", "nothing", home=town / "home").error == "dataset-unknown"


def test_a_folder_or_a_device_is_no_file(town: Path) -> None:
    assert load(town, town, "--format", "csv").error == "source-unreadable"
    assert load(town, "/dev/zero", "--format", "csv").error == "source-unreadable"


def test_policies_with_mistakes_are_shown_place_by_place(town: Path, tmp_path: Path) -> None:
    files = write_files(tmp_path / "drafts")
    files.policy.write_text(
        files.policy.read_text().replace("publisher", "publishr").replace("dataset:", "datset:")
    )
    linted = sandbox("policy", "lint", files.policy)
    assert linted.code == 1
    assert "town.policy.yaml:2:1" in linted.out
    assert "Did you mean `publisher`?" in linted.out
    refused = sandbox("policy", "publish", files.policy, "--as", "wang", home=town / "home")
    assert (refused.code, refused.error) == (1, "policy-file")
    assert sandbox("policy", "lint", tmp_path / "nothing").error == "argument"
    assert sandbox("policy", "lint", tmp_path / "drafts" / "grants").code == 1, (
        "its dataset has no good policy"
    )
    assert sandbox("policy", "lint", town / "files").code == 0


def test_publishing_again_changes_nothing(town: Path) -> None:
    again = sandbox("policy", "publish", town / "files" / "people.yaml", home=town / "home")
    assert again.code == 0
    assert "current already" in again.out


def test_tokens_come_and_go(town: Path) -> None:
    home = town / "home"
    made = sandbox("token", "create", "li", home=home)
    secret = made.out.strip()
    assert secret.startswith("sbx_")
    assert secret not in made.err, "the secret alone is on stdout, for a pipe"
    listed = sandbox("token", "list", home=home)
    assert secret not in listed.out
    token = made.err.split()[1]
    assert token in listed.out
    assert sandbox("token", "revoke", token, home=home).code == 0
    assert "revoked" in sandbox("token", "list", home=home).out
    for arguments, code in (
        (("token", "revoke", "nothing"), "not-found"),
        (("token", "create", "li", "--role", "king"), "argument"),
        (("token", "create", "li", "--role", "steward"), "role-refused"),
        (("token", "create", "nobody"), "person-unknown"),
        (("token", "create", "li", "--days", "0"), "argument"),
    ):
        assert sandbox(*arguments, home=home).error == code


def test_keys_are_rotated_with_a_new_passphrase(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert sandbox("init", home=home).code == 0
    file = tmp_path / "new"
    file.write_text("another passphrase\n")
    assert sandbox("keys", "rotate", "--new-passphrase-file", file, home=home).error == "file-mode"
    file.chmod(0o600)
    rotated = sandbox("keys", "rotate", "--new-passphrase-file", file, home=home)
    assert rotated.code == 0
    assert "mk-1 is retired; mk-2 holds" in rotated.out
    assert sandbox("token", "list", home=home).error == "passphrase-wrong"
    assert sandbox("token", "list", home=home, passphrase="another passphrase").code == 0
    assert sandbox("token", "list", "--passphrase-file", file, home=home, passphrase=None).code == 0
    assert sandbox("keys", "rotate", home=home, passphrase="another passphrase").code == 0
    assert sandbox("token", "list", home=home, passphrase="another passphrase").code == 0


def test_homes_that_are_not_and_passphrases_that_are_not(town: Path, tmp_path: Path) -> None:
    home = town / "home"
    assert sandbox("token", "list", home=tmp_path / "nowhere").error == "home-missing"
    assert sandbox("token", "list", home=home, passphrase="wrong").error == "passphrase-wrong"
    assert sandbox("token", "list", home=home, passphrase=None).error == "passphrase-missing"
    assert sandbox("init", home=home).error == "home-exists"
    assert sandbox("--home", home, "token", "list").code == 0
    assert sandbox("token", "list", "--home", home).code == 0


def test_a_setting_that_cannot_be_is_named(town: Path) -> None:
    done = sandbox("token", "list", home=town / "home", also={"SANDBOX_HOT_STORE_MB": "much"})
    assert (done.code, done.error) == (1, "argument")
    assert "SANDBOX_HOT_STORE_MB" in done.err


def test_a_keyring_that_is_open_damaged_or_gone(tmp_path: Path) -> None:
    broken = tmp_path / "home"
    homes.init(settings(broken), PASSPHRASE)
    done = sandbox("token", "list", "--passphrase-file", tmp_path / "none", home=broken, passphrase=None)
    assert done.error == "passphrase-missing"
    (broken / "keyring.json").chmod(0o644)
    assert sandbox("token", "list", home=broken).error == "file-mode"
    (broken / "keyring.json").chmod(0o600)
    (broken / "keyring.json").write_text("{}")
    assert sandbox("token", "list", home=broken).error == "keyring-corrupt"
    (broken / "keyring.json").unlink()
    assert sandbox("token", "list", home=broken).error == "keyring-missing"


def test_doctor_says_what_is_wrong(town: Path, tmp_path: Path) -> None:
    assert sandbox("doctor", home=town / "home").code == 0
    missing = sandbox("doctor", home=tmp_path / ("far-" * 50) / "nowhere")
    assert missing.code == 1
    (wrong,) = (line for line in missing.out.splitlines() if "WRONG" in line)
    assert "sandbox init" in wrong  # a row is one line in a pipe, however long


def test_doctor_looks_at_files_that_no_question_reads(town: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(town / "home", home)
    for _ in range(2):
        file = write_files(tmp_path / f"files-{_}").residents
        file.write_text(file.read_text().replace("300", str(_)) + f"{900 + _},30,east,x\nbad,1\n")
        command = ("load", file, "--dataset", "town", "--table", "residents", "--accept-drift")
        assert sandbox(*command, home=home).code == 0
    whole = sandbox("doctor", home=home)
    assert whole.code == 0, whole.out
    assert "every byte of" in whole.out
    files = [path for path in (home / "data").rglob("*.*") if path.stat().st_size]
    assert {path.name for path in files} >= {"part-00000.parquet", "quarantine.parquet"}
    for path in files:
        content = path.read_bytes()
        path.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
        found = sandbox("doctor", home=home)
        assert found.code == 1, path
        (wrong,) = (line for line in found.out.splitlines() if "WRONG" in line)
        assert path.name.removeprefix("_KEY_MATERIAL_FOR_").removesuffix(".json") in wrong
        path.write_bytes(content)
    assert sandbox("doctor", home=home).code == 0
