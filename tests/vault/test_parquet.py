from __future__ import annotations

import base64
import errno
import json
import os
import struct
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow.parquet import encryption as pe

from sandbox.catalog.model import TableVersion
from sandbox.errors import ErrorCode, SandboxError
from sandbox.vault import layout
from sandbox.vault.encrypted_file import material_path, open_parquet
from sandbox.vault.folders import version_folders
from sandbox.vault.keyring import KEYRING_FILE, Keyring
from sandbox.vault.kms import KeyringKms, crypto_factory
from sandbox.vault.material import read_material
from sandbox.vault.parquet import EncryptedWriter, read_batches
from sandbox.vault.wrap import unwrap
from tests.vault.support import COLUMNS, SECRET_CELL, people, write


def read(home: Path, keys: Keyring, version: TableVersion, columns: list[str] | None = None) -> pa.Table:
    return pa.Table.from_batches(read_batches(home, keys, version, columns or list(COLUMNS)))


def test_what_was_written_is_read_in_its_order_over_several_files(home: Path, keys: Keyring) -> None:
    table = people(5000)
    version = write(home, keys, table, rows_per_file=1, batch_rows=700)
    assert len(version.files) == 1  # a file ends where a row group ends
    assert read(home, keys, version).equals(table)
    chosen = ["ratio", "__unit", "姓名, 全称"]
    assert read(home, keys, version, chosen).equals(table.select(chosen))
    assert version.rows == 5000
    assert [c.grade for c in version.columns] == list(COLUMNS.values())


def test_row_groups_and_files_are_cut_by_rows(
    home: Path, keys: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.vault.parquet.ROWS_PER_GROUP", 1000)
    table = people(6500)
    version = write(home, keys, table, rows_per_file=2000, batch_rows=500)
    assert [Path(f.path).name for f in version.files] == [f"part-{i:05d}.parquet" for i in range(4)]
    assert read(home, keys, version).equals(table)
    small = pa.Table.from_batches(read_batches(home, keys, version, ["born"], batch_rows=64))
    assert small.equals(table.select(["born"]))


def test_a_table_without_rows_keeps_its_columns(home: Path, keys: Keyring) -> None:
    version = write(home, keys, people(0))
    assert version.rows == 0
    assert read(home, keys, version).schema.equals(people(0).schema)


def test_files_and_folders_are_private(home: Path, keys: Keyring) -> None:
    old = os.umask(0)
    try:
        write(home, keys, people(10))
    finally:
        os.umask(old)
    for path in (home / "data").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_no_cell_no_column_name_and_no_key_lies_on_disk(home: Path, keys: Keyring) -> None:
    table = people(3000).replace_schema_metadata({"pandas": "canary-metadata"})
    write(home, keys, table)
    held = [
        keys.secret("rank"),
        *(keys.key_encryption_key("nafld", g).key for g in ("footer", "open", "restricted")),
    ]
    held += [keys._keys.master_key, keys._keys.sealing_key]
    secrets = [SECRET_CELL.encode(), "姓名7".encode(), b"canary-metadata", b"ARROW:schema", b"R3R", b"schema"]
    for name in COLUMNS:
        secrets += [name.encode(), layout.physical_name(name).encode()]
    secrets += [struct.pack("<4q", 100, 101, 102, 103)]
    secrets += [form for key in held for form in (key, key.hex().encode(), base64.b64encode(key)[:-2])]
    files = [path for path in home.rglob("*") if path.is_file()]
    assert len(files) == 6  # data, key material, mark, keyring, and two locks
    for path in files:
        content = path.read_bytes()
        for secret in secrets:
            if secret == b"schema" and path.name == KEYRING_FILE:
                continue
            assert secret not in content, (path.name, secret)


def test_the_file_says_aes_gcm_with_encrypted_footer_and_keys_never_repeat(home: Path, keys: Keyring) -> None:
    versions = [write(home, keys, people(50), version=n) for n in (1, 2)]
    wrapped, contents = set(), []
    for version in versions:
        path = home / version.files[0].path
        content = path.read_bytes()
        contents.append(content)
        assert content[:4] == content[-4:] == b"PARE"
        (length,) = struct.unpack("<I", content[-8:-4])
        # FileCryptoMetaData, Thrift compact: field 1 is a union whose field 1 is AES_GCM_V1 (2: _CTR_).
        assert content[-8 - length :][:2] == b"\x1c\x1c"
        assert b'"internalStorage":false' in content[-8 - length :]
        with pytest.raises((OSError, pa.ArrowException)):
            pq.read_table(path)

        for text in json.loads(material_path(path).read_text()).values():
            entry = json.loads(text)
            assert entry["doubleWrapping"] is False
            assert len(base64.b64decode(entry["wrappedDEK"])) == 12 + 32 + 16
            wrapped.add(keys_of(keys, entry))
    assert len(wrapped) == 2 * (len(COLUMNS) + 1)
    assert contents[0][4:200] != contents[1][4:200]


def keys_of(keys: Keyring, entry: dict[str, str]) -> bytes:
    return unwrap(keys.key_by_id(entry["masterKeyID"]), entry["wrappedDEK"], entry["masterKeyID"])


def test_a_reader_without_the_restricted_class(home: Path, keys: Keyring) -> None:
    table = people(500)
    version = write(home, keys, table)
    open_names = [name for name, grade in COLUMNS.items() if grade == "open"]
    got = pa.Table.from_batches(read_batches(home, keys, version, open_names, grades=("open",)))
    assert got.equals(table.select(open_names))
    for name in set(COLUMNS) - set(open_names):
        with pytest.raises(SandboxError) as caught:
            read_batches(home, keys, version, [*open_names, name], grades=("open",))
        assert caught.value.code is ErrorCode.KEY_REFUSED
        # Not by a check alone: without the key, PyArrow itself gets nothing.
        path = home / version.files[0].path
        with path.open("rb", buffering=0) as file, pytest.raises(SandboxError) as caught:
            open_parquet(file, path, keys, "nafld", ("footer", "open")).read(
                columns=[layout.physical_name(name)]
            )
        assert caught.value.code is ErrorCode.KEY_REFUSED


def test_keys_of_one_dataset_do_not_serve_another(home: Path, keys: Keyring) -> None:
    version = write(home, keys, people(20))
    write(home, keys, people(20), dataset="tax")
    path = home / version.files[0].path
    with path.open("rb", buffering=0) as file, pytest.raises(ValueError, match="altered key material"):
        open_parquet(file, path, keys, "tax", ("footer", "open", "restricted"))
    for entry in read_material(material_path(path).read_bytes()).values():
        with pytest.raises(SandboxError) as caught:
            KeyringKms(keys, "tax").unwrap_key(entry["wrappedDEK"], entry["masterKeyID"])
        assert caught.value.code is ErrorCode.KEY_REFUSED


def test_a_column_that_would_stay_plain_stops_the_load(
    home: Path, keys: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = layout.column_keys

    def forgetful(*args: object) -> dict[str, str | list[str]]:
        found = right(*args)  # type: ignore[arg-type]
        return {key: [name for name in names if name != "region"] for key, names in found.items()}

    monkeypatch.setattr("sandbox.vault.encrypted_file.column_keys", forgetful)
    with pytest.raises(SandboxError) as caught:
        write(home, keys, people(200))
    assert caught.value.code is ErrorCode.INTERNAL
    assert version_folders(home) == ()


def test_a_load_that_fails_leaves_nothing(home: Path, keys: Keyring) -> None:
    table = people(100)

    def load() -> None:
        with EncryptedWriter(
            home, keys, dataset="nafld", table="people", version=1, schema=table.schema, grades={}
        ) as writer:
            writer.write(table.to_batches()[0])
            raise RuntimeError("the source went away")

    with pytest.raises(RuntimeError):
        load()
    assert version_folders(home) == ()


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_full_disk_is_a_coded_error_and_leaves_nothing(
    home: Path, keys: Keyring, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    keys.key_encryption_key("nafld", "open")
    for grade in ("footer", "restricted"):
        keys.key_encryption_key("nafld", grade)  # type: ignore[arg-type]

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    if call == "write":
        monkeypatch.setattr("sandbox.vault.digest.HashingFile.write", full)
    else:
        monkeypatch.setattr("sandbox.vault.encrypted_file.os.fsync", full)
    with pytest.raises(SandboxError) as caught:
        write(home, keys, people(2000))
    assert caught.value.code is ErrorCode.STORAGE_FULL
    monkeypatch.undo()
    assert version_folders(home) == ()
    assert read(home, keys, write(home, keys, people(10))).num_rows == 10


@pytest.mark.parametrize(
    "schema",
    [
        pa.schema([("a", pa.list_(pa.int64()))]),
        pa.schema([("a", pa.struct([("b", pa.int64())]))]),
        pa.schema([("a", pa.dictionary(pa.int32(), pa.string()))]),
        pa.schema([("a", pa.int64()), ("A", pa.int64())]),
        pa.schema([("", pa.int64())]),
        pa.schema([]),
    ],
)
def test_columns_that_cannot_be_stored_are_refused(home: Path, keys: Keyring, schema: pa.Schema) -> None:
    with pytest.raises(SandboxError) as caught:
        EncryptedWriter(home, keys, dataset="d", table="t", version=1, schema=schema, grades={})
    assert caught.value.code is ErrorCode.LOAD_REFUSED
    assert not (home / "data").exists()


def test_a_batch_of_another_schema_is_a_bug_of_the_caller(home: Path, keys: Keyring) -> None:
    with (
        pytest.raises(ValueError, match="schema"),
        EncryptedWriter(
            home, keys, dataset="d", table="t", version=1, schema=pa.schema([("a", pa.int64())]), grades={}
        ) as writer,
    ):
        writer.write(pa.record_batch({"a": pa.array([1.5])}))


names = st.lists(
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=12),
    min_size=1,
    max_size=6,
    unique_by=str.casefold,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=names, restricted=st.integers(0, 63))
def test_any_column_names_are_encrypted_and_come_back(
    home: Path, keys: Keyring, names: list[str], restricted: int
) -> None:
    table = pa.table({name: pa.array([i, i + 1, None]) for i, name in enumerate(names)})
    grades = {name: "restricted" if restricted >> i & 1 else "open" for i, name in enumerate(names)}
    version = write(home, keys, table, grades=grades)  # type: ignore[arg-type]
    for name in names:
        assert read(home, keys, version, [name]).equals(table.select([name]))


def test_pyarrow_alone_reads_the_file_with_the_key_tools(home: Path, keys: Keyring) -> None:
    """What another engine of the same format does: only the key tools, no code of ours but the keys."""
    table = people(300)
    version = write(home, keys, table)
    path = str(home / version.files[0].path)
    properties = crypto_factory(keys, "nafld").file_decryption_properties(
        pe.KmsConnectionConfig(), pe.DecryptionConfiguration(), path
    )
    got = pq.read_table(path, decryption_properties=properties)
    assert got.rename_columns(list(COLUMNS)).equals(table)
