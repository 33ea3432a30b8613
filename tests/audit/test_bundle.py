"""The bundle: C2SP tlog-tiles to the letter, at every edge of a tile."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sandbox.audit import merkle
from sandbox.audit.bundle import export_bundle, tile_paths
from sandbox.audit.findings import Verdict
from sandbox.audit.note import Checkpoint
from sandbox.audit.store import Store
from sandbox.audit.verify import verify_bundle
from sandbox.errors import ErrorCode, SandboxError
from tests.audit.acts import ORIGIN, SECRET_KEY, log, published


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Path]]:
    """Bundles of one growing log, by size."""
    folder = tmp_path_factory.mktemp("grown")
    store = Store.create(folder / "s.db", Ed25519PrivateKey.generate(), ORIGIN, SECRET_KEY)
    bundles, size = {}, 0
    for wanted in (0, 1, 2, 255, 256, 257, 511, 512, 520):
        log(store, *[published(f"d{n}") for n in range(size, wanted)])
        size = wanted
        bundles[wanted] = folder / str(wanted)
        assert export_bundle(store, bundles[wanted]) == wanted
    yield bundles
    store.close()


def files(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()
    }


def tiles(folder: Path) -> dict[str, int]:
    return {
        name.removeprefix("tile/"): size // 32
        for name, size in files(folder).items()
        if name.startswith("tile/") and "entries" not in name
    }


def test_layout_at_every_edge(grown: dict[int, Path]) -> None:
    assert set(files(grown[0])) == {"checkpoint", "log.pub"}
    assert tiles(grown[1]) == {"0/000.p/1": 1}
    assert tiles(grown[255]) == {"0/000.p/255": 255}
    assert tiles(grown[256]) == {"0/000": 256, "1/000.p/1": 1}
    assert tiles(grown[257]) == {"0/000": 256, "0/001.p/1": 1, "1/000.p/1": 1}
    assert tiles(grown[512]) == {"0/000": 256, "0/001": 256, "1/000.p/2": 2}
    entries = {name for name in files(grown[520]) if "entries" in name}
    assert entries == {"tile/entries/000", "tile/entries/001", "tile/entries/002.p/8"}


def test_the_example_of_the_specification() -> None:
    paths = list(tile_paths("0", 70_000))
    assert len(paths) == 274
    assert paths[-1] == ("tile/0/273.p/112", 112)
    assert [width for _, width in paths[:-1]] == [256] * 273
    assert list(tile_paths("1", 273)) == [("tile/1/000", 256), ("tile/1/001.p/17", 17)]
    million = list(tile_paths("0", 1_234_068 * 256))
    assert million[1_234_067] == ("tile/0/x001/x234/067", 256)


def test_hashes_and_entries_fit_each_other(grown: dict[int, Path]) -> None:
    content, at, hashes = (grown[520] / "tile/entries/001").read_bytes(), 0, b""
    while at < len(content):
        (length,) = struct.unpack_from(">H", content, at)
        hashes += merkle.leaf_hash(content[at + 2 : at + 2 + length])
        at += 2 + length
    assert hashes == (grown[520] / "tile/0/001").read_bytes()


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 520])
def test_every_size_verifies(grown: dict[int, Path], size: int) -> None:
    key = (grown[520] / "log.pub").read_text()
    report = verify_bundle(grown[size], key)
    assert (report.verdict, report.findings, report.size, report.remarks) == (Verdict.CLEAN, [], size, [])


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 520])
def test_every_earlier_checkpoint_is_its_past(grown: dict[int, Path], size: int) -> None:
    report = verify_bundle(grown[520], previous_checkpoint=grown[size] / "checkpoint")
    assert report.findings == []
    back = verify_bundle(grown[size], previous_checkpoint=grown[520] / "checkpoint")
    assert back.verdict == (Verdict.CLEAN if size == 520 else Verdict.INCOMPLETE)


def test_consistency_proofs_from_the_store(store: Store) -> None:
    notes = [store.checkpoint()]
    for _ in range(20):
        log(store, published())
        notes.append(store.checkpoint())
    now = Checkpoint.open(notes[-1], store.key)
    for note in notes:
        past = Checkpoint.open(note, store.key)
        with store.read() as connection:
            newest, proof = store.log.consistency_proof(connection, past.size)
        assert newest == notes[-1]
        assert merkle.verify_consistency(past.size, past.root, now.size, now.root, proof)
    with store.read() as connection, pytest.raises(SandboxError) as caught:
        store.log.consistency_proof(connection, 21)
    assert caught.value.code is ErrorCode.ARGUMENT


def test_where_a_bundle_may_not_go(store: Store, tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "tile").write_text("")
    (tmp_path / "file").write_text("")
    for place in ("used", "file", "file/below"):
        with pytest.raises(SandboxError) as caught:
            export_bundle(store, tmp_path / place)
        assert caught.value.code is ErrorCode.ARGUMENT


def test_no_room_for_a_bundle(store: Store) -> None:
    with pytest.raises(SandboxError) as caught:
        export_bundle(store, Path("/proc/nowhere"))
    assert caught.value.code is ErrorCode.STORAGE_FULL


def test_an_export_that_died_is_incomplete(store: Store, tmp_path: Path) -> None:
    log(store, published())
    export_bundle(store, tmp_path / "bundle")
    (tmp_path / "bundle" / "checkpoint").unlink()
    assert verify_bundle(tmp_path / "bundle").verdict == Verdict.INCOMPLETE


@pytest.mark.parametrize(
    ("tampering", "verdict"),
    [
        ("UPDATE audit_leaf SET leaf = replace(leaf, 'd1', 'd9') WHERE seq = 1", ErrorCode.LOG_CORRUPT),
        ("UPDATE audit_leaf SET leaf = zeroblob(70000) WHERE seq = 1", ErrorCode.LOG_CORRUPT),
        ("UPDATE audit_node SET hash = 7 WHERE position = 1", ErrorCode.LOG_CORRUPT),
        (
            "UPDATE audit_leaf SET leaf = CAST(replace(leaf, 'd1', 'd9') AS BLOB) WHERE seq = 1",
            Verdict.ALTERED,
        ),
        ("UPDATE audit_node SET hash = zeroblob(32) WHERE level = 0 AND position = 1", Verdict.ALTERED),
        ("DELETE FROM audit_leaf WHERE seq = 1", Verdict.INCOMPLETE),
        ("DELETE FROM audit_leaf WHERE seq = 2", Verdict.INCOMPLETE),
        ("DELETE FROM audit_leaf", Verdict.INCOMPLETE),
        (
            "INSERT INTO audit_leaf SELECT 3, leaf, time, kind, person, NULL, NULL FROM audit_leaf",
            Verdict.CLEAN,
        ),
    ],
)
def test_a_store_that_was_edited_behind_the_log(
    store: Store, tmp_path: Path, tampering: str, verdict: Verdict | ErrorCode
) -> None:
    """An entry that was smuggled in behind the last one is in no bundle: nothing vouches for it."""
    log(store, published("d0"), published("d1"), published("d2"))
    with sqlite3.connect(tmp_path / "store.db") as connection:
        connection.execute(tampering + (" WHERE seq = 2" if "INSERT" in tampering else ""))
    connection.close()
    if "INSERT" in tampering:
        with pytest.raises(SandboxError) as caught:
            log(store, published("d3"))
        assert caught.value.code is ErrorCode.LOG_CORRUPT
    if isinstance(verdict, Verdict):
        export_bundle(store, tmp_path / "bundle")
        assert verify_bundle(tmp_path / "bundle", str(store.key)).verdict == verdict
        return
    with pytest.raises(SandboxError) as caught:
        export_bundle(store, tmp_path / "bundle")
    assert caught.value.code is verdict
