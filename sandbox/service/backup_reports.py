"""What the service says of backups."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class BackupReport:
    """A backup: its folder, how many versions of tables it holds, and how many entries its log has."""

    folder: Path
    versions: int
    log_size: int


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """A restored home, its ledger frozen; `at` is when the backup was made."""

    folder: Path
    versions: int
    log_size: int
    at: str


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A restored ledger that was accepted: entries of the newest log, and charges taken over from it."""

    log_size: int
    charges: int
