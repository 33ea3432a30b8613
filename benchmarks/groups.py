"""Noise on the counts of many groups: 10,000 of them, and a million; and whole questions of a million.

python -m benchmarks groups
"""

from __future__ import annotations

import multiprocessing
import resource
import time
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from benchmarks.report import Goal, Report
from benchmarks.scale import Scale
from benchmarks.timing import interleaved
from sandbox.privacy.arrow import add_noise
from sandbox.privacy.mechanisms import Gaussian, Laplace
from sandbox.query.pipeline import Question, ask
from sandbox.service import home as homes
from sandbox.service.documents import answer_arrow
from tests.query.instance import context, li, make, open_instance

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
        ),
        _questions(scale),
    ]


def _questions(scale: Scale) -> Report:
    """Three public keys, or two and a histogram by the third, from the question to Arrow."""
    values = round(scale.groups ** (1 / 3))
    key = f"LEAST(COALESCE(age, 0), {values - 1})"
    two = f"SELECT {key} AS a, {key} + 1 AS b"
    asked = {
        "COUNT(*)": f"{two}, {key} + 2 AS c, COUNT(*) AS n FROM people GROUP BY ALL",
        "HISTOGRAM": f"{two}, HISTOGRAM({key} + 2) AS h FROM people GROUP BY ALL",
    }
    rows: list[tuple[str | float, ...]] = [
        (f"{name}, {values**3:,} noisy counts", *_in_child(sql)) for name, sql in asked.items()
    ]
    heads = ("", "rows", "s", "processor s", "peak grew by MB", "Arrow MB")
    return Report("Whole questions of many groups, in a process of its own", heads, tuple(rows))


def _in_child(sql: str) -> tuple[float, ...]:
    mine, theirs = multiprocessing.get_context("spawn").Pipe()
    child = multiprocessing.get_context("spawn").Process(target=_ask, args=(theirs, sql))
    child.start()
    theirs.close()
    measured: tuple[float, ...] = mine.recv()
    child.join()
    return measured


def _ask(pipe: Connection, sql: str) -> None:
    with TemporaryDirectory() as folder:
        make(Path(folder), units=2000)
        home = open_instance(Path(folder))
        ask(Question("SELECT COUNT(*) AS n FROM people", "g", li(home), Decimal("0.1")), context(home))
        before, wall, processor = _peak(), time.perf_counter(), time.process_time()
        answer = ask(Question(sql, "g", li(home), Decimal(1)), context(home))
        size = len(answer_arrow(answer))
        times = time.perf_counter() - wall, time.process_time() - processor
        pipe.send((answer.table.num_rows, *times, (_peak() - before) / MB, size / MB))
        homes.close(home)


def _peak() -> int:
    """Bytes."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
