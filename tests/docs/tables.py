"""The tables of a document, read as a program reads them."""

from __future__ import annotations

import re

from tests.house.tree import ROOT


def rows(document: str) -> list[list[str]]:
    """Every body row of every table in `docs/<document>`, cell by cell."""
    text = (ROOT / "docs" / document).read_text("utf-8")
    found = []
    for table in re.findall(r"(?:^\|.*\n)+", text, re.M):
        for line in table.splitlines()[2:]:
            found.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))])
    return found


def coded(cell: str) -> list[str]:
    """What a cell says in `code`."""
    return re.findall(r"`([^`]+)`", cell)
