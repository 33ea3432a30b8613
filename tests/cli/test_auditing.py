"""An auditor's commands; what the log must not hold, looked for byte by byte."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sandbox.audit.note import VerifierKey
from tests.cli.terminal import sandbox

LITERAL = "SECRET4711"
QUOTED = "Zhang San 13800001111"


@pytest.fixture(scope="module")
def copy(nafld: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of NAFLD's home, exported after questions that hold what must not be in it."""
    asked = (
        f"SELECT COUNT(*) FROM nafld.labs WHERE test = '{LITERAL}'",
        f"SELECT COUNT(*) FROM nafld.labs WHERE test <> '{LITERAL}' /* {QUOTED} */",
        f'SELECT COUNT(*) FROM nafld.labs WHERE test = "{QUOTED}"',
        f"SELECT nosuch('{LITERAL}') FROM nafld.people -- {QUOTED}",
        f"this is no SQL: '{LITERAL}' \"{QUOTED}\"",
        f'SELECT {LITERAL} FROM "{QUOTED}"."{QUOTED}"',
    )
    for number, sql in enumerate(asked):
        done = sandbox("query", sql, "--as", "li", "--grant", "liver-2026", "--epsilon", "0.1", home=nafld)
        assert (done.code == 0) == (number < 2), done.err
    sandbox("query", "SELECT 1", "--as", "li", "--grant", QUOTED, home=nafld)
    sandbox("load", QUOTED, "--dataset", LITERAL, "--table", QUOTED, home=nafld)
    folder = tmp_path_factory.mktemp("copy") / "log"
    assert sandbox("audit", "export", folder, "--as", "zhao", home=nafld).code == 0
    return folder


def test_no_literal_and_no_true_count_is_in_the_log_or_beside_it(copy: Path, nafld: Path) -> None:
    folders = [path for path in copy.rglob("*") if path.is_file()]
    stores = [path for path in nafld.iterdir() if path.is_file()]
    assert any(path.name == "store.sqlite" for path in stores)
    for path in [*folders, *stores]:
        content = path.read_bytes()
        for forbidden in (LITERAL, QUOTED, QUOTED.split(maxsplit=1)[0], "13800001111"):
            assert forbidden.encode() not in content, (path, forbidden)
    for count in (17549, 400123, 34340):
        # As a number of its own: five digits of a digest may well be these.
        number = re.compile(rf"(?<![0-9A-Za-z]){count}(?![0-9A-Za-z])|{count:,}")
        assert number.search(f'{{"rows":{count}}}')
        for path in (copy / "tile" / "entries").rglob("*"):
            if path.is_file():
                assert not number.search(path.read_bytes().decode("utf-8", "replace")), count


def test_the_copy_proves_and_any_change_is_found(copy: Path, tmp_path: Path) -> None:
    assert sandbox("audit", "verify", copy).code == 0
    changed = tmp_path / "changed"
    shutil.copytree(copy, changed)
    entries = next(path for path in (changed / "tile" / "entries").rglob("*") if path.is_file())
    content = entries.read_bytes()
    entries.write_bytes(content.replace(b'"li"', b'"xi"', 1))
    altered = sandbox("audit", "verify", changed)
    assert altered.code == 2
    assert altered.out.startswith("altered: ")
    entries.unlink()
    assert sandbox("audit", "verify", changed).code == 4
    assert sandbox("audit", "verify", tmp_path / "nowhere").code == 4
    name = (copy / "log.pub").read_text().partition("+")[0]
    other = VerifierKey.of(name, Ed25519PrivateKey.generate())
    assert sandbox("audit", "verify", copy, "--key", str(other)).code == 2
    junk = tmp_path / "junk.json"
    junk.write_text("{}")
    assert sandbox("audit", "verify", copy, "--receipt", junk).code != 0


def test_show_filters_and_logs_its_own_reading(nafld: Path, copy: Path) -> None:
    def show(*options: str) -> list[dict[str, object]]:
        done = sandbox("audit", "show", "--as", "zhao", "--json", *options, home=nafld)
        assert done.code == 0, done.err
        found: list[dict[str, object]] = json.loads(done.out)
        return found

    refused = show("--kind", "question.refused", "--by", "li")
    assert refused
    assert {line["kind"] for line in refused} == {"question.refused"}
    assert all(line["via"] == "cli" for line in refused)
    assert show("--since", "2000-01-01", "--until", "2000-01-02") == []
    assert len(show("--limit", "2")) == 2
    assert {line["kind"] for line in show("--dataset", "nafld", "--by", "wang")} == {"policy.published"}
    newest = show("--limit", "1")[0]
    assert newest["kind"] == "log.read"
    assert newest["person"] == "zhao"
    table = sandbox("audit", "show", "--as", "zhao", "--limit", "1", home=nafld)
    assert table.out.splitlines()[0].startswith("| ")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--kind", "question.nothing"), "argument"),
        (("--since", "yesterday"), "argument"),
        (("--until", "2026-13-01"), "argument"),
        (("--until", "9999-12-31"), ""),
    ],
)
def test_filters_that_cannot_be(nafld: Path, options: tuple[str, ...], code: str) -> None:
    assert sandbox("audit", "show", "--as", "zhao", *options, home=nafld).error == code


def test_others_do_not_read_the_log(nafld: Path, tmp_path: Path) -> None:
    for who in ((), ("--as", "li"), ("--as", "wang")):
        assert sandbox("audit", "show", *who, home=nafld).error == "role-refused"
        assert sandbox("audit", "export", tmp_path / "x", *who, home=nafld).error == "role-refused"
    assert not (tmp_path / "x").exists()


def test_an_export_overwrites_nothing(nafld: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("x")
    for target in (tmp_path / "full", tmp_path / "full" / "mine"):
        assert sandbox("audit", "export", target, "--as", "zhao", home=nafld).error == "argument"
    assert (tmp_path / "full" / "mine").read_text() == "x"
