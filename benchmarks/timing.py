"""Fair comparison on a machine that others use too: contestants take turns, and medians are compared.

Wall time is what a person waits for; it suffers from what else the machine does. The processor time of all
threads suffers less. Ratios are medians of the ratios of each round, whose members ran one after the other.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of one contestant, by round."""

    wall: tuple[float, ...]
    processor: tuple[float, ...]

    @property
    def median(self) -> float:
        """Seconds of wall time."""
        return statistics.median(self.wall)

    @property
    def median_processor(self) -> float:
        """Seconds of processor time, all threads of this process together."""
        return statistics.median(self.processor)

    def ratio(self, other: Timing) -> float:
        """How many times as long as `other`, by wall time."""
        return statistics.median(a / b for a, b in zip(self.wall, other.wall, strict=True))

    def processor_ratio(self, other: Timing) -> float:
        """How many times as much processor time as `other`."""
        return statistics.median(a / b for a, b in zip(self.processor, other.processor, strict=True))


def interleaved(
    contestants: Mapping[str, Callable[[int], object]],
    rounds: int,
    between: Callable[[], None] = lambda: None,
) -> dict[str, Timing]:
    """Each contestant in turn, `rounds` times, after one round that does not count.

    Args:
        contestants: called with the number of the round.
        rounds: at least 1.
        between: called after each, outside of its time.

    """
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, run in contestants.items():
            wall, processor = time.perf_counter(), time.process_time()
            run(number)
            taken[name].append((time.perf_counter() - wall, time.process_time() - processor))
            between()
    return {
        name: Timing(tuple(w for w, _ in pairs[1:]), tuple(p for _, p in pairs[1:]))
        for name, pairs in taken.items()
    }
