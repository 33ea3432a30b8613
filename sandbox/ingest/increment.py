"""Incremental loads: a source opened where the current version has read it to.

Rules
- An increment is what has a key greater than the watermark, at the moment of its snapshot. Equal keys,
  smaller ones and NULLs that come later are in no increment: a whole load takes them, or `since`.
- It goes on from the version whose watermark it began at, or is refused.
- An increment without rows is a version like any other, so that the log does not tell whether rows came.
- A watermark serves the source and the key that it was read with, and no others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sandbox.catalog.model import TableVersion
from sandbox.catalog.store import Catalog
from sandbox.catalog.watermark import Watermark
from sandbox.errors import ErrorCode, SandboxError
from sandbox.ingest.source import Incremental, Option, Source

AFTER = "after"
"""The option of every connector that reads by increments: only what has a greater key."""


@dataclass(frozen=True, slots=True)
class Increment:
    """What is to be loaded next.

    Attributes:
        source: opened at the watermark, or whole.
        base: the version whose rows it follows; None: there is none, and this is the first load.

    """

    source: Source
    base: int | None


def next_increment(
    catalog: Catalog,
    dataset: str,
    table: str,
    opened: Callable[[Mapping[str, Option]], Source],
    since: str | None,
) -> Increment:
    """The increment that follows the current version of a table.

    Args:
        catalog: of the home.
        dataset: its name.
        table: its name.
        opened: opens the source with more options.
        since: a value of the key that goes before the watermark that is kept.

    Raises:
        SandboxError: ARGUMENT when the source has no key; LOAD_REFUSED when no watermark of this source and
            key is kept; STORAGE_CORRUPT; what opening raises.

    """
    source = opened({})
    key = _key(source)
    if not key:
        raise SandboxError(
            ErrorCode.ARGUMENT,
            "This source is not read in the order of a key, so it has no increments.",
            "Name a column whose values only grow: --option key=COLUMN, or key: in the source file.",
        )
    before = catalog.current(dataset, table)
    if since is None and before is not None:
        mark = catalog.watermark(before)
        if mark is None or (mark.source, mark.key) != (source.describe().uri, key):
            was = "without a key" if mark is None else f"from {mark.source} by the key {mark.key}"
            raise SandboxError(
                ErrorCode.LOAD_REFUSED,
                f"{before.id} was loaded {was}: it does not say where an increment of this source begins.",
                "Load the table whole, without --incremental, or say where it begins with --since VALUE.",
            )
        since = mark.value
    if since is not None:
        source = opened({AFTER: since})
    return Increment(source, None if before is None else before.version)


def reached(catalog: Catalog, source: Source, base: TableVersion | None) -> Watermark | None:
    """The watermark of a version that is about to be committed.

    Args:
        catalog: of the home.
        source: what was read, to its end.
        base: the version whose rows it holds as well; None when it replaces them.

    """
    if _key(source) and isinstance(source, Incremental) and source.watermark is not None:
        return Watermark(source.describe().uri, source.key, source.watermark)
    return None if base is None else catalog.watermark(base)


def check_follows(base: TableVersion, number: int) -> None:
    """That an increment's base is the version whose watermark it began at.

    Raises:
        SandboxError: LOAD_REFUSED.

    """
    if base.version != number:
        raise SandboxError(
            ErrorCode.LOAD_REFUSED,
            f"Another load of {base.dataset}.{base.table} ended while this one began.",
            "The table is whole, with that load's rows. Load the increment again.",
        )


def _key(source: Source) -> str:
    return source.key if isinstance(source, Incremental) else ""
