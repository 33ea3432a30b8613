from __future__ import annotations

import base64
import errno
import json
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sandbox.errors import ErrorCode, SandboxError
from sandbox.vault.keyring import KEYRING_FILE, Keyring
from sandbox.vault.sealed import SealedKeyring, parse_keyring
from tests.vault.support import PASSPHRASE


def refused(path: Path, passphrase: str = PASSPHRASE) -> ErrorCode:
    with pytest.raises(SandboxError) as caught:
        Keyring.open(path, passphrase)
    assert caught.value.hint
    return caught.value.code


def test_keys_survive_reopening_and_are_all_different(home: Path, keys: Keyring) -> None:
    made = {
        name: keys.secret(name) for name in ("unit/patient", "unit/企业", "log/ed25519", "log/secret", "rank")
    }
    kek = keys.key_encryption_key("nafld", "restricted")
    again = Keyring.open(home / KEYRING_FILE, PASSPHRASE)
    assert {name: again.secret(name) for name in made} == made
    assert again.key_encryption_key("nafld", "restricted") == kek
    assert kek.id == "nafld/restricted/1"
    others = [
        again.key_encryption_key(d, g).key
        for d, g in (("nafld", "open"), ("nafld", "footer"), ("tax", "open"))
    ]
    all_keys = [*made.values(), kek.key, *others]
    assert len(set(all_keys)) == len(all_keys)
    assert {len(key) for key in all_keys} == {32}
    assert again.datasets() == ("nafld", "tax")


def test_file_is_private_and_holds_no_key(home: Path, keys: Keyring) -> None:
    path = home / KEYRING_FILE
    held = [keys.secret("rank"), keys.key_encryption_key("nafld", "open").key]
    held += [keys._keys.master_key, keys._keys.sealing_key]
    content = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    for key in held:
        for form in (key, key.hex().encode(), base64.b64encode(key), base64.b64encode(key)[:-4]):
            assert form not in content
    assert PASSPHRASE.encode() not in content


def test_nothing_that_prints_a_keyring_prints_a_key(keys: Keyring) -> None:
    key = keys.key_encryption_key("nafld", "open")
    shown = repr(keys) + repr(key) + repr(keys._keys) + str(keys)
    assert repr(key.key)[2:-1] not in shown
    assert "master_key" not in shown
    with pytest.raises(TypeError):
        pickle.dumps(keys)


def test_wrong_passphrase_and_unicode_forms(home: Path) -> None:
    path = home / KEYRING_FILE
    Keyring.create(path, "caf\u00e9 数据")
    assert refused(path, "cafe 数据") is ErrorCode.PASSPHRASE_WRONG
    assert refused(path, "") is ErrorCode.PASSPHRASE_WRONG
    assert refused(path, "\udcff") is ErrorCode.PASSPHRASE_WRONG
    Keyring.open(path, "cafe\u0301 数据")


def test_create_refuses_an_empty_passphrase_and_an_existing_file(home: Path, keys: Keyring) -> None:
    before = (home / KEYRING_FILE).read_bytes()
    with pytest.raises(SandboxError) as caught:
        Keyring.create(home / KEYRING_FILE, "other")
    assert caught.value.code is ErrorCode.HOME_EXISTS
    assert (home / KEYRING_FILE).read_bytes() == before
    with pytest.raises(SandboxError) as caught:
        Keyring.create(home / "other.json", "")
    assert caught.value.code is ErrorCode.PASSPHRASE_MISSING


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610, 0o666])
def test_a_file_that_others_may_touch_is_refused(home: Path, keys: Keyring, mode: int) -> None:
    (home / KEYRING_FILE).chmod(mode)
    with pytest.raises(SandboxError) as caught:
        Keyring.open(home / KEYRING_FILE, PASSPHRASE)
    assert caught.value.code is ErrorCode.FILE_MODE
    assert "chmod 600" in caught.value.hint


def test_missing_linked_or_odd_files(home: Path, keys: Keyring) -> None:
    assert refused(home / "nothing.json") is ErrorCode.KEYRING_MISSING
    (home / "link.json").symlink_to(home / KEYRING_FILE)
    assert refused(home / "link.json") is ErrorCode.KEYRING_MISSING
    (home / "folder.json").mkdir(mode=0o700)
    assert refused(home / "folder.json") in {ErrorCode.KEYRING_MISSING, ErrorCode.KEYRING_CORRUPT}


def test_any_damaged_byte_is_noticed(home: Path, keys: Keyring) -> None:
    keys.secret("rank")
    keys.key_encryption_key("nafld", "open")
    path = home / KEYRING_FILE
    whole = path.read_bytes()
    for position in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[position] ^= 0x01
        with pytest.raises(SandboxError) as caught:
            parse_keyring(bytes(damaged))
        assert caught.value.code is ErrorCode.KEYRING_CORRUPT
    for content in (b"", b"{}", b"[]", b"null", whole[:-40], whole * 2, b"\xff\xfe", b"[" * 100_000):
        path.write_bytes(content)
        assert refused(path) is ErrorCode.KEYRING_CORRUPT


def altered(sealed: SealedKeyring, **changes: object) -> bytes:
    """What somebody can make who knows the format and no key."""
    other = sealed.model_copy(update=changes)
    return other.model_copy(update={"checksum": other._checksum()}).to_bytes()


def test_altered_with_a_right_checksum_is_still_noticed(home: Path, keys: Keyring) -> None:
    for name in ("rank", "unit/a", "unit/b"):
        keys.secret(name)
    keys.key_encryption_key("nafld", "open")
    keys.key_encryption_key("nafld", "restricted")
    path = home / KEYRING_FILE
    sealed = parse_keyring(path.read_bytes())
    swapped = {**sealed.secrets, "unit/a": sealed.secrets["unit/b"], "unit/b": sealed.secrets["unit/a"]}
    without = {k: v for k, v in sealed.secrets.items() if k != "rank"}
    promoted = {**sealed.keys, "nafld/open/1": sealed.keys["nafld/restricted/1"]}
    for changes in (
        {"secrets": swapped},
        {"secrets": without},
        {"keys": promoted},
        {"keys": {}},
        {"mac": "0" * 64},
    ):
        path.write_bytes(altered(sealed, **changes))
        assert refused(path) is ErrorCode.KEYRING_CORRUPT
    weaker = sealed.sealing.model_copy(update={"n": 2**16})
    path.write_bytes(altered(sealed, sealing=weaker))
    assert refused(path) is ErrorCode.PASSPHRASE_WRONG
    for n in (2, 2**30):
        content = json.loads(sealed.to_bytes())
        content["sealing"]["n"] = n
        path.write_bytes(json.dumps(content).encode())
        assert refused(path) is ErrorCode.KEYRING_CORRUPT


def test_a_full_disk_leaves_the_old_keyring(
    home: Path, keys: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.secret("rank")
    before = (home / KEYRING_FILE).read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SandboxError) as caught:
        keys.secret("unit/new")
    assert caught.value.code is ErrorCode.STORAGE_FULL
    monkeypatch.undo()
    assert (home / KEYRING_FILE).read_bytes() == before
    assert [p.name for p in home.iterdir() if p.suffix == ".tmp"] == []
    first = keys.secret("unit/new")
    assert Keyring.open(home / KEYRING_FILE, PASSPHRASE).secret("unit/new") == first


def test_threads_and_other_openings_agree_on_a_new_secret(home: Path, keys: Keyring) -> None:
    other = Keyring.open(home / KEYRING_FILE, PASSPHRASE)
    start = threading.Barrier(8)
    found: list[tuple[str, bytes]] = []

    def ask(ring: Keyring) -> None:
        start.wait()
        for i in range(6):
            found.append((f"unit/{i}", ring.secret(f"unit/{i}")))

    threads = [threading.Thread(target=ask, args=(ring,)) for ring in (keys, other) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 48
    assert len(set(found)) == 6


ASK = """
import sys
from pathlib import Path
from sandbox.vault.keyring import Keyring
ring = Keyring.open(Path(sys.argv[1]), sys.argv[2])
print([ring.secret(f"unit/{i}").hex() for i in range(8)], ring.key_encryption_key("tax", "open").key.hex())
"""


def test_processes_agree_on_a_new_secret(home: Path, keys: Keyring) -> None:
    command = [sys.executable, "-c", ASK, str(home / KEYRING_FILE), PASSPHRASE]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path.cwd()) for _ in range(3)]
    said = {process.communicate()[0] for process in running}
    assert len(said) == 1
    assert keys.secret("unit/3").hex().encode() in said.pop()


def test_unknown_key_ids_are_not_made(keys: Keyring) -> None:
    with pytest.raises(KeyError):
        keys.key_by_id("nafld/open/1")
    assert keys.datasets() == ()
    for dataset, grade in (
        ("a/b", "open"),
        ("", "open"),
        ("NAFLD", "open"),
        ("a;b", "open"),
        ("a", "secret"),
        ("a\n", "open"),
    ):
        with pytest.raises(ValueError, match="key class"):
            keys.key_encryption_key(dataset, grade)  # type: ignore[arg-type]
