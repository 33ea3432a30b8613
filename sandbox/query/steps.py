"""How far a question has come, told while it runs, as far as that tells nothing.

Rules
- Told is which step runs, and how many of the numbers that get noise have it. How many there are follows
  from the public keys of the groups.
- Of a question whose groups only the data names, nothing is told at all: noise is drawn for as many groups
  as the data has, so that the time of this step alone would say how many were left out.
- What remains tells no more than how long the whole answer takes, which everybody sees who asks: with public
  groups, the time from the counts to the answer depends on declarations alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from sandbox.query.analyze import Analyzed
from sandbox.query.boundary import Measures


class Step(StrEnum):
    """What is done with a question once it is paid for."""

    COUNT = "count"
    NOISE = "noise"
    ANSWER = "answer"


Tell = Callable[[Step, int, int], None]
"""Called with the step, and how many of how many numbers have their noise; from the thread that asks."""


def nobody(step: Step, done: int, total: int) -> None:
    """Nobody wants to know."""


@dataclass(slots=True)
class Steps:
    """The steps of one question; `total` numbers get noise."""

    tell: Tell
    total: int
    begun: int = 0

    def at(self, step: Step) -> None:
        """A step begins."""
        self.tell(step, self.begun, self.total)

    def vector(self, size: int) -> Callable[[int], None]:
        """The function that is told how many numbers of the next vector have their noise."""
        before = self.begun
        self.begun += size
        return lambda done: self.tell(Step.NOISE, before + done, self.total)


def steps_of(analyzed: Analyzed, tell: Tell) -> Steps:
    """The steps of a question, told to `tell` where all of its groups are public."""
    if any(b.selects for b in analyzed.boundaries):
        return Steps(nobody, 0)
    sizes = [
        math.prod(len(values) for values in b.domain or ())
        * sum(m.kind is not Measures.RANKS for m in b.vectors)
        for b in analyzed.boundaries
    ]
    return Steps(tell, sum(sizes))
