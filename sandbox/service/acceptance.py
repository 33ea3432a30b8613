"""Accepting a restored ledger: what was spent since the backup is taken over from the newest exported log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from sandbox.audit.event import Event, EventKind, Fact
from sandbox.audit.unbundle import read_entries
from sandbox.audit.verify import Verdict, verify_bundle
from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Actor, Role
from sandbox.privacy.ledger import PastCharge
from sandbox.privacy.loss import Loss
from sandbox.service.backup_reports import Acceptance
from sandbox.service.home import Home, need


def accept_ledger(
    home: Home, actor: Actor, log: Path | None = None, *, nothing_since: bool = False
) -> Acceptance:
    """Let a restored ledger pay again.

    Args:
        home: the restored, opened instance.
        actor: a steward; the operator who restored has no say in it.
        log: the newest export of the lost home's log. It must be signed by this log's key and go on from the
            backup; every charge that it holds beyond the backup is taken over.
        nothing_since: instead of a log: the steward states that nothing was asked since the backup. Logged.

    Raises:
        SandboxError: ROLE_REFUSED; ARGUMENT (not exactly one of the two, a log that is not clean, or not this
            home's, or shorter than the backup; nothing is frozen).

    """
    need(actor, Role.STEWARD, "Accepting a restored ledger")
    frozen = home.ledger.frozen()
    if frozen is None:
        raise SandboxError(
            ErrorCode.ARGUMENT, "The ledger of this home is not frozen.", "Nothing needs to be done."
        )
    if (log is None) is not nothing_since:
        raise SandboxError(
            ErrorCode.ARGUMENT,
            "What vouches for the ledger is not said.",
            "Give the newest exported log with --log FOLDER, or state --nothing-since.",
        )
    charges: tuple[PastCharge, ...] = ()
    size = frozen
    if log is not None:
        size = _verified(home, log, frozen)
        charges = tuple(_charges(log, size, frozen))
    facts: dict[str, Fact] = {"size": frozen, "until": size, "stated": log is None}
    home.ledger.thaw(charges, Event(EventKind.LEDGER_ACCEPTED, actor, facts))
    return Acceptance(size, len(charges))


def _verified(home: Home, log: Path, frozen: int) -> int:
    report = verify_bundle(log, str(home.store.key))
    if report.verdict is not Verdict.CLEAN or report.size < frozen:
        raise _unfit("it is not a clean export of this home's log that reaches beyond the backup")
    past = home.store.leaves(frozen)
    if any(mine != theirs for mine, theirs in zip(past, read_entries(log, report.size), strict=False)):
        raise _unfit("its past is not that of the backup")
    return report.size


def _charges(log: Path, size: int, after: int) -> Iterator[PastCharge]:
    for index, leaf in enumerate(read_entries(log, size)):
        content: dict[str, Any] = json.loads(leaf)
        if index < after or content["kind"] != EventKind.QUESTION_INTENDED.value:
            continue
        facts = content["facts"]
        loss = facts["loss"]
        pure = None if loss["epsilon"] is None else Decimal(loss["epsilon"])
        yield PastCharge(
            facts["question"],
            tuple(account["id"] for account in facts["accounts"]),
            Loss(pure, Decimal(loss["rho"]), Decimal(loss["delta"])),
        )


def _unfit(why: str) -> SandboxError:
    return SandboxError(
        ErrorCode.ARGUMENT,
        f"This log cannot vouch for the ledger: {why}.",
        "Ask the auditors for the newest folder of `sandbox audit export`, and verify it.",
    )
