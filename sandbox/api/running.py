"""The questions that run now, and how far each has come (`query/steps.py`): told to who asks them alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from threading import Lock

from sandbox.api.forms import Progress
from sandbox.query.steps import Step, Tell


class Running:
    """Questions from when they begin until they are answered, or refused; for threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._names = count()
        self._questions: dict[tuple[str, int], Progress] = {}

    @contextmanager
    def question(self, person: str) -> Iterator[Tell]:
        """One question of a person; yields who is to be told of its steps."""
        name = (person, next(self._names))

        def tell(step: Step, done: int, total: int) -> None:
            with self._lock:
                self._questions[name] = Progress(step.value, done, total)

        with self._lock:
            self._questions[name] = Progress(None, 0, 0)
        try:
            yield tell
        finally:
            with self._lock:
                del self._questions[name]

    def of(self, person: str) -> tuple[Progress, ...]:
        """Those of one person, the oldest first."""
        with self._lock:
            return tuple(found for (whose, _), found in self._questions.items() if whose == person)
