"""Opening a home whose log has many entries: everything that is proved, with a kept proof and without one.

python -m benchmarks openings
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.instances import DATA, PASSPHRASE
from benchmarks.report import Goal, Report
from benchmarks.scale import Scale
from benchmarks.timing import interleaved
from sandbox.audit import merkle
from sandbox.audit.event import Event, EventKind, Fact
from sandbox.audit.leaf import NONCE_BYTES, encode, stamp
from sandbox.audit.log import Log
from sandbox.audit.note import Checkpoint
from sandbox.audit.store import Store
from sandbox.identity import operator_of_this_machine
from sandbox.service import home as homes
from sandbox.service.home import STORE_FILE
from sandbox.service.proof import check_against_log
from sandbox.settings import Settings
from sandbox.vault.keyring import KEYRING_FILE, Keyring
from sandbox.vault.provider import chosen_sealer

GOAL_LATER_MS = 5.0  # at the middle size, beyond what an empty home takes
GOAL_LARGE_MS = 300.0  # in all, at the largest

_ACCOUNTS = ("grant-dataset:liver-2026/nafld", "project-unit:liver-risk/patient", "dataset:nafld")
_SHAPE = "SELECT male, AVG(bmi) AS mean_bmi, COUNT(*) AS patients FROM people WHERE status = ? GROUP BY male"


def run(scale: Scale) -> list[Report]:
    """Measure homes of each size."""
    DATA.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=DATA) as folder:
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
    least, middle, large = (1000 * found[f"{size} kept"].median_processor for size in (1, *scale.entries))
    goals = (
        Goal(f"processor ms at {scale.entries[0]:,} entries", middle, least + GOAL_LATER_MS),
        Goal(f"processor ms at {scale.entries[1]:,} entries", large, GOAL_LARGE_MS),
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
        with self._open() as store, closing(sqlite3.connect(self._file)) as connection, connection:
            log, first = store.log, next(store.leaves(1))
            written = _Written(connection, merkle.leaf_hash(first))
            for number in range((size - 1) // 2):
                written.asked(f"q-{number:032x}")
            written.signed(log)
        self.store = self._open()
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


class _Written:
    """Writes what log and ledger would write, in one transaction and under one signature.

    `first` is the hash of the entry that is there.
    """

    def __init__(self, connection: sqlite3.Connection, first: bytes) -> None:
        self._connection = connection
        self._tree = {(0, 0): first}
        self._size = 1
        self._questions = 0

    def asked(self, question: str) -> None:
        """A question that was charged and answered."""
        digest = f"sha256:{question[2:] * 2}"
        place = self._append(
            EventKind.QUESTION_INTENDED,
            {
                "question": question,
                "grant": "liver-2026",
                "datasets": ["nafld"],
                "shape": _SHAPE,
                "epsilon": "0.001",
                "loss": {"epsilon": "0.001", "rho": "0.0000005", "delta": "0"},
                "accounts": [{"id": account, "epsilon": "1000000", "delta": "0.5"} for account in _ACCOUNTS],
                "decided_by": [f"nafld@{digest}", f"liver-2026@{digest}"],
            },
        )
        settled: dict[str, Fact] = {"question": question, "outcome": "answered", "answer_digest": digest}
        self._append(EventKind.QUESTION_SETTLED, settled)
        charge = (question, place, 10**9, 500_000, 0, "answered")
        self._connection.execute("INSERT INTO privacy_charge VALUES (?, ?, ?, ?, ?, ?)", charge)
        self._questions += 1
        for account in _ACCOUNTS:
            self._connection.execute("INSERT INTO privacy_charged VALUES (?, ?)", (question, account))

    def signed(self, log: Log) -> None:
        """End it."""
        for account in _ACCOUNTS if self._questions else ():
            spent = (account, 10**9 * self._questions, 500_000 * self._questions, 0)
            self._connection.execute("INSERT INTO privacy_account VALUES (?, ?, ?, ?)", spent)
        root = merkle.root(self._size, self._node)
        note = Checkpoint(log.origin, self._size, root).sign(log.key)
        self._connection.execute("UPDATE audit_checkpoint SET note = ?", (note,))

    def _append(self, kind: EventKind, facts: Mapping[str, Fact]) -> int:
        place, now = self._size, datetime.now(UTC)
        event = Event(kind, operator_of_this_machine(), facts)
        leaf = encode(event, place, now, bytes(NONCE_BYTES), None)
        row = (place, leaf, stamp(now), kind.value, event.actor.id, facts.get("grant"), facts["question"])
        self._connection.execute("INSERT INTO audit_leaf VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        for level, position, node in merkle.append(place, merkle.leaf_hash(leaf), self._node):
            self._tree[level, position] = node
            self._connection.execute("INSERT INTO audit_node VALUES (?, ?, ?)", (level, position, node))
        self._size += 1
        return place

    def _node(self, level: int, position: int) -> bytes:
        return self._tree[level, position]
