"""A document's `console` blocks, run as they stand.

A block holds lines `$ command`, each followed by what it prints. A line `…` stands for any lines.
Compared is the shape, not the noise: numbers, digests and the widths of table cells may differ.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(r"^```console\n(.*?)^```", re.M | re.S)
HEX = re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b")
NUMBER = re.compile(r"(?<![\w#])[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")
BASE64 = re.compile(r"\S*[A-Za-z0-9+/_-]{40,}=*")


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a document and the lines that it is said to print."""

    text: str
    prints: tuple[str, ...]


def commands(document: Path) -> list[Command]:
    """Every command of the document's `console` blocks, in order."""
    found = []
    for block in BLOCK.findall(document.read_text("utf-8")):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            first, *lines = re.sub(r"\\\n", "", part).splitlines()
            found.append(Command(first, tuple(lines)))
    return found


def shape(line: str) -> str:
    """A line without its noise."""
    line = BASE64.sub("@", re.sub(r"-{3,}:?", "-", line))
    line = NUMBER.sub("#", HEX.sub("@", line))
    return re.sub(r"\s+", " ", line).strip()


def fits(said: tuple[str, ...], printed: list[str]) -> bool:
    """Whether what a command printed has the shape that the document says."""
    parts = [".*" if line.strip() == "…" else re.escape(shape(line)) + "\n" for line in said if line.strip()]
    lines = "".join(shape(line) + "\n" for line in printed if line.strip())
    return re.fullmatch("".join(parts), lines, re.S) is not None
