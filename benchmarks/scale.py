"""How large the benchmarks are: whole for people, tiny for the test that they still run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Sizes of one run.

    Attributes:
        tpch: scale factor of TPC-H.
        rounds: times that each contestant of a comparison runs, after one round to warm up.
        loads: the same for whole loads, which take longer.
        csv_mb: sizes of the generated CSV files whose loads are compared in memory, in MB.
        questions: that are asked one after the other for a latency.
        answers: whose error is averaged.
        groups: of one answer that is given noise at once.
        kernels: sealed ones that start at once.
        bombs: kinds of them that go off in a kernel.
        cells: of a kernel, timed beside a bomb and without it.
        logins: at a hub, up to the first cell; none: no hub is started.
        entries: of the logs of homes that are opened.

    """

    tpch: float
    rounds: int
    loads: int
    csv_mb: tuple[int, int]
    questions: int
    answers: int
    groups: int
    kernels: int
    bombs: int
    cells: int
    logins: int
    entries: tuple[int, int]


WHOLE = Scale(
    tpch=1,
    rounds=7,
    loads=3,
    csv_mb=(250, 1000),
    questions=200,
    answers=1000,
    groups=1_000_000,
    kernels=20,
    bombs=5,
    cells=15,
    logins=5,
    entries=(1000, 100_000),
)
TINY = Scale(
    tpch=0.001,
    rounds=1,
    loads=1,
    csv_mb=(1, 2),
    questions=2,
    answers=2,
    groups=1000,
    kernels=2,
    bombs=1,
    cells=2,
    logins=0,
    entries=(20, 40),
)
