"""The tables of a document, read as a program reads them."""

from __future__ import annotations

import re

from tests.house.tree import ROOT


def rows(document: str, columns: int = 3) -> list[list[str]]:
    """Every body row, cell by cell, of the tables in `docs/<document>` that have this many columns."""
    text = (ROOT / "docs" / document).read_text("utf-8")
    found = []
    for table in re.findall(r"(?:^\|.*\n)+", text, re.M):
        for line in table.splitlines()[2:]:
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
            if len(cells) == columns:
                found.append(cells)
    return found


def coded(cell: str) -> list[str]:
    """What a cell says in `code`."""
    return re.findall(r"`([^`]+)`", cell)
