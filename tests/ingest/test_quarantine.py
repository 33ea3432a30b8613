"""What was set aside is what was committed: another file, or damage to its keys, is refused by its code."""

from __future__ import annotations

import json
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.catalog.model import TableVersion
from sandbox.errors import ErrorCode
from sandbox.ingest.quarantine import read_quarantine
from sandbox.service.proof import check_against_log
from sandbox.vault.encrypted_file import material_path
from sandbox.vault.whole import check_whole
from tests.ingest.conftest import refusal
from tests.ingest.instance import Instance, policy, protected

RULES = policy(t=protected(id="integer"))
CORRUPT = ErrorCode.STORAGE_CORRUPT


@pytest.fixture
def it(tmp_path: Path) -> Instance:
    return Instance.create(tmp_path / "home")


def load(it: Instance, put, bad: str, name: str = "a.csv") -> TableVersion:
    rows = "".join(f"{n}\n" for n in range(50))
    return it.load(put(name, f"id\n{rows}{bad}".encode()), RULES).version


def aside(it: Instance, version: TableVersion) -> list[str]:
    return [bad.raw for bad in read_quarantine(it.home, it.keyring, version)]


def file_of(it: Instance, version: TableVersion) -> Path:
    assert version.quarantine is not None
    return it.home / version.quarantine.path


def test_its_digest_is_committed_with_the_version(it, put):
    version = load(it, put, "x\n")
    assert version.quarantine is not None
    assert it.current() == version
    assert aside(it, version) == ["x"]
    check_whole(it.home, version)
    file_of(it, version).unlink()
    refusal(CORRUPT, lambda: check_whole(it.home, version))


def test_the_log_does_not_tell_whether_anything_was_set_aside(it, put):
    load(it, put, "")
    load(it, put, "x\ny\n")
    named = [
        [file["path"].rpartition("/")[2] for file in entry.facts["files"]]
        for entry in it.store.entries(kinds=["dataset.loaded"])
    ]
    assert named[0] == named[1]
    assert "quarantine.parquet" in named[0]
    assert aside(it, it.catalog.history("d", "t")[0]) == []


def test_the_file_of_another_version_is_refused_with_its_keys(it, put):
    first, second = load(it, put, "x\n"), load(it, put, "y\n")
    for path in (file_of(it, first), material_path(file_of(it, first))):
        shutil.copyfile(path, file_of(it, second).with_name(path.name))
    refusal(CORRUPT, lambda: aside(it, second))
    refusal(CORRUPT, lambda: check_whole(it.home, second))
    assert aside(it, first) == ["x"]


@pytest.mark.parametrize("cut", [0, 1, 10, 1000, -1, -9, -200])
def test_a_cut_file(it, put, cut):
    version = load(it, put, "x\n")
    path = file_of(it, version)
    path.write_bytes(path.read_bytes()[:cut])
    refusal(CORRUPT, lambda: aside(it, version))


def test_damaged_key_material(it, put):
    version = load(it, put, "x\n")
    path = material_path(file_of(it, version))
    whole = path.read_text()
    entries = json.loads(whole)
    names = sorted(entries)
    swapped = {**entries, names[0]: entries[names[1]], names[1]: entries[names[0]]}
    unknown = {name: text.replace("/1", "/9") for name, text in entries.items()}
    short = {name: text.replace('"wrappedDEK":"', '"wrappedDEK":"AAAA') for name, text in entries.items()}
    less = dict(list(entries.items())[1:])
    for content in ("", "{}", "[]", "null", whole[:-20], whole[: len(whole) // 2],
                    *map(json.dumps, (swapped, unknown, short, less))):  # fmt: skip
        path.write_text(content)
        error = refusal(CORRUPT, lambda: aside(it, version))
        assert "key material" in error.message
        assert str(it.home) not in str(error)
    path.unlink()
    refusal(CORRUPT, lambda: aside(it, version))
    refusal(CORRUPT, lambda: check_whole(it.home, version))
    path.write_text(whole)
    assert aside(it, version) == ["x"]


def test_a_catalog_that_names_another_file_is_not_what_the_log_says(it, put):
    version = load(it, put, "x\n")
    check_against_log(it.store)
    it.store.close()
    with sqlite3.connect(it.home / "store.sqlite") as store:
        store.execute(
            "UPDATE catalog_quarantine SET file = replace(file, ?, ?)", (version.quarantine.digest, "0" * 64)
        )
    store.close()
    opened = Instance.open(it.home)
    refusal(CORRUPT, lambda: check_against_log(opened.store))
    opened.store.close()


def test_versions_of_before_are_still_read(it, put):
    """Their catalog has no digest of it; the cipher still tells damage."""
    version = load(it, put, "x\n")
    old = replace(version, quarantine=None)
    assert aside(it, old) == ["x"]
    path = file_of(it, version)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    refusal(CORRUPT, lambda: aside(it, old))
