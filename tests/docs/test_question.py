"""The example in `how-a-question-travels.md` is what the rewriter makes of it."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from types import MappingProxyType

from sandbox.policy.published import Published, Version
from sandbox.policy.read import read_grant, read_people, read_policy, read_units, sha256
from sandbox.query.analyze import analyze
from sandbox.query.authorize import admit, authorize
from sandbox.query.parse import DIALECT, parse
from sandbox.query.resolve import resolve, visible
from sandbox.query.rewrite import Rewritten, rewrite
from tests.house.tree import ROOT

POLICIES = ROOT / "policies"
DOCUMENT = (ROOT / "docs" / "how-a-question-travels.md").read_text("utf-8")


def block(name: str) -> str:
    """A block of the document, up to its `…`."""
    found = re.search(rf"^```sql {name}\n(.*?)\n```$", DOCUMENT, re.M | re.S)
    assert found is not None
    return found[1].removesuffix("…").rstrip()


def text(path: str) -> bytes:
    return (POLICIES / path).read_bytes()


def demo_policies() -> Published:
    files = [Path(f"{name}.yaml") for name in ("nafld.policy", "grants/liver-2026", "units", "people")]
    policy, grant, units, people = (text(str(file)) for file in files)
    return Published(
        revision=1,
        policies=MappingProxyType({"nafld": Version(sha256(policy), read_policy(policy))}),
        grants=MappingProxyType({"liver-2026": Version(sha256(grant), read_grant(grant))}),
        units=Version(sha256(units), read_units(units)),
        people=Version(sha256(people), read_people(people)),
    )


def rewritten(sql: str) -> Rewritten:
    published = demo_policies()
    admitted = admit(published.person("li"), "liver-2026", published, date(2026, 11, 23))
    resolved = resolve(parse(sql, 65_536), visible(admitted.policies))
    return rewrite(analyze(authorize(admitted, resolved)))


def test_the_example_is_rewritten_as_the_document_says() -> None:
    result = rewritten(block("question"))
    (exact,) = result.exact
    for name, tree in (("exact", exact.tree), ("post", result.analyzed.post)):
        sql = tree.sql(DIALECT, pretty=True)
        assert sql.startswith(block(name)), (
            f"the block `sql {name}` of the document should begin:\n{sql[:1500]}"
        )


def test_the_numbers_in_the_document_are_those_of_the_example() -> None:
    (boundary,) = rewritten(block("question")).analyzed.boundaries
    total = next(measure for measure in boundary.measures if measure.label == "sum(people.age - 59)")
    assert boundary.sensitivity(total).l1 == 41
    assert "moves that sum by at most 41" in " ".join(DOCUMENT.split())


def test_the_steps_come_in_the_order_of_the_pipeline() -> None:
    pipeline = (ROOT / "sandbox" / "query" / "pipeline.py").read_text("utf-8").split('"""')[1]
    way = " ".join(line for line in pipeline.splitlines() if "->" in line)
    order = [found[0] for step in way.split("->") if (found := re.match(r"[a-z-]+", step.strip()))]
    assert re.findall(r"^\*\*([a-z-]+)\*\*", DOCUMENT, re.M) == order
