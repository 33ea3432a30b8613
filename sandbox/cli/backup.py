"""Backup, restore, and what a restored ledger needs before it pays again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sandbox.cli import session, terminal


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("backup")(backup)
    app.command("restore")(restore)
    app.command("accept-ledger")(accept_ledger)


def backup(
    target: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that does not exist yet.")],
    person: session.AsOption = None,
    home: session.HomeOption = session.DEFAULT_HOME,
    passphrase_file: session.PassphraseFileOption = None,
) -> None:
    """Copy the whole home, consistent while questions run, and prove the copy."""
    from sandbox.service import backup as backups  # noqa: PLC0415

    with session.opened(home, passphrase_file) as instance:
        who = session.actor(instance, person)
        with terminal.progress("Backing up"):
            report = backups.backup(instance, who, target)
    terminal.say(
        f"Backed up {report.versions} versions and {report.log_size} entries of the log to {report.folder}",
        "It opens for what opens this home: keep both apart. Export the log often: after a restore it says "
        "what was spent.",
    )


def restore(
    source: Annotated[Path, typer.Argument(metavar="BACKUP", help="A folder that `sandbox backup` made.")],
    home: session.HomeOption = session.DEFAULT_HOME,
    passphrase_file: session.PassphraseFileOption = None,
) -> None:
    """Make a new home from a backup, proved whole. Its ledger is frozen until a steward accepts it."""
    from sandbox.service import backup as backups  # noqa: PLC0415

    chosen = session.settings(home, passphrase_file)
    with terminal.progress("Restoring"):
        report = backups.restore(chosen, source, prompt=session.prompt("Passphrase"))
    terminal.say(
        f"Restored {report.folder} as of {report.at}: {report.versions} versions, {report.log_size} entries.",
        "Nothing that costs is answered yet, as what was spent since is not known. A steward accepts the "
        "ledger: sandbox accept-ledger --log FOLDER --as STEWARD",
    )


def accept_ledger(
    log: Annotated[
        Path | None, typer.Option(help="Newest exported log of the lost home.", show_default=False)
    ] = None,
    nothing_since: Annotated[
        bool, typer.Option("--nothing-since", help="State that nothing was asked since the backup; logged.")
    ] = False,
    person: session.AsOption = None,
    home: session.HomeOption = session.DEFAULT_HOME,
    passphrase_file: session.PassphraseFileOption = None,
) -> None:
    """Let a restored ledger pay again, with every charge that the newest exported log holds."""
    from sandbox.service.acceptance import accept_ledger as accept  # noqa: PLC0415

    with session.opened(home, passphrase_file) as instance:
        report = accept(instance, session.actor(instance, person), log, nothing_since=nothing_since)
    terminal.say(f"Accepted up to entry {report.log_size}: {report.charges} charges were taken over.")
