"""What an auditor does: read the log, take a copy away, prove it offline."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated

import typer

from sandbox.cli import session, terminal
from sandbox.errors import ErrorCode, SandboxError

group = typer.Typer(help="Read the log, export it, prove it offline.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(group, name="audit")


@group.command("show")
def show(
    *,
    person: session.AsOption = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="Kind of event, as question.settled; may be repeated.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="Only what this person did.")] = None,
    grant: Annotated[str | None, typer.Option(help="Only under this grant.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Only about this dataset.")] = None,
    since: Annotated[str | None, typer.Option(help="First day (UTC), as 2026-01-31.")] = None,
    until: Annotated[str | None, typer.Option(help="Last day (UTC), inclusive.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Most entries; the newest are shown.")] = 50,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    home: session.HomeOption = session.DEFAULT_HOME,
    passphrase_file: session.PassphraseFileOption = None,
) -> None:
    """Show entries of the log. That it was read is logged too."""
    from sandbox.service import auditor  # noqa: PLC0415
    from sandbox.service.reports import LogFilter  # noqa: PLC0415

    which = LogFilter(
        kinds=tuple(kind or ()),
        person=by,
        grant=grant,
        dataset=dataset,
        since=_moment(since, "--since", time.min),
        until=_moment(until, "--until", time.max),
        limit=limit,
    )
    with session.opened(home, passphrase_file) as instance:
        lines = auditor.show_log(instance, session.actor(instance, person), which)
    if json:
        from sandbox.service.documents import json_bytes  # noqa: PLC0415

        typer.echo(json_bytes(lines, indent=2))
        return
    terminal.show(
        terminal.table(
            [
                ("#", "right"),
                ("at", "left"),
                ("kind", "left"),
                ("person", "left"),
                ("via", "left"),
                ("facts", "left"),
            ],
            [(line.index, line.at, line.kind, line.person, line.via, _facts(line.facts)) for line in lines],
        )
    )


@group.command("export")
def export(
    folder: Annotated[Path, typer.Argument(help="A new folder for the copy.")],
    person: session.AsOption = None,
    home: session.HomeOption = session.DEFAULT_HOME,
    passphrase_file: session.PassphraseFileOption = None,
) -> None:
    """Copy the whole log into a folder that `sandbox audit verify` proves anywhere, without keys."""
    from sandbox.service import auditor  # noqa: PLC0415

    with session.opened(home, passphrase_file) as instance:
        report = auditor.export_log(instance, session.actor(instance, person), folder)
    terminal.say(
        f"Exported {report.size} entries to {report.folder}",
        f"Log key: {report.log_key}",
        f"Prove it anywhere: sandbox audit verify {report.folder} --key KEY",
    )


@group.command("verify")
def verify(
    folder: Annotated[Path, typer.Argument(help="An exported copy of the log.")],
    key: Annotated[
        str | None, typer.Option(help="The log's key, as `sandbox init` printed it.", show_default=False)
    ] = None,
    receipt: Annotated[
        list[Path] | None, typer.Option(help="A receipt that somebody kept; may be repeated.")
    ] = None,
    previous: Annotated[
        Path | None, typer.Option(help="A checkpoint that somebody remembered.", show_default=False)
    ] = None,
) -> None:
    """Prove a copy of the log, offline. Exit code: 0 clean, 2 altered, 3 rule broken, 4 incomplete."""
    from sandbox.service.auditor import verify_log  # noqa: PLC0415

    report = verify_log(folder, key, tuple(receipt or ()), previous)
    for finding in report.findings:
        verdict = finding.verdict.name.lower().replace("_", " ")
        terminal.say(f"{verdict}: {finding.where}: {finding.what}", f"  {finding.next_step}")
    for remark in report.remarks:
        terminal.say(f"Note: {remark}")
    if report.exit_code == 0:
        terminal.say(f"Clean: {report.size} entries of {report.origin}, signed by {report.key}")
    raise typer.Exit(report.exit_code)


def _moment(day: str | None, option: str, at: time) -> datetime | None:
    if day is None:
        return None
    try:
        return datetime.combine(date.fromisoformat(day), at, UTC)
    except ValueError:
        raise SandboxError(
            ErrorCode.ARGUMENT, f"{option} is not a day.", f"Write it like {option} 2026-01-31."
        ) from None


def _facts(facts: object) -> str:
    from sandbox.service.documents import json_bytes  # noqa: PLC0415

    return json_bytes(facts).decode() if facts else ""
