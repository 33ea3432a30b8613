"""Every SQL block of docs/sql.md is accepted under the demo's policy, and every aggregate is named there."""

from __future__ import annotations

import re

import pytest

from sandbox.identity import Actor, Person, Role, Via
from sandbox.policy.published import Published, Version
from sandbox.policy.read import read_any
from sandbox.query.analyze import analyze
from sandbox.query.authorize import admit, authorize
from sandbox.query.parse import parse
from sandbox.query.resolve import resolve, visible
from sandbox.query.rewrite import rewrite
from sandbox.query.spellings import HISTOGRAM
from sandbox.query.vocabulary import AGGREGATES
from tests.house.tree import ROOT
from tests.query.world import TODAY

PAGE = (ROOT / "docs" / "sql.md").read_text()
BLOCKS = re.findall(r"```sql\n(.*?)```", PAGE, re.S)
LI = Actor(Person("li", "Li Studio", frozenset({Role.OPC})), Via.CLI)


def demo_published() -> Published:
    """What the demo publishes."""
    papers = ROOT / "policies"
    policy = read_any(papers / "nafld.policy.yaml")
    grant = read_any(papers / "grants" / "liver-2026.yaml")
    return Published(
        1,
        {"nafld": Version("sha256:policy", policy)},
        {"liver-2026": Version("sha256:grant", grant)},
        Version("sha256:units", read_any(papers / "units.yaml")),
        Version("sha256:people", read_any(papers / "people.yaml")),
    )


@pytest.mark.parametrize("sql", BLOCKS)
def test_a_documented_question_is_accepted(sql: str) -> None:
    admitted = admit(LI.person, "liver-2026", demo_published(), TODAY)
    resolved = resolve(parse(sql, 65_536), visible(admitted.policies))
    assert rewrite(analyze(authorize(admitted, resolved))).exact


def test_the_page_shows_something() -> None:
    assert len(BLOCKS) >= 9


@pytest.mark.parametrize("name", sorted({t.sql_names()[0] for t in AGGREGATES}))
def test_every_aggregate_is_named(name: str) -> None:
    others = {"VARIANCE": "VAR_SAMP", "STDDEV_SAMP": "STDDEV", "VARIANCE_POP": "VAR_POP"}
    spoken = {**others, "ANONYMOUS_AGG_FUNC": HISTOGRAM}.get(name, name)
    assert re.search(rf"`{spoken}`|{spoken}\(", PAGE), name
