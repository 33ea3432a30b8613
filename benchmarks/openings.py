"""Opening a home whose log has many entries: everything that is proved, with a kept proof and without one.

python -m benchmarks openings
"""

from __future__ import annotations

import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.instances import DATA, PASSPHRASE
from benchmarks.report import Goal, Report
from benchmarks.scale import Scale
from benchmarks.timing import interleaved
from sandbox.audit.event import Event, EventKind
from sandbox.audit.store import Store
from sandbox.identity import operator_of_this_machine
from sandbox.privacy.ledger import Ledger
from sandbox.privacy.loss import Account, AccountKind, Budget, Loss
from sandbox.service import home as homes
from sandbox.service.home import STORE_FILE
from sandbox.service.proof import check_against_log
from sandbox.settings import Settings
from sandbox.vault.keyring import KEYRING_FILE, Keyring
from sandbox.vault.provider import chosen_sealer

GOAL_LATER_MS = 5.0  # more than an empty home, at the middle size
GOAL_LARGE_MS = 300.0  # in all, at the largest

_LIMIT = Budget(Decimal(10**6), Decimal("0.5"))
_ACCOUNTS = tuple(
    Account(kind, key, _LIMIT)
    for kind, key in (
        (AccountKind.GRANT_DATASET, "liver-2026/nafld"),
        (AccountKind.PROJECT_UNIT, "liver-risk/patient"),
        (AccountKind.DATASET, "nafld"),
    )
)
_LOSS = Loss(Decimal("0.001"), Decimal("0.0000005"), Decimal(0))
_SHAPE = "SELECT male, AVG(bmi) AS mean_bmi, COUNT(*) AS patients FROM people WHERE status = ? GROUP BY male"


def run(scale: Scale) -> list[Report]:
    """Measure homes of each size."""
    memory = Path("/dev/shm")
    DATA.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else DATA) as folder:
        opened = [_Opened(Path(folder) / str(size), size) for size in (1, *scale.entries)]
        contestants: dict[str, Callable[[int], object]] = {}
        for one in opened:
            contestants[f"{one.size} kept"] = one.with_kept_proof
            contestants[f"{one.size} whole"] = one.whole
        found = interleaved(contestants, scale.rounds)
        sizes = [one.bytes / 1e6 for one in opened]
        for one in opened:
            one.store.close()
    rows = []
    for one, megabytes in zip(opened, sizes, strict=True):
        kept, whole = found[f"{one.size} kept"], found[f"{one.size} whole"]
        rows.append(
            (
                f"{one.size:,}",
                megabytes,
                1000 * kept.median,
                1000 * kept.median_processor,
                1000 * whole.median,
                1000 * whole.median_processor,
                whole.processor_ratio(kept),
            )
        )
    middle, large = (found[f"{size} kept"].median * 1000 for size in scale.entries)
    goals = (
        Goal(
            f"ms at {scale.entries[0]:,} entries more than at 1",
            max(0.0, middle - found["1 kept"].median * 1000),
            GOAL_LATER_MS,
        ),
        Goal(f"ms at {scale.entries[1]:,} entries", large, GOAL_LARGE_MS),
    )
    columns = ("entries", "MB", "kept proof, ms", "processor ms", "whole, ms", "processor ms", "ratio")
    return [Report("Opening: log and store proved", columns, tuple(rows), goals)]


class _Opened:
    """A home whose log has `size` entries, nearly all of questions that were charged and answered."""

    def __init__(self, folder: Path, size: int) -> None:
        self.size = size
        settings = Settings(home=folder)
        homes.init(settings, PASSPHRASE)
        keyring = Keyring.open(folder / KEYRING_FILE, chosen_sealer(settings, PASSPHRASE))
        self._keys = homes.log_keys(keyring)
        self._file = folder / STORE_FILE
        self._origin = homes.origin_of(folder)
        self.store = self._open()
        ledger = Ledger(self.store)
        for number in range((size - 1) // 2):
            _ask(ledger, f"q-{number:032x}")
        check_against_log(self.store)
        self.bytes = self._file.stat().st_size

    def with_kept_proof(self, _: int) -> None:
        """Open it as a command does: everything but the keyring, whose passphrase is stretched on purpose."""
        with self._open() as store:
            check_against_log(store)

    def whole(self, _: int) -> None:
        """The same, with every entry taken."""
        with self._open() as store:
            check_against_log(store, whole=True)

    def _open(self) -> Store:
        key, secret = self._keys
        return Store.open(self._file, key, self._origin, secret)


def _ask(ledger: Ledger, question: str) -> None:
    actor = operator_of_this_machine()
    intended = {
        "question": question,
        "grant": "liver-2026",
        "datasets": ["nafld"],
        "shape": _SHAPE,
        "epsilon": "0.001",
        "loss": {"epsilon": "0.001", "rho": "0.0000005", "delta": "0"},
        "accounts": [{"id": account.id, "epsilon": "1000000", "delta": "0.5"} for account in _ACCOUNTS],
        "decided_by": [f"nafld@sha256:{question[2:] * 2}", f"liver-2026@sha256:{question[2:] * 2}"],
    }
    ledger.reserve(question, _ACCOUNTS, _LOSS, Event(EventKind.QUESTION_INTENDED, actor, intended, _SHAPE))
    settled = {"question": question, "outcome": "answered", "answer_digest": f"sha256:{question[2:] * 2}"}
    ledger.settle(question, "answered", Event(EventKind.QUESTION_SETTLED, actor, settled))
