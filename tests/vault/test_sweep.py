from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from sandbox.errors import SandboxError
from sandbox.vault.folders import MARK, table_folder, version_folders
from sandbox.vault.keyring import KEYRING_FILE, Keyring
from sandbox.vault.lock import loading
from sandbox.vault.parquet import read_batches
from sandbox.vault.sweep import sweep
from tests.vault.support import PASSPHRASE, people, write


def test_only_what_no_version_names_goes(home: Path, keys: Keyring) -> None:
    kept = write(home, keys, people(30), version=1)
    lost = write(home, keys, people(30), version=2)
    folder = (home / lost.files[0].path).parent
    assert sweep(home, lambda: [kept.files[0].path]) == (folder.relative_to(home).as_posix(),)
    assert not folder.exists()
    assert pa.Table.from_batches(read_batches(home, keys, kept, ["born"])).num_rows == 30
    assert sweep(home, lambda: [kept.files[0].path]) == ()


def test_a_catalog_that_forgot_costs_no_data(home: Path, keys: Keyring) -> None:
    kept = write(home, keys, people(30))
    assert sweep(home, lambda: [kept.files[0].path]) == ()
    assert not ((home / kept.files[0].path).parent / MARK).exists()
    assert sweep(home, list) == ()
    assert pa.Table.from_batches(read_batches(home, keys, kept, ["born"])).num_rows == 30


def test_nothing_is_swept_while_a_load_runs(home: Path, keys: Keyring) -> None:
    write(home, keys, people(30))
    with loading(home):
        assert sweep(home, list) == ()
    assert len(sweep(home, list)) == 1


def test_an_empty_home_is_swept(home: Path) -> None:
    assert sweep(home, list) == ()


def test_a_plug_pulled_while_folders_come_and_go(home: Path, keys: Keyring) -> None:
    kept = write(home, keys, people(5), version=1)
    write(home, keys, people(5), version=2)
    (home / "data/nafld/people/v000003-00000000").mkdir()  # made, not yet marked
    real, removed = Path.unlink, 0

    def dies(path: Path, missing_ok: bool = False) -> None:
        nonlocal removed
        removed += 1
        if removed == 3:  # the mark of the first, one file of the second
            raise KeyboardInterrupt
        real(path, missing_ok)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "unlink", dies)
        with pytest.raises(KeyboardInterrupt):
            sweep(home, lambda: [kept.files[0].path])
    assert len(version_folders(home)) == 3
    assert len(sweep(home, lambda: [kept.files[0].path])) == 2
    assert [folder.name[:7] for folder in version_folders(home)] == ["v000001"]
    assert pa.Table.from_batches(read_batches(home, keys, kept, ["born"])).num_rows == 5


def test_the_catalog_is_asked_when_no_load_can_commit_any_more(home: Path, keys: Keyring) -> None:
    def committed() -> list[str]:
        with pytest.raises(SandboxError), loading(home):
            pass
        return []

    write(home, keys, people(5))
    assert len(sweep(home, committed)) == 1


LOAD = """
import sys, time
from pathlib import Path
from sandbox.vault.keyring import Keyring
from sandbox.vault.parquet import EncryptedWriter
from sandbox.vault import parquet
from tests.vault.support import people
home = Path(sys.argv[1]); table = people(4000)
parquet.ROWS_PER_GROUP = 500
keys = Keyring.open(home / "keyring.json", sys.argv[2])
about = {"dataset": "nafld", "table": "people", "version": 2, "schema": table.schema, "grades": {}}
with EncryptedWriter(home, keys, **about) as writer:
    for batch in table.to_batches(500):
        writer.write(batch)
    print("written", flush=True)
    time.sleep(60)
"""


def test_a_killed_load_leaves_ciphertext_only_and_is_swept(home: Path, keys: Keyring) -> None:
    kept = write(home, keys, people(30), version=1)
    command = [sys.executable, "-c", LOAD, str(home), PASSPHRASE]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path.cwd())
    assert process.stdout is not None
    assert process.stdout.readline() == b"written\n"
    assert sweep(home, lambda: [kept.files[0].path]) == ()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    dead = next(f for f in version_folders(home) if f.name.startswith("v000002"))
    content = b"".join(path.read_bytes() for path in dead.iterdir())
    assert len(content) > 10_000
    assert "姓名".encode() not in content
    assert b"region" not in content
    assert len(sweep(home, lambda: [kept.files[0].path])) == 1
    ring = Keyring.open(home / KEYRING_FILE, PASSPHRASE)
    assert pa.Table.from_batches(read_batches(home, ring, kept, ["born"])).num_rows == 30


@pytest.mark.parametrize(
    "table",
    ["../../etc", "..", "a/b", "t-x", "Ä", "表" * 128, "CON", "UPPER", "", "a" * 128, ".hidden", "a\n"],
)
def test_no_table_name_leaves_its_dataset_or_meets_another(home: Path, table: str) -> None:
    folder = table_folder(home, "nafld", table)
    assert folder.parent == home / "data" / "nafld"
    assert folder.resolve() == folder.absolute()
    assert len(folder.name.encode()) <= 64
    assert folder != table_folder(home, "nafld", table + "x")
    assert folder.name == folder.name.lower()
