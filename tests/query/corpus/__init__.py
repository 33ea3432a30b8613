"""Ordinary questions of analysts, over real datasets: what is answered, and what is refused and why.

`policies/` declares the datasets as a steward would who knows what they are about; `<dataset>.sql` holds the
questions, in the words of those who ask, written as they would be for a plain database. They are asked over
rows made from what is declared.
`python -m tests.query.corpus` writes `docs/sql-support.md` anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.policy.published import Published, Version
from sandbox.policy.read import read_grant, read_people, read_policy, read_units
from tests.house.tree import ROOT
from tests.query.fixtures import read
from tests.query.world import PEOPLE, planned

FOLDER = Path(__file__).parent
POLICIES = FOLDER / "policies"
NAFLD = ROOT / "policies" / "nafld.policy.yaml"
GRANT = """
grant: g
project: p
people: [li]
purpose: research
datasets: [{dataset}]
budget: {{epsilon: 1000, delta: 1e-3}}
window: {{first: 2020-01-01, last: 2099-12-31}}
"""


@dataclass(frozen=True, slots=True)
class Question:
    """One question: the dataset, what the analyst wants to know, and the SQL."""

    dataset: str
    wanted: str
    sql: str


@cache
def datasets() -> tuple[str, ...]:
    """The datasets by name; NAFLD, which ships with a policy, first."""
    return ("nafld", *sorted(p.name.partition(".")[0] for p in POLICIES.glob("*.policy.yaml")))


@cache
def questions() -> tuple[Question, ...]:
    """Every question, by dataset."""
    return tuple(
        Question(dataset, block.title, block.statements[0])
        for dataset in datasets()
        for block in read(FOLDER / f"{dataset}.sql")
    )


@cache
def world(dataset: str) -> Published:
    """The dataset's policy and a wide grant over it."""
    path = NAFLD if dataset == "nafld" else POLICIES / f"{dataset}.policy.yaml"
    units = ROOT / "policies" / "units.yaml" if dataset == "nafld" else POLICIES / "units.yaml"
    return Published(
        1,
        {dataset: Version("sha256:policy", read_policy(path.read_text("utf-8"), path.name))},
        {"g": Version("sha256:grant", read_grant(GRANT.format(dataset=dataset), "g.yaml"))},
        Version("sha256:units", read_units(units.read_text("utf-8"), "units.yaml")),
        Version("sha256:people", read_people(PEOPLE, "people.yaml")),
    )


@cache
def refusal(question: Question) -> SandboxError | None:
    """The refusal; None when the question is answered."""
    try:
        planned(question.sql, world(question.dataset))
    except SandboxError as refused:
        return refused
    return None
