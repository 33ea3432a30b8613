"""The import contract holds, and would catch whoever breaks it: violations planted in a copy of the tree."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.house.tree import PACKAGES, ROOT, contracts

DECIDING = ("parse", "resolve", "authorize", "analyze", "rewrite", "price")

PLANTS = [
    ("layers", "sandbox/errors.py", "import sandbox.settings"),
    ("layers", "sandbox/cli/planted.py", "import sandbox.api"),
    ("layers", "sandbox/settings.py", "import sandbox.identity"),
    ("layers", "sandbox/audit/planted.py", "import sandbox.catalog.model"),
    ("layers", "sandbox/privacy/planted.py", "import sandbox.vault"),
    ("layers", "sandbox/vault/planted.py", "import sandbox.privacy.loss"),
    ("layers", "sandbox/query/planted.py", "import sandbox.ingest"),
    ("layers", "sandbox/policy/planted.py", "import sandbox.query"),
    ("layers", "sandbox/policy/planted.py", "import sandbox.rooms"),
    ("layers", "sandbox/rooms/planted.py", "import sandbox.service"),
    ("vault", "sandbox/rooms/planted.py", "import sandbox.vault"),
    ("layers", "sandbox/planted.py", ""),
    ("vault", "sandbox/query/planted.py", "import sandbox.vault"),
    ("vault", "sandbox/ingest/planted.py", "from sandbox import vault"),
    ("vault", "sandbox/api/planted.py", "import sandbox.vault"),
    ("vault", "sandbox/service/planted.py", "import sandbox.vault.keyring"),
    ("vault", "sandbox/query/postprocess.py", "import sandbox.vault.parquet"),
    ("deciding", "sandbox/policy/planted.py", "import duckdb"),
    ("deciding", "sandbox/policy/planted.py", "def lazily():\n    import pyarrow.parquet"),
    ("deciding", "sandbox/policy/planted.py", "import sandbox.query.answer"),
    ("deciding", "sandbox/query/planted.py", "import duckdb"),
    ("deciding", "sandbox/query/planted.py", "import sandbox.query.settle"),
    ("verifier", "sandbox/audit/rules.py", "from sandbox.audit.event import EventKind"),
    ("verifier", "sandbox/audit/verify.py", "from sandbox.errors import SandboxError"),
    ("verifier", "sandbox/audit/unbundle.py", "import sqlalchemy"),
    ("connectors", "connectors/planted.py", "import sandbox.settings"),
    ("connectors", "connectors/planted.py", "from sandbox.ingest import load"),
    ("plug-ins", "sandbox/ingest/planted.py", "import connectors.files"),
    ("client", "sandbox/client/planted.py", "from sandbox.errors import SandboxError"),
    ("client", "sandbox/client/planted.py", "import pydantic"),
    ("hub", "hub_config/planted.py", "import sandbox.client"),
]


def lint(tree: Path, *options: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    command = [str(program), "--no-cache", "--no-logo", *options]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_contract_is_kept() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("contract", "file", "line"), PLANTS)
def test_a_planted_violation_is_caught(tree: Path, contract: str, file: str, line: str) -> None:
    path = tree / file
    path.write_text((path.read_text("utf-8") if path.exists() else "") + f"\n{line}\n", "utf-8")
    done = lint(tree, "--contract", contract)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN" in done.stdout or "not defined" in done.stdout + done.stderr, done.stdout + done.stderr


def test_every_contract_is_planted_against() -> None:
    assert {contract for contract, _, _ in PLANTS} == set(contracts())


@pytest.mark.parametrize("step", DECIDING)
def test_no_deciding_step_reaches_the_vault(tree: Path, step: str) -> None:
    with (tree / "sandbox" / "query" / f"{step}.py").open("a", encoding="utf-8") as file:
        file.write("\nimport sandbox.query.planted\n")
    (tree / "sandbox/query/planted.py").write_text("import sandbox.vault\n")
    done = lint(tree, "--contract", "deciding")
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"sandbox.query.{step} -> sandbox.query.planted" in done.stdout


def test_the_steps_after_deciding_are_the_same_on_both_lists() -> None:
    contract = contracts()["deciding"]
    later = {name for name in contract["forbidden_modules"] if name.startswith("sandbox.query.")}
    assert {f"{name} -> **" for name in later} == set(contract["ignore_imports"])
    assert not later & {f"sandbox.query.{step}" for step in DECIDING}


def test_every_part_of_the_log_is_the_verifiers_or_kept_from_it() -> None:
    contract = contracts()["verifier"]
    named = {
        name for name in contract["source_modules"] + contract["forbidden_modules"] if name.count(".") == 2
    }
    parts = {path.stem for path in (ROOT / "sandbox" / "audit").glob("*.py")} - {"__init__"}
    assert {name.rpartition(".")[2] for name in named} == parts, (
        "name the new part in the contract `verifier`"
    )


@pytest.mark.parametrize(
    ("contract", "allowed"), [("client", {"httpx", "pyarrow"}), ("verifier", {"cryptography"})]
)
def test_what_stands_alone_is_kept_from_every_other_dependency(contract: str, allowed: set[str]) -> None:
    forbidden = {name for name in contracts()[contract]["forbidden_modules"] if "." not in name}
    imported_as = {"python-stdnum": "stdnum", "pyyaml": "yaml"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["serve"]]
    names = {re.split(r"[\[<>=!~; ]", line)[0].lower() for line in declared}
    assert forbidden == {imported_as.get(name, name.replace("-", "_")) for name in names} - allowed
