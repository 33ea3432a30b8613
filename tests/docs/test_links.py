"""Every link inside the documents leads somewhere, and every test that they name exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.house.tree import ROOT

DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "policies").rglob("*.md")],
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ +(.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
def test_links_lead_somewhere(path: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.M | re.S)
    for link in LINK.findall(prose):
        if link.startswith("https://"):
            continue
        target, _, anchor = link.partition("#")
        found = (path.parent / target).resolve() if target else path
        assert found.exists(), f"{link} leads nowhere"
        assert found.is_relative_to(ROOT), f"{link} leads out of the checkout"
        assert not anchor or anchor in anchors(found.read_text("utf-8")), f"{link}: no such heading"


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
def test_named_tests_exist(path: Path) -> None:
    for file, name in NAMED_TEST.findall(path.read_text("utf-8")):
        assert (ROOT / file).is_file(), f"{file} does not exist"
        tree = ast.parse((ROOT / file).read_text("utf-8"))
        defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        assert not name or name in defined, f"{file} has no {name}"
