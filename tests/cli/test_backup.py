"""Backup, restore, acceptance and descriptions, by commands alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.terminal import Ran, sandbox
from tests.service import instance


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return instance.make(tmp_path_factory.mktemp("backup"))


def run(home: Path, *arguments: str | Path) -> Ran:
    return sandbox(*arguments, home=home, passphrase=instance.PASSPHRASE)


QUESTION = ("query", "SELECT COUNT(*) AS n FROM residents", "--as", "li", "--grant", "town-2026")


def test_a_home_comes_back_and_its_budgets_do_not(home: Path, tmp_path: Path) -> None:
    done = run(home, "backup", tmp_path / "backup")
    assert done.code == 0, done.err
    assert "2 versions" in done.out
    asked = run(home, *QUESTION, "--epsilon", "0.5", "--format", "csv")
    assert asked.code == 0
    assert "Source: Town: City. CC-BY-4.0" in asked.err
    assert run(home, "audit", "export", tmp_path / "log", "--as", "zhao").code == 0
    new = tmp_path / "new"
    restored = run(new, "restore", tmp_path / "backup")
    assert restored.code == 0, restored.err
    assert "accept-ledger" in restored.out
    assert run(new, "restore", tmp_path / "backup").error == "home-exists"
    assert run(new, *QUESTION, "--epsilon", "0.5").error == "ledger-restored"
    assert run(new, "accept-ledger", "--as", "wang").error == "argument"
    accepted = run(new, "accept-ledger", "--log", tmp_path / "log", "--as", "wang")
    assert "1 charges were taken over" in accepted.out, accepted.err
    assert "0.5" in run(new, "budget", "--grant", "town-2026", "--as", "li").out
    assert run(new, *QUESTION, "--epsilon", "0.25").code == 0
    assert run(new, "doctor").code == 0


def test_descriptions(home: Path, tmp_path: Path) -> None:
    for form, names in (
        ("dcat", ["catalog.jsonld"]),
        ("croissant", ["croissant.json", "districts.csv", "residents.csv"]),
        ("page", ["town.en.md", "town.zh.md"]),
    ):
        done = run(home, "datasets", "describe", form, "town", "--output", tmp_path / form)
        assert done.code == 0, done.err
        assert sorted(path.name for path in (tmp_path / form).iterdir()) == names
    assert (
        run(home, "datasets", "describe", "page", "town", "--output", tmp_path / "page").error == "argument"
    )


def test_keys_status(home: Path) -> None:
    done = run(home, "keys", "status")
    assert "Sealed by: keyring" in done.out
    assert "| town" in done.out
    assert run(home, "keys", "rewrap", "--to", "nothing").error == "argument"
    assert run(home, "keys", "rewrap", "--to", "pkcs11").error == "argument"
