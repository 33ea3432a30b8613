"""What a benchmark found, as a table for people and as JSON."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import rich
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results.json"
WIDE = 200  # characters, where nobody looks at a terminal
LIBRARIES = ("duckdb", "pyarrow", "sqlglot", "opendp", "sqlalchemy")

Cell = str | float


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure that has to be reached: at most (or at least) `bound`."""

    name: str
    value: float
    bound: float
    at_most: bool = True

    @property
    def met(self) -> bool:
        """Whether it is."""
        return self.value <= self.bound if self.at_most else self.value >= self.bound

    def __str__(self) -> str:
        sign = "≤" if self.at_most else "≥"
        return (
            f"{self.name}: {self.value:.3g} (goal {sign} {self.bound:g}): {'met' if self.met else 'MISSED'}"
        )


@dataclass(frozen=True, slots=True)
class Report:
    """One benchmark's table."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    goals: tuple[Goal, ...] = ()

    def show(self) -> None:
        """Print it."""
        print(f"\n{self.title}")
        table = Table()
        for i, name in enumerate(self.columns):
            table.add_column(name, justify="right" if i else "left")
        for row in self.rows:
            table.add_row(*map(_text, row))
        wide = rich.get_console() if sys.stdout.isatty() else Console(width=WIDE)
        wide.print(table)
        for goal in self.goals:
            rich.print(f"  {goal}")


def _text(cell: Cell) -> str:
    if isinstance(cell, str):
        return cell
    return f"{cell:,.0f}" if abs(cell) >= 1000 else f"{cell:.3g}"


def machine() -> Mapping[str, str]:
    """What the figures depend on."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "processor": names[0].partition(": ")[2] if names else platform.processor(),
        "cores": str(cores),
        "memory": f"{memory / 2**30:.0f} GiB",
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": " ".join(f"{one:.1f}" for one in os.getloadavg()),
        **{name: version(name) for name in LIBRARIES},
    }


def save(reports: Mapping[str, Sequence[Report]], before: Mapping[str, str]) -> None:
    """Write `results.json`: every table, and the machine before and after."""
    body = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": dict(before),
        "load_after": machine()["load"],
        "benchmarks": {name: [_plain(one) for one in found] for name, found in reports.items()},
    }
    RESULTS.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _plain(report: Report) -> dict[str, object]:
    return {
        "title": report.title,
        "rows": [dict(zip(report.columns, row, strict=True)) for row in report.rows],
        "goals": [
            {"name": g.name, "value": g.value, "bound": g.bound, "at_most": g.at_most, "met": g.met}
            for g in report.goals
        ],
    }
