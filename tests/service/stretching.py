"""Stretch each passphrase once in a test run: the same key, without the time that it is made to take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sandbox.vault.sealed import Stretching


@contextmanager
def remembered() -> Iterator[None]:
    """Remember what `Stretching.key` gave for each salt, cost and passphrase."""
    known: dict[tuple[str, str], bytes] = {}
    compute = Stretching.key

    def key(self: Stretching, passphrase: str) -> bytes:
        asked = (self.model_dump_json(), passphrase)
        if asked not in known:
            known[asked] = compute(self, passphrase)
        return known[asked]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stretching, "key", key)
        yield
