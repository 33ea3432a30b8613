"""Who a row belongs to: `__unit`, an int64 that is the same for one unit in every table of its unit space.

`__unit` is BLAKE2b (RFC 7693), 8 bytes, keyed with the secret of the unit space, of the canonical text of
the unit's identifier, with the top bit cleared, and never 0: from 1 to 2^63 - 1. A row that is a unit of
its own (`when_null: row_is_unit`) gets a negative number that no other row of its version has. Two units
among n share a number with probability below n^2 / 2^64; then they are bounded together.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from sandbox.ingest.canonical import canonical

Int64s = npt.NDArray[np.int64]
# pyarrow's stubs give the results of compute functions wrong types.
pc: Any = pyarrow.compute

NO_UNIT = 0
_POSITIVE = 2**63 - 1
_KNOWN = 262_144


class UnitHash:
    """The keyed hash of one unit space. Distinct values of a batch are hashed once.

    Args:
        key: 32 secret bytes.

    """

    def __init__(self, key: bytes) -> None:
        self._keyed = hashlib.blake2b(digest_size=8, key=key)
        self._known: dict[bytes | None, int] = {}

    def of(self, identifiers: Any) -> Int64s:
        """`__unit` of each identifier of an Arrow array; `NO_UNIT` for null."""
        encoded = pc.dictionary_encode(identifiers)
        texts = canonical(encoded.dictionary)
        return taken(self._numbers(pc.cast(texts, pa.binary()).to_pylist()), encoded.indices)

    def _numbers(self, texts: list[bytes | None]) -> Int64s:
        numbers = list(map(self._known.get, texts))
        if None in numbers:
            fresh = {text: self._number(text) for text in texts if text not in self._known}
            numbers = [
                fresh[text] if number is None else number for text, number in zip(texts, numbers, strict=True)
            ]
            if len(self._known) + len(fresh) > _KNOWN:
                self._known.clear()
            self._known.update(fresh)
        return np.array(numbers, np.int64)

    def _number(self, text: bytes | None) -> int:
        if text is None:
            return NO_UNIT
        keyed = self._keyed.copy()
        keyed.update(text)
        return int.from_bytes(keyed.digest(), "little") & _POSITIVE or 1


def taken(numbers: Int64s, places: Any) -> Int64s:
    """`numbers` at the places of an Arrow int32 array; `NO_UNIT` where the place is null."""
    if not places.null_count:
        return np.asarray(numbers[places.to_numpy()])
    filled = places.fill_null(len(numbers)).to_numpy(zero_copy_only=False)
    return np.asarray(np.append(numbers, NO_UNIT)[filled])


class RowUnits:
    """Negative numbers for rows that are units of their own: distinct, and spread over the whole range."""

    _SPACE = 2**62

    def __init__(self) -> None:
        self._start = secrets.randbelow(self._SPACE)
        # An odd step visits every number of the space once before it repeats one.
        self._step = secrets.randbelow(self._SPACE) | 1
        self._given = 0

    def next(self, count: int) -> Int64s:
        """The next `count` numbers."""
        places = np.arange(self._given, self._given + count, dtype=np.uint64)
        self._given += count
        spread = np.uint64(self._start) + places * np.uint64(self._step)
        return -1 - (spread % np.uint64(self._SPACE)).astype(np.int64)
