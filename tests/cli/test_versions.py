"""`sandbox datasets`: the old form, and the versions behind it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.terminal import sandbox
from tests.service import instance


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("versions")
    return instance.make(folder)


def ran(home: Path, *arguments: str | Path) -> str:
    done = sandbox(*arguments, home=home, passphrase=instance.PASSPHRASE)
    assert done.code == 0, done.err
    return done.out


def test_versions_from_the_command_line(home: Path, tmp_path: Path) -> None:
    assert ran(home, "datasets", "town", "--as", "li") == ran(home, "datasets", "show", "town", "--as", "li")
    assert ran(home, "datasets", "--as", "li", "--format", "json") == ran(
        home, "datasets", "show", "--format", "json", "--as", "li"
    )
    assert "rollback" in ran(home, "datasets", "--help")
    file = tmp_path / "districts.csv"
    file.write_text("name,area,mayor\nnorth,7,x\n", "utf-8")
    load = ("load", file, "--dataset", "town", "--table", "districts")
    refused = sandbox(*load, home=home, passphrase=instance.PASSPHRASE)
    assert (refused.code, refused.error) == (1, "load-refused")
    assert "--accept-drift" in refused.err
    out = ran(home, *load, "--append", "--accept-drift")
    assert "version 2: 3 rows" in out
    assert "added mayor" in out
    history = json.loads(ran(home, "datasets", "history", "town", "districts", "--format", "json"))
    assert [(one["version"], one["state"], one["rows"]) for one in history] == [
        (1, "held", 2),
        (2, "current", 3),
    ]
    assert "append to 1" in ran(home, "datasets", "history", "town", "districts")
    seen = json.loads(
        ran(home, "datasets", "history", "town", "districts", "--as", "zhao", "--format", "json")
    )
    assert [one["rows"] for one in seen] == [None, None]
    said = ran(home, "datasets", "diff", "town", "districts", "1")
    assert "added mayor" in said
    assert "Rows: 2 to 3" in said
    assert "is current" in ran(home, "datasets", "rollback", "town", "districts", "1")
    assert "version 2" in ran(home, "datasets", "drop", "town", "districts", "--version", "2")
    assert "Nothing" in ran(home, "datasets", "drop", "town", "districts", "--keep", "0")
