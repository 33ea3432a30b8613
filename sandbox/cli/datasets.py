"""Datasets on the command line: the list that everybody may see, and the versions behind it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from sandbox.cli import session, terminal
from sandbox.cli.question import Format, FormatOption, print_json, show_dataset
from sandbox.errors import ErrorCode, SandboxError

if TYPE_CHECKING:
    from sandbox.service.version_reports import VersionCard

SHOW = "show"
HELP = ("-h", "--help")
DatasetArgument = Annotated[str, typer.Argument(help="The dataset.")]
TableArgument = Annotated[str, typer.Argument(help="The table.")]


class ShowByDefault(TyperGroup):
    """`sandbox datasets nafld` is `sandbox datasets show nafld`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the word in that may be left out."""
        if not args or (args[0] not in self.commands and args[0] not in HELP):
            args = [SHOW, *args]
        return super().parse_args(ctx, args)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(
        cls=ShowByDefault, help="List datasets; the versions of a table: history, diff, rollback, drop."
    )
    group.command(SHOW)(show)
    group.command("describe")(describe)
    group.command("history")(history)
    group.command("diff")(diff)
    group.command("rollback")(rollback)
    group.command("drop")(drop)
    app.add_typer(group, name="datasets")


def show(
    name: Annotated[str | None, typer.Argument(help="One dataset, with its columns.")] = None,
    person: session.AsOption = None,
    output: FormatOption = Format.TABLE,
    home: session.HomeOption = session.DEFAULT_HOME,
    passphrase_file: session.PassphraseFileOption = None,
) -> None:
    """List the datasets as their policies declare them; nothing here comes from the data."""
    from sandbox.service import opc  # noqa: PLC0415

    with session.opened(home, passphrase_file) as instance:
        cards = opc.datasets(instance, session.actor(instance, person))
    if name is not None:
        cards = tuple(card for card in cards if card.dataset == name)
        if not cards:
            raise SandboxError(
                ErrorCode.DATASET_UNKNOWN,
                f"There is no dataset {name!r} that you may see.",
                "List them with `sandbox datasets`.",
            )
    if output is Format.JSON:
        print_json(cards)
        return
    if output is not Format.TABLE:
        raise SandboxError(
            ErrorCode.ARGUMENT, "Datasets are listed as a table or as JSON.", "Use --format table or json."
        )
    if not cards:
        terminal.say("No dataset has a published policy yet.")
    for card in cards:
        show_dataset(card)


def describe(
    form: Annotated[str, typer.Argument(help="dcat (all datasets), croissant, or page (a data dictionary).")],
    name: Annotated[str, typer.Argument(help="The dataset, for croissant and page.")] = "",
    *,
    output: Annotated[Path, typer.Option(help="A folder for the files.", show_default=False)],
    url: Annotated[str, typer.Option(help="Where the service answers.")] = "http://127.0.0.1:8765",
    person: session.AsOption = None,
    home: session.HomeOption = session.DEFAULT_HOME,
    passphrase_file: session.PassphraseFileOption = None,
) -> None:
    """Write what policies declare: for catalogues (DCAT-AP 3), for tools (Croissant), or as pages."""
    from sandbox.service import opc  # noqa: PLC0415

    with session.opened(home, passphrase_file) as instance:
        files = opc.describe(instance, session.actor(instance, person), name, form, url)
    targets = {session.inside(output, file): content for file, content in files.items()}
    for target, content in targets.items():
        session.write_new(target, content)
        terminal.say(f"Wrote {target}")


def history(
    dataset: DatasetArgument,
    table: TableArgument,
    person: session.AsOption = None,
    output: FormatOption = Format.TABLE,
    home: session.HomeOption = session.DEFAULT_HOME,
    passphrase_file: session.PassphraseFileOption = None,
) -> None:
    """Show every version of a table: when, from where, by which policy; counts for stewards and operators."""
    from sandbox.service import versions  # noqa: PLC0415

    with session.opened(home, passphrase_file) as instance:
        cards = versions.history(instance, session.actor(instance, person), dataset, table)
    if output is Format.JSON:
        print_json(cards)
        return
    headings = [
        "version",
        "state",
        "loaded",
        "mode",
        "rows",
        "set aside",
        "licence",
        "source",
        "source digest",
    ]
    made = terminal.table([(name, "left") for name in headings], [_line(card) for card in cards])
    terminal.show(made, f"{dataset}.{table}")


def diff(
    dataset: DatasetArgument,
    table: TableArgument,
    old: Annotated[int, typer.Argument(help="A version.")],
    new: Annotated[int | None, typer.Argument(help="Another; else the current one.")] = None,
    person: session.AsOption = None,
    output: FormatOption = Format.TABLE,
    home: session.HomeOption = session.DEFAULT_HOME,
    passphrase_file: session.PassphraseFileOption = None,
) -> None:
    """Show how two versions differ: columns at the source, columns stored, policy, licence, counts."""
    from sandbox.service import versions  # noqa: PLC0415

    with session.opened(home, passphrase_file) as instance:
        found = versions.diff(instance, session.actor(instance, person), dataset, table, old, new)
    if output is Format.JSON:
        print_json(found)
        return
    terminal.headline(f"{dataset}.{table}: version {found.old.version} to {found.new.version}")
    terminal.say(f"  Columns of the source: {found.source}.", f"  Columns stored: {found.stored}.")
    terminal.say(f"  Policy: {'another one' if found.policy_changed else 'the same'}.")
    terminal.say(f"  Licence: {'another one' if found.licence_changed else 'the same'}.")
    if found.old.rows is not None and found.new.rows is not None:
        terminal.say(f"  Rows: {found.old.rows:,} to {found.new.rows:,}.")


def rollback(
    dataset: DatasetArgument,
    table: TableArgument,
    version: Annotated[int, typer.Argument(help="The version that becomes current again.")],
    person: session.AsOption = None,
    home: session.HomeOption = session.DEFAULT_HOME,
    passphrase_file: session.PassphraseFileOption = None,
) -> None:
    """Make an older version current again. No budget comes back."""
    from sandbox.service import versions  # noqa: PLC0415

    with session.opened(home, passphrase_file) as instance:
        card = versions.rollback(instance, session.actor(instance, person), dataset, table, version)
    terminal.say(f"Version {card.version} of {dataset}.{table} is current. Budgets are as they were.")


def drop(
    dataset: DatasetArgument,
    table: TableArgument,
    version: Annotated[
        list[int] | None, typer.Option("--version", help="This version; may be repeated.", show_default=False)
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(
            min=0, help="All but the current one and the newest so many others.", show_default=False
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every version.")] = False,
    person: session.AsOption = None,
    home: session.HomeOption = session.DEFAULT_HOME,
    passphrase_file: session.PassphraseFileOption = None,
) -> None:
    """Destroy the rows of versions for good. Their history, the log and what was spent stay."""
    from sandbox.service import versions  # noqa: PLC0415

    with session.opened(home, passphrase_file) as instance:
        who = session.actor(instance, person)
        chosen = tuple(version or ())
        gone = versions.drop(
            instance, who, dataset, table, numbers=chosen, keep=keep, everything=everything
        ).versions
    said = ", ".join(str(number) for number in gone)
    terminal.say(f"Dropped from {dataset}.{table}: version {said}." if gone else "Nothing was left to drop.")
    if gone:
        terminal.say("A running service forgets decrypted columns of them when it is restarted.")


def _line(card: VersionCard) -> tuple[str, ...]:
    return (
        str(card.version),
        card.state,
        f"{card.loaded_at:%Y-%m-%d %H:%M:%SZ}",
        card.mode + (f" to {card.base}" if card.mode == "append" else ""),
        "" if card.rows is None else f"{card.rows:,}",
        "" if card.quarantined is None else f"{card.quarantined:,}",
        card.licence,
        card.source or "",
        card.source_digest or "",
    )
