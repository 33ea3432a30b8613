"""Run benchmarks: all, or those that are named."""

from __future__ import annotations

import sys
import time

import rich

from benchmarks import (
    accuracy,
    classification,
    groups,
    hot,
    load,
    memory,
    openings,
    postgres,
    question,
    rooms,
    stages,
    tpch,
)
from benchmarks.report import RESULTS, Report, machine, save
from benchmarks.scale import WHOLE

BENCHMARKS = {
    "question": question.run,
    "tpch": tpch.run,
    "accuracy": accuracy.run,
    "classification": classification.run,
    "load": load.run,
    "stages": stages.run,
    "postgres": postgres.run,
    "hot": hot.run,
    "groups": groups.run,
    "memory": memory.run,
    "rooms": rooms.run,
    "openings": openings.run,
}


def main(names: list[str]) -> None:
    """Run, print, and write `results.json`."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        raise SystemExit(f"No benchmark is named {unknown[0]}; there are: {', '.join(BENCHMARKS)}.")
    before = machine()
    rich.print("  ".join(f"{name} {value}" for name, value in before.items()))
    found: dict[str, list[Report]] = {}
    chosen = names or list(BENCHMARKS)
    for at, name in enumerate(chosen, 1):
        rich.print(f"\n[{at}/{len(chosen)}] {name} …")
        began = time.monotonic()
        found[name] = BENCHMARKS[name](WHOLE)
        for report in found[name]:
            report.show()
        rich.print(f"  {name} took {time.monotonic() - began:.0f} s")
        save(found, before)
    rich.print(f"\nWritten to {RESULTS}.")


if __name__ == "__main__":
    main(sys.argv[1:])
