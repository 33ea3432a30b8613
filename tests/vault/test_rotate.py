from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from sandbox.catalog.model import TableVersion
from sandbox.errors import ErrorCode, SandboxError
from sandbox.vault import durable, rotate
from sandbox.vault.encrypted_file import material_path
from sandbox.vault.keyring import KEYRING_FILE, Keyring
from sandbox.vault.lock import alone, loading
from sandbox.vault.parquet import read_batches
from sandbox.vault.rotate import end_rotation, rotate_keys
from sandbox.vault.wrap import UnwrapError, unwrap
from tests.vault.support import COLUMNS, PASSPHRASE, people, write

NEW = "another passphrase 新"


def read(home: Path, keys: Keyring, version: TableVersion) -> pa.Table:
    return pa.Table.from_batches(read_batches(home, keys, version, list(COLUMNS)))


def wrapped_on_disk(home: Path) -> list[tuple[str, str]]:
    """Everything on disk that some key wraps, and its identifier."""
    ring = json.loads((home / KEYRING_FILE).read_text())
    found = [(ring["master"], ring["sealed_master"]), *ring["keys"].items()]
    found += [(f"secret/{name}", text) for name, text in ring["secrets"].items()]
    for path in (home / "data").rglob("*.json"):
        for text in json.loads(path.read_text()).values():
            entry = json.loads(text)
            found.append((entry["masterKeyID"], entry["wrappedDEK"]))
    return found


@pytest.mark.parametrize("passphrase", [None, NEW])
def test_the_old_keys_open_nothing_and_no_data_file_is_touched(
    home: Path, keys: Keyring, passphrase: str | None
) -> None:
    versions = [write(home, keys, people(100, seed=n), dataset=d) for n, d in enumerate(("nafld", "tax"))]
    secret = keys.secret("unit/patient")
    data = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in (home / "data").rglob("*.parquet")}
    shutil.copy(home / KEYRING_FILE, home / "kept.json")
    old = Keyring.open(home / "kept.json", PASSPHRASE)
    done = rotate_keys(home, keys, passphrase)
    assert (done.before, done.after, done.datasets) == ("mk-1", "mk-2", ("nafld", "tax"))
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in data} == data

    sealing = [old._keys.sealing_key] if passphrase else []
    old_keys = [old._keys.master_key, *old._keys.keys.values(), *sealing]
    assert len(old_keys) >= 7
    for identifier, text in wrapped_on_disk(home):
        base64.b64decode(text, validate=True)
        for key in old_keys:
            for name in (identifier, *old._keys.keys, "mk-1", "mk-2"):
                with pytest.raises(UnwrapError):
                    unwrap(key, text, name)
    for version in versions:
        with pytest.raises(SandboxError) as caught:
            read(home, old, version)
        assert caught.value.code is ErrorCode.STORAGE_CORRUPT
    if passphrase:
        with pytest.raises(SandboxError) as caught:
            Keyring.open(home / KEYRING_FILE, PASSPHRASE)
        assert caught.value.code is ErrorCode.PASSPHRASE_WRONG
    for ring in (keys, Keyring.open(home / KEYRING_FILE, passphrase or PASSPHRASE)):
        assert ring.secret("unit/patient") == secret
        assert ring.master == "mk-2"
        assert not ring.rotating()
        assert [read(home, ring, v).num_rows for v in versions] == [100, 100]
        assert ring.key_encryption_key("nafld", "open").id == "nafld/open/2"


def test_rotation_repeats(home: Path, keys: Keyring) -> None:
    version = write(home, keys, people(50))
    for n in range(2, 13):
        assert rotate_keys(home, keys).after == f"mk-{n}"
    assert keys.key_encryption_key("nafld", "restricted").id == "nafld/restricted/12"
    assert read(home, Keyring.open(home / KEYRING_FILE, PASSPHRASE), version).equals(people(50))


class PlugPulledError(BaseException):
    """Nothing catches it, as nothing catches a dead machine."""


def pull_plug(monkeypatch: pytest.MonkeyPatch, at: int, *, after: bool) -> Callable[[], int]:
    calls = 0

    def replace_file(path: Path, content: bytes, mode: int = 0o600) -> None:
        nonlocal calls
        calls += 1
        if calls == at and not after:
            raise PlugPulledError
        durable.replace_file(path, content, mode)
        if calls == at:
            raise PlugPulledError

    monkeypatch.setattr(rotate, "replace_file", replace_file)
    monkeypatch.setattr("sandbox.vault.keyring.replace_file", replace_file)
    return lambda: calls


def test_a_plug_pulled_at_any_write_leaves_a_home_that_one_passphrase_opens(
    tmp_path: Path, home: Path, keys: Keyring
) -> None:
    versions = [write(home, keys, people(30, seed=n), version=n) for n in (1, 2, 3)]
    secret = keys.secret("rank")
    for at in range(1, 6):  # keyring, three key materials, keyring
        for after in (False, True):
            copy = tmp_path / f"copy-{at}-{after}"
            shutil.copytree(home, copy, ignore=shutil.ignore_patterns("copy-*"))
            ring = Keyring.open(copy / KEYRING_FILE, PASSPHRASE)
            with pytest.MonkeyPatch.context() as patch:
                pull_plug(patch, at, after=after)
                with pytest.raises(PlugPulledError):
                    rotate_keys(copy, ring, NEW)
            begun = not (at == 1 and not after)
            right, wrong = (NEW, PASSPHRASE) if begun else (PASSPHRASE, NEW)
            with pytest.raises(SandboxError) as caught:
                Keyring.open(copy / KEYRING_FILE, wrong)
            assert caught.value.code is ErrorCode.PASSPHRASE_WRONG
            again = Keyring.open(copy / KEYRING_FILE, right)
            assert again.secret("rank") == secret
            assert [read(copy, again, v).num_rows for v in versions] == [30, 30, 30]
            ended = at == 5 and after
            assert end_rotation(copy, again) is (begun and not ended)
            assert not again.rotating()
            assert [read(copy, again, v).num_rows for v in versions] == [30, 30, 30]
            generations = {
                name.rpartition("/")[2] for name, _ in wrapped_on_disk(copy) if name.startswith("nafld/")
            }
            assert generations == ({"2"} if begun else {"1"})


def test_five_writes_are_all_there_are(home: Path, keys: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in (1, 2, 3):
        write(home, keys, people(30), version=n)
    calls = pull_plug(monkeypatch, 0, after=False)
    rotate_keys(home, keys)
    assert calls() == 5


def test_a_second_rotation_ends_an_interrupted_one(home: Path, keys: Keyring) -> None:
    version = write(home, keys, people(30))
    with pytest.MonkeyPatch.context() as patch:
        pull_plug(patch, 2, after=False)
        with pytest.raises(PlugPulledError):
            rotate_keys(home, keys)
    assert keys.rotating()
    assert rotate_keys(home, keys).after == "mk-3"
    assert not keys.rotating()
    assert sorted(keys._keys.keys) == [f"nafld/{grade}/3" for grade in ("footer", "open", "restricted")]
    assert read(home, keys, version).num_rows == 30


def test_damage_is_found_before_anything_is_changed(home: Path, keys: Keyring) -> None:
    versions = [write(home, keys, people(30), version=n) for n in (1, 2)]
    path = material_path(home / versions[1].files[0].path)
    whole = path.read_text()
    path.write_text(whole.replace('\\"wrappedDEK\\":\\"', '\\"wrappedDEK\\":\\"A', 1))
    before = (home / KEYRING_FILE).read_bytes()
    with pytest.raises(SandboxError) as caught:
        rotate_keys(home, keys, NEW)
    assert caught.value.code is ErrorCode.STORAGE_CORRUPT
    assert path.relative_to(home).as_posix() in caught.value.message
    assert (home / KEYRING_FILE).read_bytes() == before
    path.write_text(whole)
    assert read(home, keys, versions[1]).num_rows == 30


def test_a_load_and_a_rotation_exclude_each_other(home: Path, keys: Keyring) -> None:
    with loading(home), loading(home):
        with pytest.raises(SandboxError) as caught:
            rotate_keys(home, keys)
        assert caught.value.code is ErrorCode.SERVICE_BUSY
        write(home, keys, people(5))
    with alone(home):
        with pytest.raises(SandboxError) as caught:
            write(home, keys, people(5), version=2)
        assert caught.value.code is ErrorCode.SERVICE_BUSY
    assert rotate_keys(home, keys).after == "mk-2"


def test_another_process_follows_a_new_master_key_but_not_a_new_passphrase(home: Path, keys: Keyring) -> None:
    version = write(home, keys, people(30))
    server = Keyring.open(home / KEYRING_FILE, PASSPHRASE)
    rotate_keys(home, keys)
    assert read(home, server, version).num_rows == 30
    assert server.master == "mk-2"
    made = server.secret("unit/new")
    assert keys.secret("unit/new") == made
    rotate_keys(home, keys, NEW)
    for act in (lambda: read(home, server, version), lambda: server.secret("unit/newer")):
        with pytest.raises(SandboxError) as caught:
            act()
        assert caught.value.code is ErrorCode.KEYS_ROTATED
    assert server.secret("unit/new") == made  # what is in memory still serves
