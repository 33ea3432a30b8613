"""The offline verifier of an exported bundle. It trusts nothing but the key it is given.

Shares no code with what writes the log except the Merkle and note formats; needs no home and no network.

What is checked, in this order
1. The checkpoint is signed by the log's key.
2. Every entry is there, and their root is the checkpoint's; the tiles fit.
3. Every receipt was issued by this log, and the log still holds what it promised.
4. A checkpoint remembered from before lies on this log's past.
5. The entries keep the rules of `rules.py`. Entries that are altered or missing are not judged.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ParamSpec, TypeVar

from sandbox.audit import merkle
from sandbox.audit.findings import Finding, Report, Verdict, Wrong
from sandbox.audit.note import Checkpoint, NoteError, VerifierKey, decode64
from sandbox.audit.rules import replay
from sandbox.audit.unbundle import Tree, read_entries, read_text, read_tree, strangers

__all__ = ["Finding", "Report", "Verdict", "verify_bundle"]

_FORGED = "Ask its holder for the original. If this is it, the log's key never signed it."
_P = ParamSpec("_P")
_T = TypeVar("_T")


def verify_bundle(
    folder: Path,
    key: str | None = None,
    receipts: Sequence[Path] = (),
    previous_checkpoint: Path | None = None,
) -> Report:
    """Verify an exported bundle. Never raises: whatever is wrong with the files is a finding.

    Args:
        folder: the bundle.
        key: the log's verifier key as known from elsewhere. None takes the bundle's own, which proves
            nothing against whoever made the bundle.
        receipts: files with receipts (JSON) that people kept.
        previous_checkpoint: a file with a checkpoint of this log that somebody remembered.

    """
    report = Report()
    trusted = _attempt(report, _trusted_key, report, folder, key)
    if trusted is None:
        return report
    now = _attempt(report, _signed, folder / "checkpoint", trusted)
    if now is None:
        return report
    report.origin, report.size = now.origin, now.size
    tree = _attempt(report, _check_tree, folder, now)
    for path in receipts:
        _attempt(report, _check_receipt, path, trusted, now, tree)
    if previous_checkpoint is not None:
        _attempt(report, _check_remembered, previous_checkpoint, trusted, now, tree)
    if tree is not None:
        unknown = strangers(folder, now.size)
        report.remarks += [f"{path} is not part of the log; nothing vouches for it." for path in unknown]
    if report.verdict == Verdict.CLEAN:
        _attempt(report, _check_rules, report, folder, now.size)
    return report


def _attempt(report: Report, check: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T | None:
    try:
        return check(*args, **kwargs)
    except Wrong as wrong:
        report.findings.append(wrong.finding)
        return None


def _trusted_key(report: Report, folder: Path, key: str | None) -> VerifierKey:
    path = folder / "log.pub"
    shipped = _key(path, read_text(path).removesuffix("\n"), Verdict.ALTERED)
    report.key = str(shipped)
    if key is None:
        report.remarks.append(
            "The key came with the bundle: whoever made the bundle could have made the key. Compare it"
            f" with the one you were given when the log began: {shipped}"
        )
        return shipped
    trusted = _key("the key you gave", key.strip(), Verdict.INCOMPLETE)
    if trusted != shipped:
        what = "the bundle's key is not the one you trust"
        step = "Check that this is the right log and key; if so, somebody else signed this bundle."
        raise Wrong(Verdict.ALTERED, path, what, step)
    return trusted


def _key(where: object, text: str, verdict: Verdict) -> VerifierKey:
    try:
        return VerifierKey.parse(text)
    except NoteError as error:
        step = "Compare it with the key you were given when the log began."
        raise Wrong(verdict, where, f"this is not a verifier key: {error}", step) from None


def _signed(path: Path, key: VerifierKey) -> Checkpoint:
    try:
        return Checkpoint.open(read_text(path), key)
    except NoteError as error:
        step = "Get the file again; if it stays so, it was altered."
        raise Wrong(Verdict.ALTERED, path, str(error), step) from None


def _check_tree(folder: Path, now: Checkpoint) -> Tree:
    tree = read_tree(folder, now.size)
    if tree.root(now.size) != now.root:
        what = "the entries do not add up to the signed root"
        step = "Entries were changed, added or put in another order. Ask for a new export and keep this one."
        raise Wrong(Verdict.ALTERED, folder, what, step)
    return tree


def _check_receipt(path: Path, key: VerifierKey, now: Checkpoint, tree: Tree | None) -> None:
    try:
        receipt = json.loads(read_text(path))
        index, note, issuer = receipt["index"], receipt["checkpoint"], receipt["key"]
        leaf = decode64(receipt["leaf"])
        proof = [decode64(part) for part in receipt["proof"]]
        if type(index) is not int or type(note) is not str or receipt["v"] != 1:
            raise ValueError("fields of another kind")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Wrong(Verdict.ALTERED, path, "this is not a receipt", _FORGED) from None
    if issuer != str(key):
        raise Wrong(Verdict.ALTERED, path, "the receipt names another key than this log's", _FORGED)
    try:
        promised = Checkpoint.open(note, key)
    except NoteError as error:
        raise Wrong(Verdict.ALTERED, path, f"the receipt's checkpoint: {error}", _FORGED) from None
    if not merkle.verify_inclusion(merkle.leaf_hash(leaf), index, promised.size, proof, promised.root):
        raise Wrong(Verdict.ALTERED, path, "the receipt's proof does not lead to its checkpoint", _FORGED)
    _check_past(path, promised, now, tree)


def _check_remembered(path: Path, key: VerifierKey, now: Checkpoint, tree: Tree | None) -> None:
    _check_past(path, _signed(path, key), now, tree)


def _check_past(where: Path, earlier: Checkpoint, now: Checkpoint, tree: Tree | None) -> None:
    if earlier.size > now.size:
        what = f"this log once had {earlier.size} entries; the bundle has {now.size}"
        step = "Ask for a newer export. If there is none, the log was set back and entries are lost."
        raise Wrong(Verdict.INCOMPLETE, where, what, step)
    if tree is not None and tree.root(earlier.size) != earlier.root:
        what = f"the first {earlier.size} entries are not those that the log signed before"
        step = "The past was rewritten: the two signed checkpoints together are the proof. Keep both."
        raise Wrong(Verdict.ALTERED, where, what, step)


def _check_rules(report: Report, folder: Path, size: int) -> None:
    replayed = replay(read_entries(folder, size))
    step = "The log is genuine, so the service did this. Ask the operator to explain the entry."
    report.findings += [
        Finding(Verdict.RULE_BROKEN, f"entry {index}", f"the entry {what}", step)
        for index, what in replayed.broken
    ]
    if replayed.unsettled:
        report.remarks.append(
            f"Intended questions without an outcome: {replayed.unsettled}. They crashed or still run,"
            " and stay charged."
        )
