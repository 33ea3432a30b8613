"""Noise on the counts of many groups: 10,000 of them, and a million.

python -m benchmarks groups
"""

from __future__ import annotations

import resource
import time

import pyarrow as pa

from benchmarks.report import Goal, Report
from benchmarks.scale import Scale
from benchmarks.timing import interleaved
from sandbox.privacy.arrow import add_noise
from sandbox.privacy.mechanisms import Gaussian, Laplace

GROUPS = 10_000
GOAL_MS = 150.0
SCALE = 20.0
MECHANISMS = {"Laplace": Laplace(SCALE), "Gaussian": Gaussian(SCALE)}
MB = 1_000_000


def run(scale: Scale) -> list[Report]:
    """Measure both mechanisms."""
    counts = pa.array(range(GROUPS), pa.int64())
    few = interleaved(
        {name: lambda _, m=m: add_noise(m, counts) for name, m in MECHANISMS.items()}, scale.rounds
    )
    rows: list[tuple[str | float, ...]] = [
        (f"{name}, {GROUPS:,} groups", 1000 * t.median, 1000 * t.median_processor, "")
        for name, t in few.items()
    ]
    many = pa.array(range(scale.groups), pa.int64())
    for name, mechanism in MECHANISMS.items():
        before, wall, processor = _peak(), time.perf_counter(), time.process_time()
        add_noise(mechanism, many)
        times = (1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - processor))
        rows.append((f"{name}, {scale.groups:,} groups", *times, (_peak() - before) / MB))
    goals = [
        Goal(f"{name}: processor ms of {GROUPS:,} groups", 1000 * t.median_processor, GOAL_MS)
        for name, t in few.items()
    ]
    return [
        Report(
            "Noise on many groups", ("", "ms", "processor ms", "peak grew by MB"), tuple(rows), tuple(goals)
        )
    ]


def _peak() -> int:
    """Bytes."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
