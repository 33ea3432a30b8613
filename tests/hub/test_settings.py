"""Every variable that the hub reads is documented, and nothing else is."""

from __future__ import annotations

import re

from tests.docs.tables import coded, rows
from tests.house.tree import ROOT

# Set by the hub's own start for its parts.
INTERNAL = {"SANDBOX_HUB_NODE", "SANDBOX_HUB_REPORT_TOKEN"}
ELSEWHERE = re.compile(r"SANDBOX_(HOME|PASSPHRASE|PASSPHRASE_FILE|LISTEN|BEHIND_PROXY|URL|ROOM_[A-Z_]*)")


def test_every_variable_of_the_hub_is_documented() -> None:
    read = {
        name
        for path in (ROOT / "hub_config").rglob("*.py")
        for name in re.findall(r'"(SANDBOX_[A-Z_]+)"', path.read_text("utf-8"))
        if not ELSEWHERE.fullmatch(name)
    }
    listed = [*rows("hub.md"), *rows("kubernetes.md")]
    documented = {coded(row[0])[0] for row in listed if row[0].startswith("`SANDBOX_")}
    assert documented == read - INTERNAL
