"""What the contract suite asks of a connector's test set-up: publish a table, open it afresh."""

from __future__ import annotations

import gc
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from sandbox.ingest.source import Source

Cell = str | None
Opener = Callable[[], Source]


@dataclass(frozen=True)
class Published:
    """A table in the outer world; cells are the texts that must come back."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


TABLE = Published(
    ("编号", "姓名", "金额", "日期", "备注"),
    (
        ("1", "王小明", "0.10", "2020-01-02", '含,逗号 和"引号"'),
        ("2", "李四𠮷", "12345678901234567.89", "1999-12-31", None),
        ("3", "欧阳 娜娜", "-5.00", "2000-02-29", "全角！（測試）"),
    ),
)


def grown(rows: int) -> Published:
    """A table that is long: `rows` rows of about 4,000 bytes."""
    random = Random(rows)
    characters = bytes(
        byte for _ in range(60_000) for byte in (random.randrange(0xB0, 0xD7), random.randrange(0xA1, 0xFF))
    ).decode("gb2312")
    starts = (random.randrange(50_000) for _ in range(rows))
    return Published(
        ("编号", "文"), tuple((str(n), characters[at : at + 1_330]) for n, at in enumerate(starts))
    )


class Subject(Protocol):
    """A connector under test.

    Attributes:
        flat: whether its memory is flat; a workbook's is bounded by its format instead.

    """

    flat: bool

    def publish(self, table: Published) -> Opener: ...


def texts(source: Source, columns: Sequence[str]) -> list[tuple[Cell, ...]]:
    """All rows as texts, in order; nothing may be set aside."""
    found: list[tuple[Cell, ...]] = []
    for batch in source.batches(columns):
        assert not batch.bad
        assert batch.rows.schema.names == list(columns)
        cells = [[None if v is None else str(v) for v in column.to_pylist()] for column in batch.rows.columns]
        found += list(zip(*cells, strict=True))
    return found


def digest(source: Source) -> str:
    """Of everything that a source gives: columns, rows, their parts and numbers, what was set aside."""
    names = source.columns()
    made = hashlib.sha256(repr(names).encode())
    for batch in source.batches(names):
        for row, number in zip(batch.rows.to_pylist(), batch.records.tolist(), strict=True):
            made.update(repr((batch.part, number, row)).encode())
        for bad in batch.bad:
            made.update(repr(bad).encode())
    return made.hexdigest()


def growth(act: Callable[[], object]) -> int:
    """Bytes by which the memory of this process grew at most while `act` ran."""
    gc.collect()
    with open("/proc/self/clear_refs", "w") as peak:
        peak.write("5")
    before = _status("VmRSS")
    act()
    return max(0, _status("VmHWM") - before)


def _status(name: str) -> int:
    with open(f"/proc/{os.getpid()}/status") as status:
        line = next(line for line in status if line.startswith(name + ":"))
    return int(line.split()[1]) * 1024
