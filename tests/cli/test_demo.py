"""`sandbox demo`: the main job as a stranger first sees it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.cli.terminal import apart


def test_the_demo_shows_the_main_job_and_leaves_no_plaintext(tmp_path: Path) -> None:
    done = apart("demo", cwd=tmp_path)
    assert done.code == 0, done.err
    for said in ("17,549 rows", "400,123 rows", "34,340 rows", "The policy says:", "The grant says:"):
        assert said in done.out
    assert done.out.count("± 95 %") >= 3
    assert done.out.count("Cost ε") == 2
    assert "[raw-rows]" in done.out
    assert "[budget-exceeded]" in done.out
    assert "nothing spent" in done.out
    budgets = re.findall(r"grant-dataset:liver-2026/nafld\s+\|\s+4 \|\s+(\S+) \|", done.out)
    assert [float(spent) for spent in budgets] == [0, 2.5]
    assert "none altered, none missing" in done.out
    assert "\x1b" not in done.out

    folder = tmp_path / "demo-home"
    assert not list(folder.rglob("*.csv"))
    assert not list(folder.glob("csv-*"))
    assert (folder / "passphrase").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    for path in folder.rglob("*"):
        if path.is_file():
            assert b"dyslipidemia" not in path.read_bytes(), path

    lines = done.out.partition("What to try next\n")[2].splitlines()
    exported = dict(part.split("=") for part in lines[0].removeprefix("export ").split())
    again = apart("query", "SELECT COUNT(*) AS patients FROM nafld.people WHERE age > 60", "--as", "li",
                  "--grant", "liver-2026", "--epsilon", "1", "--home", exported["SANDBOX_HOME"],
                  "--passphrase-file", exported["SANDBOX_PASSPHRASE_FILE"], cwd=tmp_path)  # fmt: skip
    assert again.code != 0 or "stored answer, free" in again.out

    second = apart("demo", cwd=tmp_path)
    assert second.code == 0, second.err
    assert "Removing the demo of before" in second.out


def test_the_demo_removes_nothing_that_it_did_not_make(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "precious").write_text("x")
    refused = apart("demo", "--folder", folder, cwd=tmp_path)
    assert (refused.code, refused.error) == (1, "home-exists")
    assert (folder / "precious").read_text() == "x"
    link = tmp_path / "link"
    link.symlink_to(folder)
    assert apart("demo", "--folder", link, cwd=tmp_path).error == "home-exists"
