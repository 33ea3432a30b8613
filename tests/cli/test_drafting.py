"""A steward's first policy, and dummy rows of it, by commands alone."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from sandbox.cli.session import inside
from sandbox.errors import SandboxError
from tests.cli.terminal import sandbox
from tests.service import instance


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return instance.make(tmp_path_factory.mktemp("dummy"))


def test_a_draft_is_written_linted_and_never_overwritten(tmp_path: Path) -> None:
    files = instance.write_files(tmp_path)
    target = tmp_path / "village.policy.yaml"
    command = (
        "policy", "draft", "village", "--table", f"residents={files.residents}", "--unit", "person",
        "--steward", "wang", "--unit-column", "residents=id", "--publisher", "Village",
        "--licence", "CC0-1.0",
        "--output", target,
    )  # fmt: skip
    done = sandbox(*command, "--evidence")
    assert done.code == 0, done.err
    assert "for stewards only" in done.out
    assert "identifier" in done.out
    assert "%" not in target.read_text("utf-8")
    linted = sandbox("policy", "lint", tmp_path)
    assert (linted.code, linted.out) == (0, "No errors.\n")
    again = sandbox(*command)
    assert (again.code, again.error) == (1, "argument")
    assert sandbox(*command[:3], "--table", "x", *command[5:]).error == "argument"
    missing = sandbox(
        "policy", "draft", "v", "--table", "t=nowhere.csv", "--unit", "person", "--steward", "wang"
    )
    assert missing.error == "source-unreadable"


def test_bounds_are_estimated_for_a_price(home: Path, tmp_path: Path) -> None:
    files = instance.write_files(tmp_path)
    grant = files.grant.with_name("bounds.yaml")
    grant.write_text(instance.GRANT.replace("town-2026", "bounds").replace("[li]", "[wang]"))
    command = (
        "policy", "draft", "town", "--table", f"residents={files.residents}", "--unit", "person",
        "--steward", "wang", "--unit-column", "residents=id", "--as", "wang", "--grant", "bounds",
    )  # fmt: skip
    before = ran(home, "policy", "publish", grant, "--as", "wang").decode()
    assert "bounds@" in before
    out = ran(home, *command, "--estimate", "residents.age=0..200", "--epsilon", "1").decode()
    assert "estimated privately within 0 and 200, which the steward stated" in out
    assert "epsilon 1, paid by the grant bounds" in out
    states = json.loads(ran(home, "budget", "--as", "wang", "--grant", "bounds", "--format", "json"))
    assert {float(state["epsilon_spent"]) for state in states} == {1}
    for wrong in ("residents.age", "residents.age=0", "age=0..1", "residents.age=zero..1"):
        refused = sandbox(*command, "--estimate", wrong, home=home, passphrase=instance.PASSPHRASE)
        assert refused.error == "argument", wrong


def ran(home: Path, *arguments: str | Path) -> bytes:
    done = sandbox(*arguments, home=home, passphrase=instance.PASSPHRASE)
    assert done.code == 0, done.err
    return done.raw


def test_dummy_rows_with_the_raw_store_absent(home: Path, tmp_path: Path) -> None:
    shutil.rmtree(home / "data")
    rows = list(csv.DictReader(io.StringIO(ran(home, "dummy", "town.residents", "-n", "20").decode())))
    assert len(rows) == 20
    assert set(rows[0]) == {"id", "age", "district"}
    assert {row["district"] for row in rows} == {"east", "west"}
    content = json.loads(
        ran(home, "dummy", "town.residents", "--rows", "20", "--format", "json", "--as", "li")
    )
    assert [str(row[0]) for row in content["rows"]] == [row["id"] for row in rows]
    arrow = ran(home, "dummy", "town.residents", "-n", "20", "--format", "arrow")
    assert pa.ipc.open_stream(arrow).read_all()["id"].to_pylist() == [int(row["id"]) for row in rows]
    other = ran(home, "dummy", "town.residents", "-n", "20", "--seed", "1").decode()
    assert other != ran(home, "dummy", "town.residents", "-n", "20").decode()
    ran(home, "dummy", "town", "--output", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["districts.csv", "residents.csv"]
    for name in ("town", "town.nothing", "nothing"):
        refused = sandbox("dummy", name, home=home, passphrase=instance.PASSPHRASE)
        assert refused.error == ("argument" if name == "town" else "dataset-unknown")
    assert (
        sandbox("dummy", "town.residents", "-n", "0", home=home, passphrase=instance.PASSPHRASE).error
        == "argument"
    )


def test_no_name_of_a_table_leads_out_of_the_folder(tmp_path: Path) -> None:
    assert inside(tmp_path / "out", "a.csv") == tmp_path / "out" / "a.csv"
    for name in ("../a.csv", "/etc/a.csv", "a/b.csv", "..", "", "a\0.csv"):
        with pytest.raises(SandboxError):
            inside(tmp_path / "out", name)
