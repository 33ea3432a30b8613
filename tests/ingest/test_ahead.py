"""Iterators that run ahead in a thread of their own."""

from __future__ import annotations

import threading
import time
from contextlib import closing

import pytest

from sandbox.ingest.ahead import ahead


def running() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "ahead"]


def test_same_items_same_order():
    assert list(ahead(range(1000), depth=1)) == list(range(1000))
    assert list(ahead([])) == []
    assert list(ahead([None, None])) == [None, None]
    assert running() == []


def test_an_error_comes_after_the_items_before_it():
    def items():
        yield 1
        raise KeyError("x")

    got: list[int] = []
    with pytest.raises(KeyError):
        got.extend(ahead(items()))
    assert got == [1]
    assert running() == []


def test_leaving_early_closes_the_iterator():
    closed = threading.Event()
    made = []

    def items():
        try:
            for n in range(10**9):
                made.append(n)
                yield n
        finally:
            closed.set()

    with closing(ahead(items(), depth=2)) as some:
        assert next(some) == 0
        time.sleep(0.05)
    assert closed.is_set()
    assert len(made) <= 5
    assert running() == []
