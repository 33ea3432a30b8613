"""Sort the rows of a version by (`__unit`, `__rank`) in bounded memory.

`__rank` is the place of a row in a uniformly random order of its unit's rows in this version, from 0. It
depends on no value of the row.

Each batch is dealt by the first bits of `__unit` into buckets; when these take `memory` bytes, they move to
an encrypted spill. At the end each bucket is sorted on its own (which is also faster than sorting the
whole: it fits into the processor's cache). One that is too large is dealt again by the next bits in which
its units differ; one whose rows are all one unit's is dealt at random, which keeps the order within the
unit uniformly random. Peak memory is about twice `memory` besides the row group of the writer, however
many rows there are.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sandbox.catalog.model import RANK_COLUMN, UNIT_COLUMN
from sandbox.ingest.spill import Spill

MEMORY = 128 << 20
RANK = pa.field(RANK_COLUMN, pa.int32(), nullable=False)
UNIT = pa.field(UNIT_COLUMN, pa.int64(), nullable=False)

_BITS = 7
_BUCKETS = 1 << _BITS
_EVERY_UNIT = (0, 2**64 - 1)
_DEALT_AT_ONCE = 8 << 20
_SLICE_ROWS = 65_536

Uint64s = npt.NDArray[np.uint64]


def clustered(
    batches: Iterable[pa.RecordBatch], folder: Path, memory: int = MEMORY
) -> Iterator[pa.RecordBatch]:
    """The rows of `batches`, which have `__unit`, sorted by it, with `__rank` as a new last column.

    Args:
        batches: rows of one schema.
        folder: on whose disk to spill.
        memory: bytes of rows that are held before they are spilled, at most 1 GiB.

    Raises:
        SandboxError: STORAGE_FULL, STORAGE_UNWRITABLE.

    """
    random = np.random.Generator(np.random.PCG64(secrets.randbits(128)))
    rank = _Rank()
    for rows in _groups(batches, folder, min(memory, 1 << 30), _EVERY_UNIT, random):
        yield from rank.add(_sorted(rows, random))


def _groups(
    batches: Iterable[pa.RecordBatch],
    folder: Path,
    memory: int,
    between: tuple[int, int],
    random: np.random.Generator,
) -> Iterator[list[pa.RecordBatch]]:
    """The rows in groups that fit into memory, by unit; `between`: the least and greatest place of a unit."""
    held: list[pa.RecordBatch] = []
    size = 0
    with ExitStack() as stack:
        buckets: _Buckets | None = None
        for batch in batches:
            if not batch.num_rows:
                continue
            held.append(batch)
            size += batch.nbytes
            if size > min(_DEALT_AT_ONCE, memory):
                buckets = buckets or stack.enter_context(_Buckets(folder, memory, between, random))
                buckets.deal(_whole(held))
                held, size = [], 0
        if buckets is not None and held:
            buckets.deal(_whole(held))
            held = []
        if buckets is None:
            if held:
                yield held
            return
        for bucket in buckets.numbers():
            rows = buckets.take(bucket)
            if buckets.size(bucket) <= memory:
                yield list(rows)
            else:
                yield from _groups(rows, folder, memory, buckets.between[bucket], random)


class _Buckets:
    """Rows by the first bits in which their units differ (at random if none do), in memory or spilled."""

    def __init__(
        self, folder: Path, memory: int, between: tuple[int, int], random: np.random.Generator
    ) -> None:
        self.between: dict[int, tuple[int, int]] = {}
        self._folder = folder
        self._memory = memory
        self._random = random
        low, high = between
        self._one_unit = low == high
        self._shift = np.uint64(max(0, (low ^ high).bit_length() - _BITS))
        self._held: dict[int, list[pa.RecordBatch]] = {}
        self._held_bytes = 0
        self._bytes = [0] * _BUCKETS
        self._spill: Spill | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._spill is not None:
            self._spill.__exit__(kind, error, trace)

    def deal(self, rows: pa.RecordBatch) -> None:
        """Put each row into its bucket."""
        places = _places(rows)
        buckets = self._bucket_of(places)
        order = np.argsort(buckets, kind="stable")
        dealt, places = rows.take(order), places[order]
        counts = np.bincount(buckets, minlength=_BUCKETS)
        full = np.flatnonzero(counts)
        starts = (np.cumsum(counts) - counts)[full]
        lows = np.minimum.reduceat(places, starts).tolist()
        highs = np.maximum.reduceat(places, starts).tolist()
        row_bytes = dealt.nbytes / len(places)
        for bucket, start, count, low, high in zip(
            full.tolist(), starts.tolist(), counts[full].tolist(), lows, highs, strict=True
        ):
            self._held.setdefault(bucket, []).append(dealt.slice(start, count))
            self._bytes[bucket] += int(row_bytes * count)
            before = self.between.get(bucket, (low, high))
            self.between[bucket] = (min(before[0], low), max(before[1], high))
        self._held_bytes += dealt.nbytes
        if self._held_bytes >= self._memory:
            self._move()

    def numbers(self) -> list[int]:
        """The buckets that hold rows, in the order of their units."""
        return sorted(self.between)

    def size(self, bucket: int) -> int:
        """About how many bytes of memory the rows of a bucket take."""
        return self._bytes[bucket]

    def take(self, bucket: int) -> Iterator[pa.RecordBatch]:
        """The rows of a bucket, which then no longer holds those that are in memory."""
        if self._spill is not None:
            yield from self._spill.read(bucket)
        yield from self._held.pop(bucket, [])

    def _bucket_of(self, places: Uint64s) -> npt.NDArray[np.uint8]:
        if self._one_unit:
            return self._random.integers(0, _BUCKETS, len(places), np.uint8)
        return ((places >> self._shift) & np.uint64(_BUCKETS - 1)).astype(np.uint8)

    def _move(self) -> None:
        self._spill = self._spill or Spill(self._folder)
        for bucket, held in self._held.items():
            self._spill.append(bucket, held)
        self._held.clear()
        self._held_bytes = 0


def _sorted(held: list[pa.RecordBatch], random: np.random.Generator) -> pa.RecordBatch:
    rows = _whole(held)
    held.clear()
    # Any sort that sees nothing but the units leaves the rows of a unit in the order of the shuffle.
    shuffle = random.permutation(rows.num_rows)
    order = shuffle[np.argsort(_places(rows)[shuffle])]
    return rows.take(order)


def _whole(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]


def _places(rows: pa.RecordBatch) -> Uint64s:
    """Units as unsigned numbers in the same order: their bits with the sign turned."""
    units = np.asarray(rows.column(UNIT_COLUMN).to_numpy(), np.int64)
    return units.view(np.uint64) ^ np.uint64(1 << 63)


class _Rank:
    """Counts the rows of each unit over consecutive groups."""

    def __init__(self) -> None:
        self._unit: int | None = None
        self._rows = 0

    def add(self, rows: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """The rows, which are sorted by unit, with their ranks, in slices."""
        units = _places(rows)
        starts = np.flatnonzero(np.append(True, units[1:] != units[:-1]))
        lengths = np.diff(starts, append=len(units))
        ranks = np.arange(len(units)) - np.repeat(starts, lengths)
        if self._unit == units[0]:
            ranks[: lengths[0]] += self._rows
        self._unit, self._rows = int(units[-1]), int(ranks[-1]) + 1
        ranked = rows.append_column(RANK, pa.array(ranks.astype(np.int32)))
        for start in range(0, rows.num_rows, _SLICE_ROWS):
            yield ranked.slice(start, _SLICE_ROWS)
