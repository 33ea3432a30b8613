from __future__ import annotations

import json
import os
import random
import shutil
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pytest

from sandbox.catalog.model import TableVersion
from sandbox.errors import ErrorCode, SandboxError
from sandbox.vault.digest import VERIFIED
from sandbox.vault.encrypted_file import material_path
from sandbox.vault.keyring import GRADES, Keyring
from sandbox.vault.material import material_is_sound
from sandbox.vault.parquet import read_batches
from sandbox.vault.rotate import rotate_keys
from tests.vault.support import COLUMNS, people, write


def read(home: Path, keys: Keyring, version: TableVersion) -> pa.Table:
    return pa.Table.from_batches(read_batches(home, keys, version, list(COLUMNS)))


def assert_refused(home: Path, keys: Keyring, version: TableVersion) -> None:
    with pytest.raises(SandboxError) as caught:
        read(home, keys, version)
    assert caught.value.code is ErrorCode.STORAGE_CORRUPT
    assert version.files[0].path in caught.value.message
    assert str(home) not in str(caught.value)
    for word in ("arrow", "parquet::", "thrift", "decrypt", "Traceback", "AES"):
        assert word not in str(caught.value)
    assert caught.value.__cause__ is None


def positions(size: int) -> list[int]:
    inner = random.Random(20260101).sample(range(size), min(size, 300))
    return sorted({*range(12), *range(size - 120, size), *inner})


def test_every_flipped_byte_is_noticed(home: Path, keys: Keyring) -> None:
    version = write(home, keys, people(200))
    path = home / version.files[0].path
    whole = path.read_bytes()
    for position in positions(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        assert_refused(home, keys, version)
    path.write_bytes(whole)
    assert read(home, keys, version).equals(people(200))


def test_every_flipped_byte_is_noticed_by_the_cipher_alone(home: Path, keys: Keyring) -> None:
    """As if the digest had been forged too: GCM covers every module of every column."""
    version = write(home, keys, people(200))
    path = home / version.files[0].path
    whole = path.read_bytes()
    # The last 8 bytes and the first 4 are lengths and magic; what is not covered must not change a value.
    unnoticed = []
    for position in positions(len(whole))[::3]:
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        stored = replace(version.files[0], digest=sha256(damaged).hexdigest())
        forged = replace(version, files=(stored,))
        with suppress(SandboxError):
            assert read(home, keys, forged).equals(people(200))
            unnoticed.append(position)
            continue
        assert_refused(home, keys, forged)
    assert all(position < 4 for position in unnoticed), unnoticed


def test_truncated_extended_emptied_or_removed(home: Path, keys: Keyring) -> None:
    version = write(home, keys, people(200))
    path = home / version.files[0].path
    whole = path.read_bytes()
    for content in (
        b"",
        whole[:-1],
        whole[:4],
        whole[: len(whole) // 2],
        whole[1:],
        whole + b"\0",
        whole * 2,
    ):
        path.write_bytes(content)
        assert_refused(home, keys, version)
    path.unlink()
    assert_refused(home, keys, version)
    path.mkdir()
    assert_refused(home, keys, version)


def swap(one: Path, other: Path) -> None:
    aside = one.with_name("aside")
    os.replace(one, aside)
    os.replace(other, one)
    os.replace(aside, other)


@pytest.mark.parametrize("with_material", [False, True])
@pytest.mark.parametrize("dataset", ["nafld", "tax"])
def test_swapped_files_are_noticed(home: Path, keys: Keyring, dataset: str, with_material: bool) -> None:
    mine = write(home, keys, people(200, seed=1))
    other = write(home, keys, people(200, seed=2), dataset=dataset, name="others")
    one, two = (home / version.files[0].path for version in (mine, other))
    swap(one, two)
    if with_material:
        swap(material_path(one), material_path(two))
    assert_refused(home, keys, mine)
    assert_refused(home, keys, other)


def test_a_swap_with_forged_digests_is_noticed_by_the_keys(home: Path, keys: Keyring) -> None:
    mine = write(home, keys, people(200, seed=1))
    other = write(home, keys, people(200, seed=2), dataset="tax")
    one, two = (home / version.files[0].path for version in (mine, other))
    swap(one, two)
    forged = replace(mine, files=(replace(other.files[0], path=mine.files[0].path),))
    assert_refused(home, keys, forged)  # the data keys of one file do not open another
    swap(material_path(one), material_path(two))
    assert_refused(home, keys, forged)  # and another dataset's keys are not handed out


def test_a_file_rolled_back_to_an_older_version_is_noticed(home: Path, keys: Keyring) -> None:
    old = write(home, keys, people(200, seed=1), version=1)
    new = write(home, keys, people(200, seed=2), version=2)
    read(home, keys, old)
    read(home, keys, new)
    target, source = home / new.files[0].path, home / old.files[0].path
    shutil.copy2(source, target)
    shutil.copy2(material_path(source), material_path(target))
    assert_refused(home, keys, new)


def test_a_digest_once_right_is_not_trusted_for_a_changed_file(home: Path, keys: Keyring) -> None:
    version = write(home, keys, people(200))
    path = home / version.files[0].path
    read(home, keys, version)
    about = path.stat()
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    with path.open("r+b") as file:  # same inode, same size, time of content set back
        file.write(content)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert_refused(home, keys, version)


def test_a_warm_file_is_not_hashed_again(home: Path, keys: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    version = write(home, keys, people(200))
    read(home, keys, version)

    def never(*_: object) -> None:
        raise AssertionError("hashed again")

    monkeypatch.setattr("hashlib.file_digest", never)
    assert read(home, keys, version).num_rows == 200
    monkeypatch.setattr(VERIFIED, "_seen", {})
    with pytest.raises(AssertionError):
        read(home, keys, version)


def test_altered_key_material_is_noticed(home: Path, keys: Keyring) -> None:
    version = write(home, keys, people(200))
    path = material_path(home / version.files[0].path)
    whole = path.read_text()
    entries = json.loads(whole)
    names = sorted(entries)
    swapped = {**entries, names[0]: entries[names[1]], names[1]: entries[names[0]]}
    regraded = {n: t.replace("nafld/restricted/1", "nafld/open/1") for n, t in entries.items()}
    unknown = {n: t.replace("/1", "/9") for n, t in entries.items()}
    short = {n: t.replace('"wrappedDEK":"', '"wrappedDEK":"AAAA') for n, t in entries.items()}
    for content in ("", "{}", "[]", whole[:-20], *map(json.dumps, (swapped, regraded, unknown, short))):
        path.write_text(content)
        assert_refused(home, keys, version)
    path.unlink()
    assert_refused(home, keys, version)
    path.write_text(whole)
    assert read(home, keys, version).num_rows == 200


def test_every_flipped_bit_of_key_material_is_noticed(home: Path, keys: Keyring) -> None:
    """Also where no cipher looks: in names, in white space, in the key of a column that is not read."""
    version = write(home, keys, people(20))
    path = material_path(home / version.files[0].path)
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 7]) + whole[place + 1 :])
        assert not material_is_sound(path, keys, "nafld", GRADES), whole[place - 9 : place + 9]
    entries = json.loads(whole)
    spaced = json.dumps(entries)
    doubled = whole.decode().replace('{"', '{"columnKey0":"{}","', 1)
    more = json.dumps({**entries, "columnKey99": entries["columnKey0"]}, separators=(",", ":"))
    for content in (spaced, doubled, more, whole.decode() + "\n"):
        path.write_text(content)
        assert not material_is_sound(path, keys, "nafld", GRADES)
        assert_refused(home, keys, version)
    path.write_bytes(whole)
    assert material_is_sound(path, keys, "nafld", GRADES)
    assert read(home, keys, version).num_rows == 20


def test_key_material_with_spaces_as_rotations_once_wrote_it_is_read(home: Path, keys: Keyring) -> None:
    version = write(home, keys, people(20))
    path = material_path(home / version.files[0].path)
    compact = path.read_bytes()
    entries = {name: json.loads(text) for name, text in json.loads(compact).items()}
    path.write_text(json.dumps({name: json.dumps(entry) for name, entry in entries.items()}))
    assert read(home, keys, version).num_rows == 20
    rotate_keys(home, keys)
    assert len(path.read_bytes()) <= len(compact) + len(entries) * len("0")
    assert read(home, keys, version).num_rows == 20
