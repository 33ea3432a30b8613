"""What an operator does: make a home, load, serve, look after it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sandbox.cli import session, terminal
from sandbox.errors import ErrorCode, SandboxError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import BaseRoute

    from sandbox.ingest.report import LoadReport
    from sandbox.service.home import Home
    from sandbox.service.reports import LoadPlan

MOST_REASONS = 10
"""Reasons of bad rows that are listed after a load."""


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("init")(init)
    app.command("load")(load)
    app.command("quarantine")(quarantine)
    app.command("serve")(serve)
    app.command("doctor")(doctor)
    app.command("demo")(demo)


def init(
    home: session.HomeOption = session.DEFAULT_HOME,
    passphrase_file: session.PassphraseFileOption = None,
) -> None:
    """Make a new home: keyring, store, signed log."""
    from sandbox.service import home as homes  # noqa: PLC0415

    chosen = session.settings(home, passphrase_file)
    report = homes.init(chosen, prompt=session.prompt("New passphrase", new=True))
    terminal.say(
        f"Made {report.home}",
        f"Log key: {report.log_key}",
        "Give the log key to your auditors, and keep the passphrase: without it nothing opens.",
        "Next: sandbox policy publish people.yaml, units.yaml, a policy, a grant; then sandbox load.",
    )


def load(
    location: Annotated[
        str, typer.Argument(metavar="FILE|GLOB|URL", help="A file, a quoted pattern, a URL, a *.source.yaml.")
    ],
    *,
    dataset: Annotated[str, typer.Option(help="The dataset, as its policy names it.", show_default=False)],
    table: Annotated[str, typer.Option(help="The table, as its policy names it.", show_default=False)],
    form: Annotated[
        str | None,
        typer.Option("--format", help="As csv, excel, json; else by the name.", show_default=False),
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="As gb18030; else byte order mark or strict UTF-8.", show_default=False)
    ] = None,
    delimiter: Annotated[str | None, typer.Option(help="One character.", show_default=False)] = None,
    quote: Annotated[
        str | None, typer.Option(help="One character, or empty for none.", show_default=False)
    ] = None,
    null: Annotated[
        list[str] | None,
        typer.Option(help="A text that means no value; may be repeated.", show_default=False),
    ] = None,
    header: Annotated[bool, typer.Option(help="Names of the columns are the first record.")] = True,
    skip_lines: Annotated[int, typer.Option(min=0, help="Lines before the header.")] = 0,
    connector: Annotated[
        str, typer.Option(help="Who reads it; else by the location.", show_default=False)
    ] = "",
    option: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE for the connector; may be repeated.", show_default=False),
    ] = None,
    max_bad_rows: Annotated[
        int | None, typer.Option(min=0, help="Refuse the load beyond this.", show_default=False)
    ] = None,
    append: Annotated[
        bool, typer.Option("--append", help="Put the rows behind those of the current version.")
    ] = False,
    incremental: Annotated[
        bool, typer.Option("--incremental", help="Append what the current version has not read yet.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(help="With --incremental: after this value of the key instead.", show_default=False),
    ] = None,
    accept_drift: Annotated[
        bool, typer.Option("--accept-drift", help="The columns of the source may have changed.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be loaded.")] = False,
    person: session.AsOption = None,
    home: session.HomeOption = session.DEFAULT_HOME,
    passphrase_file: session.PassphraseFileOption = None,
) -> None:
    """Load a table into encrypted Parquet, as one new version or not at all."""
    from sandbox.service import loading, planning  # noqa: PLC0415
    from sandbox.service.reports import LoadRequest  # noqa: PLC0415

    given = {
        "format": form,
        "encoding": encoding,
        "delimiter": delimiter,
        "quote": quote,
        "nulls": tuple(null) if null else None,
        "skip_lines": skip_lines or None,
    }
    options = _options(option or []) | {name: value for name, value in given.items() if value is not None}
    if not header:
        options["header"] = False
    request = LoadRequest(
        location,
        dataset,
        table,
        options,
        max_bad_rows,
        connector,
        append=append,
        accept_drift=accept_drift,
        incremental=incremental,
        since=since,
    )
    with session.opened(home, passphrase_file) as instance:
        who = session.actor(instance, person)
        if plan:
            _show_plan(planning.plan(instance, who, request))
            return
        with terminal.progress(f"Loading {dataset}.{table}", of_bytes=True) as steps:
            report = loading.load(instance, who, request, steps)
    _show_load(report)


def quarantine(
    dataset: Annotated[str, typer.Argument(help="The dataset.")],
    table: Annotated[str, typer.Argument(help="The table.")],
    person: session.AsOption = None,
    home: session.HomeOption = session.DEFAULT_HOME,
    passphrase_file: session.PassphraseFileOption = None,
) -> None:
    """Show the rows that the newest load set aside, with line and reason. These are raw data."""
    from sandbox.service import loading  # noqa: PLC0415

    with session.opened(home, passphrase_file) as instance:
        rows = loading.quarantine(instance, session.actor(instance, person), dataset, table)
        nothing = True
        for row in rows:
            nothing = False
            column = f" column {row.column}" if row.column else ""
            terminal.say(f"{row.part}:{row.record}:{column} {row.reason}", f"    {row.raw}")
    if nothing:
        terminal.say("Nothing was set aside.")


def serve(
    *,
    hub: Annotated[
        bool, typer.Option("--hub", help="With JupyterHub and sealed notebooks in front of it.")
    ] = False,
    home: session.HomeOption = session.DEFAULT_HOME,
    passphrase_file: session.PassphraseFileOption = None,
) -> None:
    """Serve the API on SANDBOX_LISTEN (127.0.0.1:8765)."""
    if hub:
        from sandbox.cli import hubs  # noqa: PLC0415

        hubs.serve(session.settings(home, passphrase_file))
    try:
        from sandbox.api import server  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise SandboxError(
            ErrorCode.ARGUMENT,
            f"The API needs {error.name}, which is not installed.",
            "pip install 'data-sandbox[serve]'",
        ) from None
    from sandbox.service.proving import Proving  # noqa: PLC0415
    from sandbox.service.warming import Warming  # noqa: PLC0415

    with session.opened(home, passphrase_file) as instance:
        terminal.stderr().print(f"Serving {instance.folder} on http://{instance.settings.listen}")
        with Warming(instance), Proving(instance):
            server.run(instance.settings, instance, _pages(instance))


def _pages(instance: Home) -> Sequence[BaseRoute]:
    """The web pages, where a hub manages this service: they have no login of their own."""
    from sandbox.service.hub_login import HubLogin  # noqa: PLC0415

    hub = HubLogin.from_environment()
    if hub is None:
        return ()
    from sandbox.console import pages  # noqa: PLC0415

    return pages.pages(instance, hub)


def doctor(
    home: session.HomeOption = session.DEFAULT_HOME,
    passphrase_file: session.PassphraseFileOption = None,
) -> None:
    """Check the machine and the home; exit code 1 when something is wrong."""
    from sandbox.service.checkup import doctor as check  # noqa: PLC0415

    chosen = session.settings(home, passphrase_file)
    findings = check(chosen, session.prompt("Passphrase"))
    marks = {True: "ok", False: "WRONG", None: "not checked"}
    terminal.show(
        terminal.table(
            [("check", "left"), ("", "left"), ("", "left")],
            [(finding.check, marks[finding.ok], finding.says) for finding in findings],
        )
    )
    if any(finding.ok is False for finding in findings):
        raise typer.Exit(1)


def demo(
    folder: Annotated[Path, typer.Option("--folder", help="A new folder for the demo's home.")] = Path(
        "demo-home"
    ),
) -> None:
    """Run the main job on real data: load, ask, pay, prove."""
    from sandbox.cli.demo import run  # noqa: PLC0415

    run(folder)


def _options(given: list[str]) -> dict[str, Any]:
    """NAME=VALUE by name; a name that is repeated is a list."""
    found: dict[str, Any] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not name or not sign:
            raise SandboxError(
                ErrorCode.ARGUMENT, "An option of a connector is NAME=VALUE.", "As in: --option sheet=2020."
            )
        before = found.get(name)
        found[name] = (
            value if before is None else (*((before,) if isinstance(before, str) else before), value)
        )
    return found


def _show_plan(plan: LoadPlan) -> None:
    if plan.suggestion:
        terminal.say(
            f"No published policy names {plan.dataset}.{plan.table}. By its first rows its columns might be:",
            "",
            plan.suggestion.rstrip(),
            "",
            "A steward confirms the types, says how each column may be used, and publishes the policy.",
        )
        _show_rows(plan)
        _show_sensitive(plan)
        _show_misfits(plan)
        for column, ways in plan.spellings:
            terminal.say(f"{column} would be typed if its source file said written: {', or '.join(ways)}.")
        return
    terminal.show(terminal.table([("column", "left"), ("type", "left")], plan.columns))
    _show_left_out(plan.left_out)
    _show_rows(plan)
    _show_sensitive(plan)
    _show_misfits(plan)
    terminal.say(f"A plan only: nothing of {plan.source} was loaded into {plan.dataset}.{plan.table}.")


def _show_rows(plan: LoadPlan) -> None:
    if plan.rows:
        heads = [(name, "left") for name, _ in plan.columns]
        terminal.show(terminal.table(heads, plan.rows), "The first rows. These are raw data, for you only.")


def _show_sensitive(plan: LoadPlan) -> None:
    for found in plan.looks_like:
        terminal.say(f"{found.column} looks like {found.kind}: {found.evidence}.")
    if plan.looks_like:
        terminal.say(
            "A steward decides in the policy how such columns may be used; what it does not list stays out."
        )


def _show_misfits(plan: LoadPlan) -> None:
    for reason, count in plan.misfits[:MOST_REASONS]:
        terminal.say(f"Of the first {plan.checked:,} records {count:,} would be set aside: {reason}")


def _show_load(report: LoadReport) -> None:
    version = report.version
    _show_left_out(report.left_out)
    if report.drift:
        terminal.say(f"Note: the columns of the source changed: {report.drift}.")
    for name, count in report.rounded.items():
        terminal.say(f"Note: {count:,} values of {name} were rounded to its declared decimals.")
    if report.dropped:
        terminal.say(f"Note: {report.dropped:,} rows without a unit were dropped, as the policy says.")
    if report.alone:
        terminal.say(f"Note: {report.alone:,} rows without a unit are units of their own.")
    terminal.say(
        f"Loaded {version.dataset}.{version.table}, version {version.version}: {version.rows:,} rows."
    )
    if report.watermark is not None:
        terminal.say(
            f"The next load with --incremental begins after {report.watermark.key} {report.watermark.value}."
        )
    if version.quarantined:
        for reason in report.reasons[:MOST_REASONS]:
            column = f"{reason.column}: " if reason.column else ""
            terminal.say(f"  {reason.count:,} × {column}{reason.reason} (first: {reason.first})")
        terminal.say(
            f"{version.quarantined:,} bad rows were set aside; see them: "
            f"sandbox quarantine {version.dataset} {version.table}"
        )


def _show_left_out(names: tuple[str, ...]) -> None:
    if names:
        terminal.say(f"Note: the policy does not list {', '.join(names)}; these columns are not stored.")
