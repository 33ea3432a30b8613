"""What an auditor does: read the log, take a copy away, prove it offline."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from sandbox.audit.bundle import export_bundle
from sandbox.audit.event import Event, EventKind
from sandbox.audit.leaf import stamp
from sandbox.audit.verify import Report, verify_bundle
from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Actor, Role
from sandbox.service.home import Home, need
from sandbox.service.reports import ExportReport, LogFilter, LogLine

MOST_LINES = 100_000
_KINDS = tuple(kind.value for kind in EventKind)


def show_log(home: Home, actor: Actor, which: LogFilter) -> tuple[LogLine, ...]:
    """The newest entries that fit, oldest of them first. The reading is logged before anything is read.

    Raises:
        SandboxError: ROLE_REFUSED, ARGUMENT (a kind of event that does not exist, a limit out of range).

    """
    need(actor, Role.AUDITOR, "Reading the log")
    _check(which)
    with home.store.write(Event(EventKind.LOG_READ, actor, {"filters": _as_facts(which)})):
        pass
    entries = home.store.entries(
        kinds=which.kinds,
        person=which.person,
        grant=which.grant,
        dataset=which.dataset,
        since=which.since,
        until=which.until,
        newest_first=True,
    )
    lines = [
        LogLine(entry.index, stamp(entry.time), entry.kind, entry.person, entry.via, entry.facts)
        for entry in islice(entries, which.limit)
    ]
    return tuple(reversed(lines))


def export_log(home: Home, actor: Actor, folder: Path) -> ExportReport:
    """Copy the whole log into a new folder, as a bundle that `verify_log` proves without home or key.

    Raises:
        SandboxError: ROLE_REFUSED; ARGUMENT when the folder holds something; STORAGE_FULL; LOG_CORRUPT.

    """
    need(actor, Role.AUDITOR, "Exporting the log")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SandboxError(
            ErrorCode.ARGUMENT, f"{folder} is there already and is not empty.", "Give a new folder."
        )
    with home.store.write(Event(EventKind.LOG_EXPORTED, actor, {})) as written:
        size = written.leaf + 1
    exported = export_bundle(home.store, folder)
    return ExportReport(folder=folder, size=max(size, exported), log_key=str(home.store.key))


def verify_log(
    folder: Path, key: str | None = None, receipts: Sequence[Path] = (), previous: Path | None = None
) -> Report:
    """Prove an exported bundle offline: signature, completeness, receipts, history, rules.

    Args:
        folder: the bundle.
        key: the log's verifier key as known from elsewhere (`sandbox init` printed it).
        receipts: files of receipts that people kept.
        previous: a checkpoint of this log that somebody remembered.

    """
    return verify_bundle(folder, key, receipts, previous)


def _check(which: LogFilter) -> None:
    for kind in which.kinds:
        if kind not in _KINDS:
            raise SandboxError(
                ErrorCode.ARGUMENT,
                f"There is no kind of event {kind!r}.",
                f"Kinds: {', '.join(_KINDS)}.",
            )
    if not 1 <= which.limit <= MOST_LINES:
        raise SandboxError(
            ErrorCode.ARGUMENT, "The limit is out of range.", f"Ask for 1 to {MOST_LINES} entries."
        )
    for moment in (which.since, which.until):
        if moment is not None and moment.tzinfo is None:
            raise SandboxError(
                ErrorCode.ARGUMENT, "A time without a time zone is ambiguous.", "Write it with one (…Z)."
            )


def _as_facts(which: LogFilter) -> dict[str, str | int | list[str]]:
    """Only what was asked for, so that the log says how narrow the look was."""
    facts: dict[str, str | int | list[str]] = {"limit": which.limit}
    if which.kinds:
        facts["kinds"] = list(which.kinds)
    for name, value in (("person", which.person), ("grant", which.grant), ("dataset", which.dataset)):
        if value is not None:
            facts[name] = value[:128]
    if which.since is not None:
        facts["since"] = stamp(which.since)
    if which.until is not None:
        facts["until"] = stamp(which.until)
    return facts
