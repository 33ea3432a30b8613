"""Every benchmark runs, on tiny data, and gives figures that make sense."""

from __future__ import annotations

import math

import pytest

from benchmarks import report, timing
from benchmarks.__main__ import BENCHMARKS
from benchmarks.scale import TINY


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_runs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    reports = BENCHMARKS[name](TINY)
    assert reports
    for one in reports:
        assert one.rows
        assert all(len(row) == len(one.columns) for row in one.rows)
        assert all(math.isfinite(c) and c >= 0 for row in one.rows for c in row if isinstance(c, float))
        assert all(goal.value > 0 for goal in one.goals)
        one.show()
        assert one.title in capsys.readouterr().out


def test_contestants_take_turns_and_the_first_round_does_not_count() -> None:
    order: list[tuple[str, int]] = []
    times = timing.interleaved(
        {"a": lambda n: order.append(("a", n)), "b": lambda n: order.append(("b", n))}, 2
    )
    assert order == [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("a", 2), ("b", 2)]
    assert [len(t.wall) for t in times.values()] == [2, 2]


def test_a_ratio_is_the_median_over_rounds() -> None:
    a, b = timing.Timing((2.0, 9.0, 6.0), (1, 1, 1)), timing.Timing((1.0, 1.0, 3.0), (1, 1, 2))
    assert a.ratio(b) == 2.0
    assert a.processor_ratio(b) == 1.0


@pytest.mark.parametrize(
    ("value", "at_most", "met"), [(1.0, True, True), (2.0, True, False), (2.0, False, True)]
)
def test_a_goal_says_whether_it_is_met(value: float, at_most: bool, met: bool) -> None:
    goal = report.Goal("x", value, 1.5, at_most)
    assert goal.met is met
    assert ("MISSED" in str(goal)) is not met
