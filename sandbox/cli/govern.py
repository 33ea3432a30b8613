"""What a steward does: draft a file, check it, see what it decides, publish it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sandbox.cli import session, terminal
from sandbox.cli.question import epsilon_of
from sandbox.errors import ErrorCode, SandboxError

if TYPE_CHECKING:
    from sandbox.service.reports import BoundsRequest

group = typer.Typer(help="Policies, grants, units and people.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(group, name="policy")


@group.command("draft")
def draft(
    dataset: Annotated[str, typer.Argument(help="Name of the dataset in SQL.")],
    *,
    table: Annotated[list[str], typer.Option(help="TABLE=FILE; once for each table.", show_default=False)],
    unit: Annotated[str, typer.Option(help="The privacy unit, as units.yaml names it.", show_default=False)],
    steward: Annotated[str, typer.Option(help="Who will publish it.", show_default=False)],
    unit_column: Annotated[
        list[str] | None,
        typer.Option(help="TABLE=COLUMN that says whose rows these are.", show_default=False),
    ] = None,
    publisher: Annotated[str, typer.Option(help="Who publishes the data.")] = "",
    licence: Annotated[str, typer.Option(help="Licence of the data.")] = "",
    encoding: Annotated[
        str | None, typer.Option(help="Of the files, as gb18030.", show_default=False)
    ] = None,
    codelists: Annotated[
        Path, typer.Option(help="Folder of public code lists, beside where the policy will be.")
    ] = Path("policies/codelists"),
    output: Annotated[Path | None, typer.Option(help="Write it here.", show_default=False)] = None,
    estimate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TABLE.COLUMN=LOW..HIGH",
            help="Estimate bounds privately, within a range that is known beforehand. This is charged.",
            show_default=False,
        ),
    ] = None,
    grant: Annotated[str, typer.Option(help="With --estimate: the grant that pays.")] = "",
    epsilon: Annotated[
        str | None, typer.Option(help="Of each estimate; else a tenth of the grant's.", show_default=False)
    ] = None,
    person: session.AsOption = None,
    home: session.HomeOption = session.DEFAULT_HOME,
    passphrase_file: session.PassphraseFileOption = None,
    evidence: Annotated[
        bool, typer.Option("--evidence", help="Show why; this tells of the data, keep it to yourself.")
    ] = False,
) -> None:
    """Write a first policy file from the heads of sources. Everything doubtful is hidden in it."""
    from sandbox.service import steward as stewards  # noqa: PLC0415
    from sandbox.service.reports import DraftRequest  # noqa: PLC0415

    request = DraftRequest(
        dataset=dataset,
        tables=_pairs(table, "--table TABLE=FILE"),
        unit=unit,
        steward=steward,
        codelists=codelists,
        publisher=publisher,
        licence=licence,
        unit_columns=_pairs(unit_column or [], "--unit-column TABLE=COLUMN"),
        options={} if encoding is None else {"encoding": encoding},
    )
    if estimate:
        from sandbox.service.estimating import draft_with_estimates  # noqa: PLC0415

        wanted = [_bounds(one) for one in estimate]
        spent = None if epsilon is None else epsilon_of(epsilon)
        with session.opened(home, passphrase_file) as instance:
            who = session.actor(instance, person)
            made = draft_with_estimates(instance, who, request, wanted, grant, spent)
    else:
        made = stewards.draft(request)
    if output is None:
        terminal.say(made.text.rstrip())
    else:
        session.write_new(output, made.text.encode())
        terminal.say(f"Wrote {output}. Confirm every line, then: sandbox policy lint {output}")
    if evidence:
        for name, columns in made.evidence.items():
            lines = [(one.column, one.kind or "", str(one.level), str(one.evidence)) for one in columns]
            headings = [
                ("column", "left"),
                ("seems to be", "left"),
                ("GB/T 43697 level", "left"),
                ("why", "left"),
            ]
            terminal.show(terminal.table(headings, lines), f"{dataset}.{name}: evidence, for stewards only")


def _bounds(given: str) -> BoundsRequest:
    from sandbox.service.reports import BoundsRequest  # noqa: PLC0415

    place, _, ends = given.partition("=")
    table, _, column = place.partition(".")
    low, dots, high = ends.partition("..")
    if not (table and column and dots):
        raise SandboxError(
            ErrorCode.ARGUMENT,
            "An option is not written as it should be.",
            "Write --estimate TABLE.COLUMN=LOW..HIGH.",
        )
    return BoundsRequest(table, column, low, high)


def _pairs(given: list[str], form: str) -> dict[str, str]:
    pairs = dict(one.partition("=")[::2] for one in given)
    if not all(pairs) or not all(pairs.values()):
        raise SandboxError(ErrorCode.ARGUMENT, "An option is not written as a pair.", f"Write {form}.")
    return pairs


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
