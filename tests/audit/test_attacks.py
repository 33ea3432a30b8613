"""Attacks on a bundle, on receipts and on the log's past, as an operator with every key might try them."""

from __future__ import annotations

import base64
import json
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.audit.bundle import export_bundle
from sandbox.audit.findings import Verdict
from sandbox.audit.high_water import SUFFIX
from sandbox.audit.note import Checkpoint
from sandbox.audit.store import Store
from sandbox.audit.verify import verify_bundle
from sandbox.errors import SandboxError
from tests.audit.acts import ORIGIN, SECRET_KEY, forge, intended, log, published, refused, settled

SIZE = 261


class Case:
    """A genuine log: its bundle, its key as auditors know it, receipts that people kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = Ed25519PrivateKey.generate()
        self.store = Store.create(folder / "s.db", self.key, ORIGIN, SECRET_KEY)
        log(self.store, published(), refused(secret="SELECT 1"), *[refused() for _ in range(SIZE - 4)])
        self.middle = self.store.checkpoint()
        log(self.store, intended("q", secret="SELECT 2"))
        with self.store.write(settled("q")) as transaction:
            pass
        self.receipt = transaction.receipt()
        self.bundle = folder / "bundle"
        export_bundle(self.store, self.bundle)
        self.known = str(self.store.key)

    def copy(self, to: Path) -> Path:
        shutil.copytree(self.bundle, to)
        return to

    def leaves(self) -> list[bytes]:
        return [entry.leaf for entry in self.store.entries()]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    case = Case(tmp_path_factory.mktemp("case"))
    yield case
    case.store.close()


def saved(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def packed(leaves: list[bytes]) -> bytes:
    return b"".join(struct.pack(">H", len(leaf)) + leaf for leaf in leaves)


def test_the_genuine_bundle_is_clean(case: Case, tmp_path: Path) -> None:
    receipts = [saved(tmp_path / "r0", case.receipt), saved(tmp_path / "r1", dict(case.store.receipt(1)))]
    report = verify_bundle(case.bundle, case.known, receipts, saved(tmp_path / "c", case.middle))
    assert (report.findings, report.remarks, report.exit_code) == ([], [], 0)
    assert (report.origin, report.size, report.key) == (ORIGIN, SIZE, case.known)


def test_without_a_key_the_report_says_what_that_is_worth(case: Case) -> None:
    report = verify_bundle(case.bundle)
    assert report.exit_code == 0
    assert [case.known in remark for remark in report.remarks] == [True]


@pytest.mark.parametrize(
    "name",
    ["checkpoint", "log.pub", "tile/0/000", "tile/0/001.p/5", "tile/1/000.p/1", "tile/entries/001.p/5"],
)
def test_every_byte_counts(case: Case, tmp_path: Path, name: str) -> None:
    """One bit of every byte (of every 67th in the large tile); with and without a key known before."""
    bundle = case.copy(tmp_path / "bundle")
    path = bundle / name
    original = path.read_bytes()
    for at in range(0, len(original), 67 if len(original) > 8000 else 7 if len(original) > 1000 else 1):
        changed = bytearray(original)
        changed[at] ^= 1 << at % 8
        path.write_bytes(changed)
        assert verify_bundle(bundle, case.known).exit_code == 2, at
        assert verify_bundle(bundle).exit_code == 2, at


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_change_of_the_large_entry_file(
    case: Case, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = case.bundle / "tile/entries/000"
    original = path.read_bytes()
    at = data.draw(st.integers(0, len(original) - 1))
    changed = bytearray(original)
    changed[at] ^= data.draw(st.integers(1, 255))
    try:
        path.write_bytes(changed)
        assert verify_bundle(case.bundle, case.known).exit_code == 2
    finally:
        path.write_bytes(original)


@pytest.mark.parametrize(
    "name", ["checkpoint", "log.pub", "tile/0/000", "tile/1/000.p/1", "tile/entries/000"]
)
def test_a_missing_file_is_incomplete(case: Case, tmp_path: Path, name: str) -> None:
    bundle = case.copy(tmp_path / "bundle")
    (bundle / name).unlink()
    report = verify_bundle(bundle, case.known)
    assert report.exit_code == 4
    assert name in report.findings[0].where
    (bundle / name).mkdir()
    assert verify_bundle(bundle, case.known).exit_code == 4


@pytest.mark.parametrize("kept", [0, 1, 2, 700, -1])
def test_a_cut_entry_file_is_incomplete(case: Case, tmp_path: Path, kept: int) -> None:
    path = case.copy(tmp_path / "bundle") / "tile/entries/000"
    path.write_bytes(path.read_bytes()[:kept])
    report = verify_bundle(tmp_path / "bundle", case.known)
    assert report.exit_code == 4
    assert "missing" in report.findings[0].what


Edit = Callable[[list[bytes]], list[bytes]]
EDITS: dict[str, tuple[Edit, int]] = {
    "drop one": (lambda e: [*e[:100], *e[101:]], 4),
    "drop the first": (lambda e: e[1:], 4),
    "drop several": (lambda e: e[::2], 4),
    "drop all": (lambda _: [], 4),
    "duplicate": (lambda e: [*e[:100], e[99], *e[100:]], 2),
    "replace by a duplicate": (lambda e: [*e[:100], e[99], *e[101:]], 2),
    "reorder": (lambda e: [*e[:100], e[101], e[100], *e[102:]], 2),
    "add one": (lambda e: [*e, e[0]], 2),
    "drop one and change one": (lambda e: [b"{}", *e[2:]], 2),
}


@pytest.mark.parametrize("edit", EDITS)
def test_edited_entries(case: Case, tmp_path: Path, edit: str) -> None:
    bundle = case.copy(tmp_path / "bundle")
    change, verdict = EDITS[edit]
    (bundle / "tile/entries/000").write_bytes(packed(change(case.leaves()[:256])))
    assert verify_bundle(bundle, case.known).exit_code == verdict


def test_a_named_entry_is_missing(case: Case, tmp_path: Path) -> None:
    path = case.copy(tmp_path / "bundle") / "tile/entries/000"
    leaves = case.leaves()[:256]
    path.write_bytes(packed([*leaves[:100], *leaves[101:200], *leaves[201:]]))
    report = verify_bundle(tmp_path / "bundle", case.known)
    assert report.findings[0].what == "entries are missing: 100, 200"


def test_an_edit_with_a_new_tree_but_the_old_signature(case: Case, tmp_path: Path) -> None:
    leaves = case.leaves()[:50]
    forged = forge(tmp_path / "forged", [*leaves[:20], *leaves[21:]], case.key)
    forge(tmp_path / "genuine", leaves, case.key)
    shutil.copy(tmp_path / "genuine" / "checkpoint", forged / "checkpoint")
    assert verify_bundle(forged, case.known).exit_code == 4
    same = forge(tmp_path / "same", [*leaves[:20], leaves[21], *leaves[21:]], case.key)
    shutil.copy(tmp_path / "genuine" / "checkpoint", same / "checkpoint")
    report = verify_bundle(same, case.known)
    assert (report.exit_code, report.findings[0].what) == (2, "the entries do not add up to the signed root")


def test_signed_again_with_another_key(case: Case, tmp_path: Path) -> None:
    """Whoever has no key from elsewhere sees nothing in the bundle itself, but in any receipt."""
    forged = forge(tmp_path / "forged", case.leaves()[:50], Ed25519PrivateKey.generate())
    assert verify_bundle(forged, case.known).exit_code == 2
    assert verify_bundle(forged).exit_code == 0
    assert verify_bundle(forged, receipts=[saved(tmp_path / "r", case.receipt)]).exit_code == 2
    assert verify_bundle(forged, previous_checkpoint=saved(tmp_path / "c", case.middle)).exit_code == 2
    (forged / "log.pub").write_text(f"{case.known}\n")
    assert verify_bundle(forged, case.known).exit_code == 2


def test_a_rewritten_past_with_the_right_key(case: Case, tmp_path: Path) -> None:
    """The operator has the key: only what others kept can show the rewriting. It does."""
    leaves = case.leaves()[:200]
    rewritten = forge(tmp_path / "rewritten", [*leaves[:20], leaves[21], *leaves[21:]], case.key)
    promised = forge(tmp_path / "promised", leaves[:150], case.key) / "checkpoint"
    report = verify_bundle(rewritten, case.known, previous_checkpoint=promised)
    assert report.exit_code == 2
    assert "rewritten" in report.findings[0].next_step


def test_an_older_store_with_a_newer_receipt(tmp_path: Path, key: Ed25519PrivateKey) -> None:
    """Set back to a copy: refused. With its mark: shorter than a receipt, then in contradiction to it."""
    path, backup = tmp_path / "s.db", tmp_path / "backup.db"
    mark, old_mark = (file.with_name(file.name + SUFFIX) for file in (path, backup))
    store = Store.create(path, key, ORIGIN, SECRET_KEY)
    log(store, published(), published())
    store.close()
    shutil.copy(path, backup)
    shutil.copy(mark, old_mark)
    store = Store.open(path, key, ORIGIN, SECRET_KEY)
    with store.write(intended("q")) as transaction:
        pass
    receipt = saved(tmp_path / "receipt", transaction.receipt())
    remembered = saved(tmp_path / "checkpoint", store.checkpoint())
    store.close()
    shutil.copy(backup, path)
    with pytest.raises(SandboxError, match="older copy"):
        Store.open(path, key, ORIGIN, SECRET_KEY)
    shutil.copy(old_mark, mark)
    store = Store.open(path, key, ORIGIN, SECRET_KEY)
    export_bundle(store, tmp_path / "shorter")
    log(store, refused(), refused())
    export_bundle(store, tmp_path / "longer")
    store.close()
    for bundle, verdict in (("shorter", 4), ("longer", 2)):
        assert verify_bundle(tmp_path / bundle).exit_code == 0
        assert verify_bundle(tmp_path / bundle, receipts=[receipt]).exit_code == verdict
        assert verify_bundle(tmp_path / bundle, previous_checkpoint=remembered).exit_code == verdict


def forgeries(case: Case) -> dict[str, Any]:
    other = Ed25519PrivateKey.generate()
    now = Checkpoint.open(case.receipt["checkpoint"], case.store.key)
    leaf = base64.b64encode(case.leaves()[3]).decode()
    return {
        "not json": "{",
        "not an object": [1],
        "deep": "[" * 100_000,
        "empty": {},
        "another version": {**case.receipt, "v": 2},
        "another leaf": {**case.receipt, "leaf": leaf},
        "another index": {**case.receipt, "index": 3},
        "an index of another type": {**case.receipt, "index": True},
        "a huge index": {**case.receipt, "index": 10**30},
        "another proof": {**case.receipt, "proof": [leaf, *case.receipt["proof"][1:]]},
        "a short proof": {**case.receipt, "proof": case.receipt["proof"][1:]},
        "a long proof": {**case.receipt, "proof": [*case.receipt["proof"], leaf]},
        "no proof": {**case.receipt, "proof": None},
        "another checkpoint": {**case.receipt, "checkpoint": case.middle},
        "signed by another": {**case.receipt, "checkpoint": now.sign(other)},
        "unsigned": {**case.receipt, "checkpoint": case.receipt["checkpoint"].split("\n\n")[0]},
        "no text": {**case.receipt, "checkpoint": 7},
        "surrogates": {**case.receipt, "checkpoint": "\udc80" + case.receipt["checkpoint"]},
        "another key": {**case.receipt, "key": case.known.replace("city", "town")},
    }


def test_forged_receipts(case: Case, tmp_path: Path) -> None:
    for name, forged in forgeries(case).items():
        path = saved(tmp_path / name, forged)
        report = verify_bundle(case.bundle, case.known, [path])
        assert (name, report.exit_code) == (name, 2)
        assert report.findings[0].where == str(path)
        assert report.findings[0].next_step
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert verify_bundle(case.bundle, case.known, [tmp_path / "binary"]).exit_code == 2
    assert verify_bundle(case.bundle, case.known, [tmp_path / "absent"]).exit_code == 4


def test_every_receipt_is_judged(case: Case, tmp_path: Path) -> None:
    good, bad = saved(tmp_path / "good", case.receipt), saved(tmp_path / "bad", {})
    report = verify_bundle(case.bundle, case.known, [bad, good, bad])
    assert [finding.where for finding in report.findings] == [str(bad), str(bad)]


def test_a_mistyped_key_accuses_nobody(case: Case) -> None:
    report = verify_bundle(case.bundle, case.known[:-1])
    assert report.exit_code == 4
    assert "the key you gave" in report.findings[0].where


def test_a_checkpoint_of_a_log_larger_than_the_world(case: Case, tmp_path: Path) -> None:
    bundle = case.copy(tmp_path / "bundle")
    (bundle / "checkpoint").write_text(Checkpoint(ORIGIN, 10**17, bytes(32)).sign(case.key), "utf-8")
    assert verify_bundle(bundle, case.known).exit_code == 4


def test_a_tile_shortened_with_its_entries(case: Case, tmp_path: Path) -> None:
    bundle = case.copy(tmp_path / "bundle")
    for name, cut in (("entries", packed(case.leaves()[256:260])), ("0", None)):
        path = bundle / f"tile/{name}/001.p/5"
        path.write_bytes(path.read_bytes()[:128] if cut is None else cut)
    assert verify_bundle(bundle, case.known).exit_code == 4


def test_strangers_in_the_bundle_are_named(case: Case, tmp_path: Path) -> None:
    bundle = case.copy(tmp_path / "bundle")
    (bundle / "tile/entries/002.p").mkdir()
    (bundle / "tile/entries/002.p/3").write_bytes(b"\x00\x00")
    report = verify_bundle(bundle, case.known)
    assert report.verdict == Verdict.CLEAN
    assert ["002.p/3" in remark for remark in report.remarks] == [True]


@settings(max_examples=150, deadline=None)
@given(
    content=st.binary(max_size=300), name=st.sampled_from(["checkpoint", "log.pub", "tile/entries/001.p/5"])
)
def test_rubbish_never_crashes_the_verifier(case: Case, content: bytes, name: str) -> None:
    path = case.bundle / name
    original = path.read_bytes()
    try:
        path.write_bytes(content)
        assert verify_bundle(case.bundle, case.known, [path], path).exit_code in (2, 4)
    finally:
        path.write_bytes(original)
