"""Equal questions at the same time: the second waits for the first, and then finds its stored answer.

Two of the same question under way would both be charged, for noise that is drawn twice. Equal is what the key
of stored answers says, so whoever waits would be given that answer anyhow. This holds within one process;
between processes the second is charged as a question of its own, which is safe, only dearer.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Turn:
    lock: threading.Lock = field(default_factory=threading.Lock)
    wanted: int = 0


_turns: dict[str, _Turn] = {}
_guard = threading.Lock()


@contextmanager
def alone(key: str) -> Iterator[None]:
    """Hold the only turn of `key`; others with the same key wait until it is given back, however it ends."""
    with _guard:
        turn = _turns.setdefault(key, _Turn())
        turn.wanted += 1
    try:
        with turn.lock:
            yield
    finally:
        with _guard:
            turn.wanted -= 1
            if not turn.wanted:
                del _turns[key]


def waiting(key: str) -> int:
    """How many hold or wait for the turn of `key`."""
    with _guard:
        turn = _turns.get(key)
        return 0 if turn is None else turn.wanted
