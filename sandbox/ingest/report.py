"""What a load gives back, and how it may be limited. For the operator: true counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from sandbox.catalog.drift import Drift
from sandbox.catalog.model import TableVersion
from sandbox.catalog.watermark import Watermark
from sandbox.ingest.cluster import MEMORY
from sandbox.ingest.quarantine import Reason

Progress: TypeAlias = Callable[[int, int, "int | None"], None]
"""Called with rows read, bytes read, and bytes of the source (None: unknown)."""

MOST_BAD_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class LoadLimits:
    """Limits of one load.

    Attributes:
        memory: bytes of rows that are held in memory before they are spilled, at most 1 GiB; the
            process needs about three times that and one row group of the writer.
        max_bad_rows: a load with more bad records is refused; None: more than a tenth of all records.
        accept_drift: whether the columns of the source may differ from those of the version before.

    """

    memory: int = MEMORY
    max_bad_rows: int | None = None
    accept_drift: bool = False


@dataclass(frozen=True, slots=True)
class LoadReport:
    """One committed load.

    Attributes:
        version: as it stands in the catalog; with the rows stored and the records quarantined.
        reasons: why records were quarantined, the most frequent first.
        dropped: rows without a unit that the policy drops.
        alone: rows without a unit that became units of their own.
        rounded: decimals that were rounded to the declared decimals, by column.
        left_out: columns of the source that the policy does not list; they are not stored.
        drift: how the columns of the source differ from those of the version before; it was accepted.
        seconds: wall time.
        watermark: how far the source was read in the order of its key; raw data.

    """

    version: TableVersion
    reasons: tuple[Reason, ...]
    dropped: int
    alone: int
    rounded: Mapping[str, int]
    left_out: tuple[str, ...]
    drift: Drift
    seconds: float
    watermark: Watermark | None = None
