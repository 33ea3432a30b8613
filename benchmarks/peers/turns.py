"""Asking a peer, inside the peer's own environment: nothing of the sandbox is imported here.

`python run_PEER.py DATA < questions.json > answers.json`
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Rows = Iterable[Iterable[Any]]


def run(prepare: Callable[[Path, float], Callable[[dict[str, Any], int], tuple[Rows, float]]]) -> None:
    """Answer what stands on stdin.

    Args:
        prepare: from the data's folder and epsilon to a function that answers a question with the number of
            its turn: rows, keys first, and the epsilon that they cost by the peer's own account. It raises
            what the peer raises.

    """
    asked = json.load(sys.stdin)
    sys.stdout, answers = sys.stderr, sys.stdout  # peers print
    ask = prepare(Path(sys.argv[1]), asked["epsilon"])
    found: dict[str, Any] = {}
    for question in asked["questions"]:
        times: list[float] = []
        tables: list[list[list[Any]]] = []
        cost = 0.0
        try:
            for turn in range(asked["times"] + 1):
                began = time.perf_counter()
                rows, cost = ask(question, turn)
                times.append(1000 * (time.perf_counter() - began))
                tables.append([[_plain(cell) for cell in row] for row in rows])
        except BaseException as why:  # a peer's panic is no Exception
            if isinstance(why, KeyboardInterrupt):
                raise
            found[question["name"]] = {"refused": f"{type(why).__name__}: {why}".replace("\n", " ")[:200]}
            continue
        found[question["name"]] = {
            "refused": "",
            "milliseconds": times[1:],
            "tables": tables[1:],
            "epsilon": cost,
        }
    json.dump(found, answers)


def sql(question: dict[str, Any], turn: int, **tables: str) -> str:
    """The question's text with these tables, another one each turn."""
    text: str = question["sql"]
    return text.format(n=-41 - turn, **tables)


def _plain(cell: Any) -> Any:
    if cell is None or isinstance(cell, str | int):
        return cell
    number = float(cell)
    return None if math.isnan(number) else number
