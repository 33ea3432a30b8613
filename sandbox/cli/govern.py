"""What a steward does: check a file, see what it decides, publish it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sandbox.cli import session, terminal

group = typer.Typer(help="Policies, grants, units and people.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(group, name="policy")


@group.command("lint")
def lint(
    paths: Annotated[list[Path], typer.Argument(help="Files, or folders of them.")],
) -> None:
    """Check files without publishing them: every problem, with line and column."""
    from sandbox.service import steward  # noqa: PLC0415

    found = tuple(finding for path in paths for finding in steward.lint(path))
    for finding in found:
        terminal.say(str(finding))
    wrong = steward.refusing(found)
    if wrong:
        terminal.say(f"Errors: {len(wrong)}. A file with an error cannot be published.")
        raise typer.Exit(1)
    terminal.say("No errors.")


@group.command("explain")
def explain(
    sql: Annotated[str, typer.Argument(help="One SELECT, or - to read it from stdin, or @FILE.")],
    grant: Annotated[str, typer.Option("--grant", help="The grant.", show_default=False)],
    person: session.AsOption = None,
    home: session.HomeOption = session.DEFAULT_HOME,
    passphrase_file: session.PassphraseFileOption = None,
) -> None:
    """Say whether a question is allowed, and which rule says so. Touches no data, spends nothing."""
    from sandbox.cli.question import read_sql  # noqa: PLC0415
    from sandbox.policy.explain import explain as sentences  # noqa: PLC0415
    from sandbox.service import opc  # noqa: PLC0415

    with session.opened(home, passphrase_file) as instance:
        text = read_sql(sql, instance.settings.question_bytes)
        decision = opc.explain(instance, session.actor(instance, person), text, grant)
    terminal.say(*sentences(decision))
    if not decision.allowed:
        raise typer.Exit(1)


@group.command("publish")
def publish(
    paths: Annotated[list[Path], typer.Argument(help="Files to publish, in this order.")],
    person: session.AsOption = None,
    home: session.HomeOption = session.DEFAULT_HOME,
    passphrase_file: session.PassphraseFileOption = None,
) -> None:
    """Make files current: their exact bytes are stored by digest and logged. They decide from now on."""
    from sandbox.service import steward  # noqa: PLC0415

    with session.opened(home, passphrase_file) as instance:
        who = session.actor(instance, person)
        for path in paths:
            done = steward.publish(instance, who, path)
            for warning in done.warnings:
                terminal.say(str(warning))
            if done.changed:
                terminal.say(f"Published {done.kind.value} {done.name}@{done.digest}")
            else:
                terminal.say(f"{done.kind.value} {done.name}@{done.digest} was current already.")
