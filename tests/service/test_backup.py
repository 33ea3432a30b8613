"""Backup and restore: whole, while others work, and never a way to get a budget back."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from sandbox.audit.verify import Verdict, verify_bundle
from sandbox.errors import ErrorCode, SandboxError
from sandbox.service import auditor, backup, loading, opc
from sandbox.service import home as homes
from sandbox.service.acceptance import accept_ledger
from sandbox.service.home import Home
from sandbox.service.reports import LoadRequest
from sandbox.vault.encrypted_file import material_path
from tests.service.instance import OPERATOR, acting, settings

AGES = "SELECT district, COUNT(*) AS n FROM residents WHERE age >= {} GROUP BY district"


def ask(home: Home, number: int, epsilon: str = "0.5") -> None:
    opc.ask(home, acting(home, "li"), AGES.format(number), "town-2026", Decimal(epsilon))


def spent(home: Home) -> list[Decimal]:
    return [state.epsilon_spent for state in opc.budget(home, acting(home, "li"), "town-2026")]


def refused(code: ErrorCode) -> pytest.RaisesExc[SandboxError]:
    return pytest.RaisesExc(SandboxError, check=lambda error: error.code is code and bool(error.hint))


@pytest.fixture
def restored(town: Home, tmp_path: Path) -> Iterator[Home]:
    """Restored from a backup made after one question; the home asked two more before it was lost."""
    ask(town, 30)
    backup.backup(town, OPERATOR, tmp_path / "backup")
    ask(town, 31)
    ask(town, 32, "0.25")
    auditor.export_log(town, acting(town, "zhao"), tmp_path / "log")
    backup.restore(settings(tmp_path / "new"), tmp_path / "backup")
    made = homes.open_home(settings(tmp_path / "new"))
    yield made
    homes.close(made)


def test_a_restored_home_answers_what_is_free_and_nothing_that_costs(restored: Home) -> None:
    assert spent(restored) == [Decimal("0.5")] * 3
    with refused(ErrorCode.LEDGER_RESTORED):
        ask(restored, 40)
    assert spent(restored) == [Decimal("0.5")] * 3
    ask(restored, 30)  # the stored answer
    districts = opc.ask(restored, acting(restored, "li"), "SELECT COUNT(*) AS n FROM districts", "town-2026")
    assert districts.table["n"].to_pylist() == [2]
    again = homes.open_home(restored.settings)
    with refused(ErrorCode.LEDGER_RESTORED):
        ask(again, 40)
    homes.close(again)


def test_the_newest_log_brings_every_charge_back(restored: Home, tmp_path: Path) -> None:
    wang = acting(restored, "wang")
    for person in (None, "li", "zhao"):
        with refused(ErrorCode.ROLE_REFUSED):
            accept_ledger(restored, acting(restored, person), tmp_path / "log")
    with refused(ErrorCode.ARGUMENT):
        accept_ledger(restored, wang)
    assert accept_ledger(restored, wang, tmp_path / "log").charges == 2
    assert spent(restored) == [Decimal("1.25")] * 3
    ask(restored, 40, "0.25")
    assert spent(restored) == [Decimal("1.5")] * 3
    with refused(ErrorCode.ARGUMENT):
        accept_ledger(restored, wang, tmp_path / "log")
    auditor.export_log(restored, acting(restored, "zhao"), tmp_path / "after")
    assert verify_bundle(tmp_path / "after").verdict is Verdict.CLEAN
    remembered = tmp_path / "log" / "checkpoint"
    report = verify_bundle(tmp_path / "after", previous_checkpoint=remembered)
    assert report.verdict is Verdict.ALTERED, "whoever remembers the lost home sees that its end is missing"


def test_a_log_that_does_not_fit_vouches_for_nothing(restored: Home, town: Home, tmp_path: Path) -> None:
    wang = acting(restored, "wang")
    altered = tmp_path / "altered"
    shutil.copytree(tmp_path / "log", altered)
    for path in altered.rglob("*"):
        if path.is_file() and "entries" in path.parts:
            content = bytearray(path.read_bytes())
            content[-40] ^= 1
            path.write_bytes(bytes(content))
    auditor.export_log(restored, acting(restored, "zhao"), tmp_path / "own")
    for log in (altered, tmp_path / "nothing"):
        with refused(ErrorCode.ARGUMENT):
            accept_ledger(restored, wang, log)
    with refused(ErrorCode.LEDGER_RESTORED):
        ask(restored, 40)
    statement = accept_ledger(restored, wang, nothing_since=True)
    assert statement.charges == 0
    ask(restored, 40)
    (entry,) = restored.store.entries(kinds=["ledger.accepted"])
    assert (entry.person, entry.facts["stated"]) == ("wang", True)


def test_a_backup_while_questions_run_and_tables_load(town: Home, tmp_path: Path) -> None:
    stop = threading.Event()
    errors: list[BaseException] = []

    def work() -> None:
        number = 20
        try:
            while not stop.is_set():
                ask(town, number, "0.01")
                number += 1
                file = tmp_path / "districts.csv"
                file.write_text(f"name,area\neast,{number}\n", "utf-8")
                loading.load(town, OPERATOR, LoadRequest(str(file), "town", "districts"))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for number in range(3):
            backup.backup(town, OPERATOR, tmp_path / f"backup-{number}")
    finally:
        stop.set()
        thread.join()
    assert errors == []
    for number in range(3):
        made = settings(tmp_path / f"new-{number}")
        backup.restore(made, tmp_path / f"backup-{number}")
        opened = homes.open_home(made)
        answer = opc.ask(opened, acting(opened, "li"), "SELECT SUM(area) AS a FROM districts", "town-2026")
        assert answer.table.num_rows == 1
        homes.close(opened)


def test_a_damaged_backup_becomes_no_home(town: Home, tmp_path: Path) -> None:
    made = tmp_path / "backup"
    backup.backup(town, OPERATOR, made)
    with refused(ErrorCode.HOME_EXISTS):
        backup.backup(town, OPERATOR, made)
    parts = sorted(made.rglob("*.parquet"))
    for victim in (
        parts[0],
        material_path(parts[-1]),
        made / "store.sqlite",
        made / "store.sqlite.mark",
        made / "keyring.json",
    ):
        whole = victim.read_bytes()
        for content in (whole[: len(whole) // 2], None):
            if content is None:
                victim.unlink()
            else:
                victim.write_bytes(content)
            if victim == material_path(parts[-1]) and content is not None:
                victim.write_bytes(whole)
                continue  # a cut key material is found when its file is read
            with pytest.raises(SandboxError):
                backup.restore(settings(tmp_path / "new"), made)
            assert not (tmp_path / "new").exists()
            assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".new")] == []
            victim.write_bytes(whole)
    with refused(ErrorCode.HOME_MISSING):
        backup.restore(settings(tmp_path / "new"), tmp_path / "nowhere")
    (made / "backup.json").unlink()
    with refused(ErrorCode.HOME_MISSING):
        backup.restore(settings(tmp_path / "new"), made)


def test_a_backup_of_a_damaged_home_is_refused(town: Home, tmp_path: Path) -> None:
    path = sorted(town.folder.rglob("*.parquet"))[0]
    path.write_bytes(path.read_bytes()[:-1])
    with refused(ErrorCode.STORAGE_CORRUPT):
        backup.backup(town, OPERATOR, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()
