"""The connector that the documentation shows: short, installed by pip, found, loaded through."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from sandbox.errors import ErrorCode
from sandbox.ingest.connect import connector_names, open_source
from tests.connectors.test_contract import digest
from tests.house.tree import ROOT
from tests.ingest.conftest import refusal
from tests.ingest.instance import Instance, policy

LINES = (
    'at=2026-01-01 city="New York" kwh=1.5\nno pairs\n'
    "at=2026-01-02 city=上海 kwh=2.25\nat=2026-01-03 city=北京\n"
)


def blocks() -> tuple[str, str]:
    text = (ROOT / "docs" / "connectors.md").read_text("utf-8")
    own = text[text.index("## A connector of your own") :]
    return re.search(r"```toml\n(.*?)```", own, re.S)[1], re.search(r"```python\n(.*?)```", own, re.S)[1]  # type: ignore[index]


def test_it_is_short():
    code = blocks()[1]
    assert len(code.splitlines()) < 60


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, code = blocks()
    package = tmp_path / "package"
    package.mkdir()
    (package / "pyproject.toml").write_text(project)
    (package / "sandbox_logfmt.py").write_text(code)
    target = tmp_path / "site"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
    ]
    done = subprocess.run(
        [*pip, "--target", str(target), str(package)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    monkeypatch.syspath_prepend(str(target))


@pytest.mark.usefixtures("installed")
def test_it_is_found_and_loads(tmp_path: Path) -> None:
    assert "logfmt" in connector_names()
    path = tmp_path / "meters.log"
    path.write_text(LINES, "utf-8")
    where = f"logfmt://{path}"
    assert open_source(where).columns() == ("at", "city", "kwh")
    assert digest(open_source(where)) == digest(open_source(where))
    refusal(ErrorCode.SOURCE_UNREADABLE, lambda: open_source(f"logfmt://{tmp_path}/none"))
    refusal(ErrorCode.ARGUMENT, lambda: open_source(where, {"colour": "red"}))
    columns = {"at": {"type": "date"}, "city": {"type": "text"}, "kwh": {"type": "decimal", "decimals": 2}}
    instance = Instance.create(tmp_path / "home")
    report = instance.load(where, policy(t={"protection": "open", "columns": columns}), max_bad_rows=1)
    assert report.version.quarantined == 1
    rows = instance.rows().select(["at", "city", "kwh"]).to_pylist()
    assert rows[1] == {"at": date(2026, 1, 2), "city": "上海", "kwh": Decimal("2.25")}
    assert rows[2]["kwh"] is None
