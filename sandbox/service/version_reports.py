"""What the service says of versions: frozen, printable, the same for every face."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sandbox.catalog.drift import Drift


@dataclass(frozen=True, slots=True)
class VersionCard:
    """One version of a table.

    Attributes:
        state: `current`, `held` (can be gone back to) or `dropped`.
        mode: `replace` or `append`; `base` is the version before it.
        policy: digest of the policy by which it was loaded.
        source, source_digest, rows, quarantined: None for those who may not see true counts.

    """

    version: int
    state: str
    loaded_at: datetime
    mode: str
    base: int | None
    licence: str
    policy: str
    source: str | None
    source_digest: str | None
    rows: int | None
    quarantined: int | None


@dataclass(frozen=True, slots=True)
class VersionDiff:
    """How two versions differ: at the source, as stored, and by what they were loaded."""

    old: VersionCard
    new: VersionCard
    source: Drift
    stored: Drift
    policy_changed: bool
    licence_changed: bool


@dataclass(frozen=True, slots=True)
class Dropped:
    """Versions whose rows were destroyed now."""

    dataset: str
    table: str
    versions: tuple[int, ...]
