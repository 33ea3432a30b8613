"""What an OPC does: estimate, ask, look at the budget."""

from __future__ import annotations

import sys
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sandbox.cli import session, terminal
from sandbox.errors import ErrorCode, SandboxError

if TYPE_CHECKING:
    from sandbox.query.answer import Answer, Estimate
    from sandbox.service.reports import ColumnCard, DatasetCard, TableCard


MOST_KEYS = 12
"""Public keys of a column that are listed; the policy has them all."""


class Format(StrEnum):
    """How an answer is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    ARROW = "arrow"


FormatOption = Annotated[Format, typer.Option("--format", help="table, json, csv or arrow (IPC stream).")]
GrantOption = Annotated[str, typer.Option("--grant", help="The grant that pays.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("query")(query)
    app.command("budget")(budget)


def query(
    sql: Annotated[str, typer.Argument(help="One SELECT, or - to read it from stdin, or @FILE.")],
    *,
    grant: GrantOption,
    person: session.AsOption = None,
    epsilon: Annotated[
        str | None,
        typer.Option(help="Most to spend on this question (default: a tenth of the grant).", metavar="E"),
    ] = None,
    within: Annotated[
        list[str] | None,
        typer.Option(
            help="Wanted 95 % half-width, as 5, 5% or COLUMN=5%; spends the least that meets it.",
            metavar="W",
            show_default=False,
        ),
    ] = None,
    estimate: Annotated[bool, typer.Option("--estimate", help="Only say price and accuracy.")] = False,
    form: FormatOption = Format.TABLE,
    output: Annotated[Path | None, typer.Option(help="Write the answer here.", show_default=False)] = None,
    receipt: Annotated[Path | None, typer.Option(help="Save the receipt here.", show_default=False)] = None,
    home: session.HomeOption = session.DEFAULT_HOME,
    passphrase_file: session.PassphraseFileOption = None,
) -> None:
    """Ask one question in SQL; the answer has error bars, a price and a receipt."""
    from sandbox.service import opc  # noqa: PLC0415

    amount = None if epsilon is None else epsilon_of(epsilon)
    wanted = _within(within or [])
    _check_form(form, output, estimate=estimate)
    for target in (output, receipt):
        if target is not None:
            _check_target(target)
    with session.opened(home, passphrase_file) as instance:
        who = session.actor(instance, person)
        text = read_sql(sql, instance.settings.question_bytes)
        if estimate:
            _write_estimate(opc.estimate(instance, who, text, grant, amount, wanted), form, output)
            return
        with terminal.asking() as tell:
            answer = opc.ask(instance, who, text, grant, amount, wanted, tell)
    _write_answer(answer, form, output)
    if receipt is not None:
        from sandbox.service.documents import json_bytes  # noqa: PLC0415

        _save(receipt, json_bytes(answer.receipt, indent=2) + b"\n")
        terminal.stderr().print(f"Receipt saved in {receipt}", markup=False, highlight=False, soft_wrap=True)


def budget(
    grant: GrantOption,
    person: session.AsOption = None,
    form: FormatOption = Format.TABLE,
    home: session.HomeOption = session.DEFAULT_HOME,
    passphrase_file: session.PassphraseFileOption = None,
) -> None:
    """Show what is left of a grant, in every budget that must have room."""
    from sandbox.service import opc  # noqa: PLC0415

    with session.opened(home, passphrase_file) as instance:
        states = opc.budget(instance, session.actor(instance, person), grant)
    if form is Format.JSON:
        print_json(states)
        return
    if form is not Format.TABLE:
        raise SandboxError(
            ErrorCode.ARGUMENT, "A budget is shown as a table or as JSON.", "Use --format table or json."
        )
    from sandbox.cli.answers import show_budgets  # noqa: PLC0415

    show_budgets(states)


def read_sql(given: str, most: int) -> str:
    """The question itself, from stdin (`-`), or from a file (`@FILE`); never much more than `most` bytes."""
    if given == "-":
        raw, name = sys.stdin.buffer.read(most + 1), "stdin"
    elif given.startswith("@"):
        name = given[1:]
        try:
            with Path(name).open("rb") as file:
                raw = file.read(most + 1)
        except OSError as error:
            raise SandboxError(
                ErrorCode.ARGUMENT,
                f"The file {name!r} cannot be read ({error.strerror}).",
                "Give a file that holds one SELECT after the @.",
            ) from None
    else:
        return given
    try:
        return raw.decode("utf-8-sig", "strict" if len(raw) <= most else "replace")
    except UnicodeDecodeError:
        raise SandboxError(
            ErrorCode.SQL_SYNTAX, f"The question in {name} is not UTF-8 text.", "Save it as UTF-8."
        ) from None


def epsilon_of(text: str) -> Decimal:
    """An epsilon that was typed.

    Raises:
        SandboxError: EPSILON_INVALID.

    """
    try:
        return Decimal(text)
    except InvalidOperation:
        raise SandboxError(
            ErrorCode.EPSILON_INVALID, "Epsilon is not a number.", "Write it like --epsilon 0.5."
        ) from None


def _within(texts: list[str]) -> str | dict[str, str] | None:
    """One width for all columns, or widths by column (`name=width`)."""
    if not any("=" in text for text in texts) and len(texts) <= 1:
        return texts[0] if texts else None
    pairs = [text.rpartition("=") for text in texts]
    if not all(name for name, _, _ in pairs) or len({name for name, _, _ in pairs}) < len(pairs):
        raise SandboxError(
            ErrorCode.ARGUMENT,
            "Several wanted errors are each of one column.",
            "Write --within n=5% --within mean=0.5, or one --within 5% for all.",
        )
    return {name: width for name, _, width in pairs}


def _check_form(form: Format, output: Path | None, *, estimate: bool) -> None:
    """How and where to write is settled before anything is asked or charged."""
    if estimate and form not in {Format.TABLE, Format.JSON}:
        problem, hint = "An estimate is shown as a table or as JSON.", "Use --format table or json."
    elif form is Format.TABLE and output is not None:
        problem, hint = "A table is for reading, not for a file.", "Add --format json, csv or arrow."
    elif form is Format.ARROW and output is None and sys.stdout.isatty():
        problem, hint = "Arrow is binary and would garble this terminal.", "Give --output FILE, or pipe it."
    else:
        return
    raise SandboxError(ErrorCode.ARGUMENT, problem, hint)


def _check_target(target: Path) -> None:
    import os  # noqa: PLC0415

    folder = target.parent
    if target.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise SandboxError(
            ErrorCode.ARGUMENT,
            f"Nothing can be written to {str(target)!r}.",
            "Give a file in a folder that exists and is yours. Nothing was asked or charged.",
        )


def _save(target: Path, content: bytes) -> None:
    try:
        target.write_bytes(content)
    except OSError as error:
        raise SandboxError(
            ErrorCode.ARGUMENT,
            f"{str(target)!r} could not be written ({error.strerror}).",
            "Ask the same question again with another file: the stored answer is free.",
        ) from None


def _write_answer(answer: Answer, form: Format, output: Path | None) -> None:
    from sandbox.cli.answers import show_answer  # noqa: PLC0415
    from sandbox.service import documents  # noqa: PLC0415

    match form:
        case Format.TABLE:
            show_answer(answer)
        case Format.JSON:
            _emit(documents.answer_json(answer, indent=2) + b"\n", output)
        case Format.ARROW:
            _emit(documents.answer_arrow(answer), output)
        case Format.CSV:
            _emit(documents.answer_csv(answer), output)
            # CSV has no place for it.
            for source in answer.attribution:
                terminal.stderr().print(f"Source: {source}", markup=False, highlight=False, soft_wrap=True)


def _write_estimate(estimate: Estimate, form: Format, output: Path | None) -> None:
    from sandbox.cli.answers import show_estimate  # noqa: PLC0415
    from sandbox.service.documents import json_bytes  # noqa: PLC0415

    if form is Format.JSON:
        _emit(json_bytes(estimate, indent=2) + b"\n", output)
    else:
        show_estimate(estimate)


def _emit(content: bytes, output: Path | None) -> None:
    if output is not None:
        _save(output, content)
        return
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def print_json(value: object) -> None:
    """One JSON document to stdout."""
    from sandbox.service.documents import json_bytes  # noqa: PLC0415

    _emit(json_bytes(value, indent=2) + b"\n", None)


def show_dataset(card: DatasetCard) -> None:
    """One dataset as its policy declares it."""
    terminal.say(f"{card.dataset}: {card.title.en} {card.title.zh}".rstrip())
    terminal.say(f"  Source: {card.publisher}, licence {card.licence}. Policy {card.policy}")
    terminal.say(
        f"  Purposes: {', '.join(card.purposes) or 'none'}. Settings: {', '.join(card.settings) or 'none'}."
    )
    if card.grants:
        terminal.say(f"  Your grants: {', '.join(card.grants)}")
    for table in card.tables:
        _show_table(card, table)


def _show_table(card: DatasetCard, table: TableCard) -> None:
    heading = f"{card.dataset}.{table.name}  {table.title.en} {table.title.zh}".rstrip()
    heading += f"  ({table.protection}" + (f", one unit = one {table.unit}" if table.unit else "") + ")"
    if not table.loaded:
        heading += "  [not loaded yet]"
    names = ["column", "type", "use", "between", "keys", "shown as"]
    made = terminal.table([(name, "left") for name in names], [_describe(column) for column in table.columns])
    terminal.show(made, heading)


def _describe(column: ColumnCard) -> tuple[str, ...]:
    between = "" if column.lower is None else f"{column.lower} … {column.upper}"
    keys = "" if column.values is None else ", ".join(str(value) for value in column.values[:MOST_KEYS])
    if column.values is not None and len(column.values) > MOST_KEYS:
        keys += " …"
    return column.name, column.type, column.use, between, keys, column.shown_as
