"""Where the time of a question goes: each step, by the clock and by the processor time of all threads."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from sandbox.audit.store import Store
from sandbox.query import pipeline, present, stored

WHOLE = "the whole question"
IN_PIPELINE = (
    "parse", "admit", "visible", "resolve", "authorize", "analyze", "rewrite", "price", "rehearse", "locate",
    "base_of", "derive", "charge", "execute", "noise", "post_process", "settle",
)  # fmt: skip
ELSEWHERE: tuple[tuple[Any, str], ...] = ((stored, "find"), (Store, "receipt"), (present, "answer"))
PHASES: Mapping[str, tuple[str, ...]] = {
    "plan": ("parse", "admit", "visible", "resolve", "authorize", "analyze", "rewrite", "rehearse"),
    "price": ("price",),
    "look up": ("locate", "base_of", "find", "derive"),
    "charge": ("charge",),
    "run": ("execute",),
    "noise": ("noise",),
    "post-process": ("post_process",),
    "settle": ("settle", "receipt", "answer"),
}


@dataclass(slots=True)
class Spent:
    """Seconds that each step took, every time that it ran."""

    wall: dict[str, list[float]] = field(default_factory=dict)
    processor: dict[str, list[float]] = field(default_factory=dict)

    def timed(self, name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        """`step`, whose time is noted under `name`."""

        def run_step(*args: Any, **named: Any) -> Any:
            wall, processor = time.perf_counter(), time.process_time()
            try:
                return step(*args, **named)
            finally:
                self.wall.setdefault(name, []).append(time.perf_counter() - wall)
                self.processor.setdefault(name, []).append(time.process_time() - processor)

        return run_step


@contextmanager
def watched() -> Iterator[Spent]:
    """Note the time of every step of the questions that are asked in the body, one after the other."""
    spent = Spent()
    with ExitStack() as stack:
        steps = [(pipeline, name) for name in IN_PIPELINE] + list(ELSEWHERE)
        for owner, name in steps:
            stack.enter_context(patch.object(owner, name, spent.timed(name, getattr(owner, name))))
        yield spent


def phases(taken: Mapping[str, list[float]]) -> dict[str, float]:
    """Medians in milliseconds of what belongs together, and of the rest of the whole question."""
    medians = {name: 1000 * statistics.median(times) for name, times in taken.items()}
    found = {phase: sum(medians.get(name, 0.0) for name in names) for phase, names in PHASES.items()}
    found["rest"] = max(0.0, medians[WHOLE] - sum(found.values()))
    found["whole"] = medians[WHOLE]
    return found
