"""Small files with speaking names, and nothing left for later."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from tests.house.tree import PACKAGES, ROOT, SOURCES

LONGEST = 400
EMPTY_NAMES = {
    "utils",
    "util",
    "helpers",
    "helper",
    "manager",
    "managers",
    "handler",
    "handlers",
    "misc",
    "common",
}
LEFT_FOR_LATER = re.compile(r"\b(TODO|FIXME|XXX|HACK|NotImplementedError)\b")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_a_file_is_short_and_finished(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= LONGEST, "split it: one job each"
    assert not LEFT_FOR_LATER.findall(text)
    assert ast.get_docstring(ast.parse(text)), "say in one line what this file is for"


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_a_name_says_what_is_inside(path: Path) -> None:
    words = {word for part in path.relative_to(ROOT).with_suffix("").parts for word in part.split("_")}
    assert not words & EMPTY_NAMES


def test_there_is_something_to_check() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in SOURCES} == set(PACKAGES)


def test_the_lock_names_no_server() -> None:
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host", lock)
    pins = re.findall(r"^([a-z0-9][\w.\-]*)==", lock, re.M)
    assert lock.count("--hash=sha256:") >= len(pins) > 40


def test_the_lock_holds_every_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = [
        *project["dependencies"],
        *(d for extra in project["optional-dependencies"].values() for d in extra),
    ]
    names = {re.split(r"[\[<>=!~; ]", line)[0].lower().replace("_", "-") for line in declared} - {
        project["name"]
    }
    locked = set(re.findall(r"^([a-z0-9][\w.\-]*)==", (ROOT / "requirements.lock").read_text("utf-8"), re.M))
    assert names <= locked, "run: make lock"
