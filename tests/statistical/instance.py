"""Instances of many cells, each a small table of its own: one question gives one sample for every cell.

Every cell holds the same units, and one unit more, the target, in the instance `with_target`. No unit is
in more cells than its bounds let it, so the answers of different cells are independent samples of one
mechanism on two neighbouring tables.
"""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

from sandbox.identity import Via
from sandbox.query.answer import Answer
from sandbox.service import home as homes
from sandbox.service import loading, opc, steward
from sandbox.service.home import Home
from sandbox.service.reports import LoadRequest
from sandbox.settings import Settings
from tests.query.world import PEOPLE, UNITS

CELLS = 400
PASSPHRASE = "a passphrase for tests alone"
POLICY = """
dataset: lab
title: {en: Lab, zh: 实验}
publisher: tests
licence: CC0-1.0
stewards: [wang]
people: [opc]
purposes: [research]
settings: [query]
privacy:
  budget: {epsilon: 1000, delta: DELTA}
  project: {epsilon: 1000, delta: DELTA}
  question: {epsilon: 10, delta: QUESTION}
tables:
  once:
    unit: {name: person, column: id, when_null: drop}
    bounds: {rows_per_unit: 1}
    columns:
      id: {type: integer, use: join_only, nullable: false}
      cell: {type: integer, use: open, between: [0, 399], nullable: false}
      x: {type: integer, use: open, between: [0, 100], nullable: false}
      y: {type: integer, use: open, between: [0, 100], nullable: false}
      d: {type: decimal, digits: 6, decimals: 2, use: open, between: [-5, 5], nullable: false}
      tag: {type: text, use: open, nullable: false}
  often:
    unit: {name: person, column: id, when_null: drop}
    bounds: {rows_per_unit: 6, groups_per_unit: 2, rows_per_group: 3}
    columns:
      id: {type: integer, use: join_only, nullable: false}
      cell: {type: integer, use: open, between: [0, 399], nullable: false}
      x: {type: integer, use: open, between: [0, 100], nullable: false}
"""
GRANT = """
grant: g
project: p
people: [li]
purpose: research
datasets: [lab]
budget: {epsilon: 1000, delta: DELTA}
window: {first: 2020-01-01, last: 2099-12-31}
"""
NAMES = {"once": ("id", "cell", "x", "y", "d", "tag"), "often": ("id", "cell", "x")}


def make(folder: Path, *, with_target: bool, delta: str = "1e-6", of_question: str = "1e-7") -> Home:
    """An opened instance whose accounts have this delta, and each question that one."""

    def filled(text: str) -> str:
        return text.replace("DELTA", delta).replace("QUESTION", of_question)

    settings = Settings.model_validate(
        {"home": folder / "home", "engine_threads": 1, "passphrase": PASSPHRASE}
    )
    homes.init(settings, PASSPHRASE)
    home = homes.open_home(settings, PASSPHRASE)
    texts = {
        "people.yaml": PEOPLE,
        "units.yaml": UNITS,
        "lab.policy.yaml": filled(POLICY),
        "g.yaml": filled(GRANT),
    }
    (folder / "grants").mkdir()
    for name, text in texts.items():
        path = folder / "grants" / name if name == "g.yaml" else folder / name
        path.write_text(text, "utf-8")
        steward.publish(home, homes.actor(home, None if name == "people.yaml" else "wang", Via.CLI), path)
    for table, rows in (("once", _once(with_target)), ("often", _often(with_target))):
        file = folder / f"{table}.csv"
        with file.open("w", newline="") as out:
            csv.writer(out).writerows([NAMES[table], *rows])
        loading.load(home, homes.actor(home, None, Via.CLI), LoadRequest(str(file), "lab", table))
    return home


def _once(with_target: bool) -> list[tuple[object, ...]]:
    """Two units in each cell, in the middle of their bounds; the target at their ends, alone with its
    tag."""
    rows: list[tuple[object, ...]] = []
    for cell in range(CELLS):
        rows += [(3 * cell + i, cell, 50, 50, "0.00", "everybody") for i in (0, 1)]
        if with_target:
            rows.append((3 * cell + 2, cell, 100, 100, "5.00", f"only {cell}"))
    return rows


def _often(with_target: bool) -> list[tuple[object, ...]]:
    """Cells in pairs: the target has three rows in both of a pair, at the upper end."""
    rows: list[tuple[object, ...]] = []
    for cell in range(CELLS):
        rows += [(3 * cell, cell, 50)]
        if with_target:
            rows += [(3 * (cell // 2 * 2) + 2, cell, 100)] * 3
    return rows


def asked(home: Home, sql: str, epsilon: Decimal) -> Answer:
    """The answer, as li gets it."""
    return opc.ask(home, homes.actor(home, "li", Via.CLI), sql, "g", epsilon)
