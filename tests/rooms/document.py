"""Write the table of attempts into docs/isolation.md: `python -m tests.rooms.document`."""

from __future__ import annotations

import re
from pathlib import Path

from tests.rooms.attempts import ATTEMPTS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "isolation.md"
BEGIN, END = "<!-- attempts -->\n", "<!-- end of attempts -->\n"


def table() -> str:
    """The attempts as a Markdown table, numbered."""
    lines = ["| | tries to | blocked by | seen inside | kind |", "|---|---|---|---|---|"]
    for at, one in enumerate(ATTEMPTS, 1):
        lines.append(f"| {at} | {one.what} | {one.by} | {one.shows} | {one.group} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    text = PAGE.read_text("utf-8")
    PAGE.write_text(re.sub(f"{BEGIN}.*?{END}", lambda _: BEGIN + table() + END, text, flags=re.S), "utf-8")
