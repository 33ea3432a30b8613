"""Files for the tests of this room: the project's examples, and edits of them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from sandbox.policy.codelist import beside
from sandbox.policy.decide import Published, Version
from sandbox.policy.lint import Surroundings, lint
from sandbox.policy.read import draft_of, kind_of, read_draft
from sandbox.policy.types import Grant, People, Policy, Units

FOLDER = Path(__file__).parents[2] / "policies"
NAFLD = (FOLDER / "nafld.policy.yaml").read_text(encoding="utf-8")
LIVER = (FOLDER / "grants" / "liver-2026.yaml").read_text(encoding="utf-8")
UNITS = (FOLDER / "units.yaml").read_text(encoding="utf-8")
PEOPLE = (FOLDER / "people.yaml").read_text(encoding="utf-8")
TODAY = date(2026, 6, 1)


def edited(text: str, *edits: tuple[str, str]) -> str:
    """`text` with each first occurrence replaced; an edit that finds nothing is a mistake of the test."""
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def example(name: str) -> Policy | Grant | Units | People:
    return read_draft(FOLDER / name).model


def around() -> Surroundings:
    policy, units, people = example("nafld.policy.yaml"), example("units.yaml"), example("people.yaml")
    assert isinstance(policy, Policy)
    assert isinstance(units, Units)
    assert isinstance(people, People)
    return Surroundings({"nafld": policy}, units, people, TODAY)


def published() -> Published:
    policy, units = read_draft(FOLDER / "nafld.policy.yaml"), read_draft(FOLDER / "units.yaml")
    grant, people = read_draft(FOLDER / "grants/liver-2026.yaml"), read_draft(FOLDER / "people.yaml")
    assert isinstance(policy.model, Policy)
    assert isinstance(units.model, Units)
    assert isinstance(people.model, People)
    assert isinstance(grant.model, Grant)
    return Published(
        1,
        {"nafld": Version(policy.digest, policy.model)},
        {"liver-2026": Version(grant.digest, grant.model)},
        Version(units.digest, units.model),
        Version(people.digest, people.model),
    )


def findings(text: str, file: str, surroundings: Surroundings | None = None) -> set[tuple[str, int, int]]:
    """(rule, line, column) of every lint finding."""
    draft = draft_of(kind_of(file), text.encode(), file, beside(FOLDER / file))
    found = lint(draft, surroundings or around())
    return {(item.rule, item.place.line, item.place.column) for item in found if item.place is not None}
