"""The guide documents every key, word and rule, and its examples hold."""

# ruff: noqa: E501 - one block a line
from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from sandbox.identity import Role
from sandbox.policy import types
from sandbox.policy.lint import Surroundings, lint
from sandbox.policy.read import FileKind, draft_of
from sandbox.policy.rules import LINT, READING
from sandbox.policy.types import Grant, Kind, People, Policy, Setting, Units, Use

GUIDE = (Path(__file__).parents[2] / "docs" / "policy-guide.md").read_text(encoding="utf-8")

HEADINGS = {
    types.Policy: "Policy", types.Titles: "Title", types.PrivacyBlock: "Privacy", types.BudgetBlock: "Budget",
    types.TablePolicy: "Table", types.UnitBlock: "Unit", types.Through: "Foreign key",
    types.Checks: "Checks", types.Bounds: "Contribution bounds", types.ColumnPolicy: "Column", types.Mask: "Mask",
    types.RowRule: "Row rule", types.Grant: "Grant", types.Window: "Window", types.Compute: "Compute",
    types.Units: "Units", types.PrivacyUnit: "Privacy unit", types.People: "People", types.PersonBlock: "Person",
}  # fmt: skip


def models(root: type[BaseModel]) -> set[type[BaseModel]]:
    """Every block that a file of this kind can hold."""
    found = {root}
    for field in root.model_fields.values():
        waiting = [field.annotation]
        while waiting:
            part = waiting.pop()
            if isinstance(part, type) and issubclass(part, BaseModel):
                found |= models(part)
            waiting += get_args(part)
    return found


ALL = set().union(*(models(root) for root in (Policy, Grant, Units, People)))


def section(heading: str) -> str:
    match = re.search(rf"^## {re.escape(heading)} ·.*?(?=^## |\Z)", GUIDE, re.MULTILINE | re.DOTALL)
    assert match, heading
    return match[0]


def test_every_block_has_its_section() -> None:
    assert set(HEADINGS) == ALL


@pytest.mark.parametrize("model", sorted(ALL, key=repr))
def test_every_key_is_documented(model: type[BaseModel]) -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+?) \| ([^|]+?) \|$", section(HEADINGS[model]), re.MULTILINE)
    assert [key for key, _, _ in rows] == list(model.model_fields)
    for key, default, meaning in rows:
        field = model.model_fields[key]
        assert (default == "required") == field.is_required(), key
        if isinstance(field.default, bool | int | str) and field.default not in ("", Use.HIDDEN):
            assert default == str(field.default).lower(), key
        assert meaning.endswith((".", "`.")), key


def test_every_word_is_documented() -> None:
    words = [*Kind, *Setting, *Role, *(step.name.lower() for step in Use)]
    assert [word for word in words if f"`{word}`" not in GUIDE] == []


def test_every_rule_is_documented() -> None:
    rows = re.findall(
        r"^\| `([\w-]+)` \| (error|warning) \| (.+) \|$", section("What is checked"), re.MULTILINE
    )
    told = {rule: (severity, text) for rule, severity, text in rows}
    wanted = {rule: ("error", text) for rule, text in READING.items()}
    wanted |= {rule: (severity.value, text) for rule, (severity, text) in LINT.items()}
    assert told == wanted
    assert len(rows) == len(told)


def test_the_example_policy_is_clean() -> None:
    (text,) = re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    units = Units.model_validate({"units": {"person": {"title": {}}}})
    draft = draft_of(FileKind.POLICY, text.encode(), "bikes.policy.yaml")
    assert lint(draft, replace(Surroundings(), units=units)) == ()
