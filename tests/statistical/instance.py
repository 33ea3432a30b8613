"""Instances of many cells, each a small table of its own: one question gives one sample for every cell.

Every cell holds the same units, and one unit more, the target, in the instance `with_target`. No unit is
in more cells than its bounds let it, so the answers of different cells are independent samples of one
mechanism on two neighbouring tables.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
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

CELLS = 1000
PASSPHRASE = "a passphrase for tests alone"
PRIVACY = """
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
  question: {epsilon: 100, delta: QUESTION}
tables:
"""
CELLULAR = """
  once:
    unit: {name: person, column: id, when_null: drop}
    bounds: {rows_per_unit: 1}
    columns:
      id: {type: integer, use: join_only, nullable: false}
      cell: {type: integer, use: open, between: [0, 999], nullable: false}
      x: {type: integer, use: open, between: [0, 100], nullable: false}
      y: {type: integer, use: open, between: [0, 100], nullable: false}
      d: {type: decimal, digits: 6, decimals: 2, use: open, between: [-5, 5], nullable: false}
      side: {type: integer, use: open, between: [0, 1], nullable: false}
      tag: {type: text, use: open, nullable: false}
  spread:
    unit: {name: person, column: id, when_null: drop}
    bounds: {rows_per_unit: 1}
    columns:
      id: {type: integer, use: join_only, nullable: false}
      cell: {type: integer, use: open, between: [0, 999], nullable: false}
      x: {type: integer, use: open, between: [0, 100], nullable: false}
  often:
    unit: {name: person, column: id, when_null: drop}
    bounds: {rows_per_unit: 6, groups_per_unit: 2, rows_per_group: 3}
    columns:
      id: {type: integer, use: join_only, nullable: false}
      cell: {type: integer, use: open, between: [0, 999], nullable: false}
      x: {type: integer, use: open, between: [0, 100], nullable: false}
      tag: {type: text, use: open, nullable: false}
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
Rows = Iterable[tuple[object, ...]]


def cellular(folder: Path, *, with_target: bool, delta: str = "1e-6", of_question: str = "1e-7") -> Home:
    """The instance of many cells."""
    once = ("id", "cell", "x", "y", "d", "side", "tag"), _once(with_target)
    often = ("id", "cell", "x", "tag"), _often(with_target)
    spread = ("id", "cell", "x"), _spread(with_target)
    return make(folder, CELLULAR, {"once": once, "spread": spread, "often": often}, delta, of_question)


def make(
    folder: Path,
    tables: str,
    rows: Mapping[str, tuple[tuple[str, ...], Rows]],
    delta: str = "1e-6",
    of_question: str = "1e-7",
) -> Home:
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
        "lab.policy.yaml": filled(PRIVACY + tables.removeprefix("\n")),
        "g.yaml": filled(GRANT),
    }
    (folder / "grants").mkdir()
    for name, text in texts.items():
        path = folder / "grants" / name if name == "g.yaml" else folder / name
        path.write_text(text, "utf-8")
        steward.publish(home, homes.actor(home, None if name == "people.yaml" else "wang", Via.CLI), path)
    for table, (names, lines) in rows.items():
        file = folder / f"{table}.csv"
        with file.open("w", newline="") as out:
            csv.writer(out).writerows([names, *lines])
        loading.load(home, homes.actor(home, None, Via.CLI), LoadRequest(str(file), "lab", table))
    return home


def _once(with_target: bool) -> Rows:
    """Two units in each cell, in the middle of their bounds; the target at their ends, alone with its
    tag."""
    for cell in range(CELLS):
        for i in (0, 1):
            yield (3 * cell + i, cell, 50, 50, "0.00", 0, "everybody")
        if with_target:
            yield (3 * cell + 2, cell, 100, 100, "5.00", 1, f"only {cell}")


def _spread(with_target: bool) -> Rows:
    """Sixty units in each cell, around the middle, so that their moments stay what they are under noise; the
    target at the upper end."""
    for cell in range(CELLS):
        for i in range(60):
            yield (61 * cell + i, cell, 75 if i % 2 else 25)
        if with_target:
            yield (61 * cell + 60, cell, 100)


def _often(with_target: bool) -> Rows:
    """Cells in pairs: the target has three rows in both of a pair, at the upper end, with two tags of its
    own."""
    for cell in range(CELLS):
        yield (3 * cell, cell, 50, "everybody")
        if with_target:
            for _ in range(3):
                yield (3 * (cell // 2 * 2) + 2, cell, 100, f"only {cell}")


def asked(home: Home, sql: str, epsilon: Decimal) -> Answer:
    """The answer, as li gets it; never a stored one, which would be the same noise again."""
    answer = opc.ask(home, homes.actor(home, "li", Via.CLI), sql, "g", epsilon)
    assert not answer.repeated, sql
    assert answer.cost is not None
    return answer
