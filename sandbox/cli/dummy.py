"""Dummy rows on the command line: to try code on, free."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sandbox.cli import session, terminal
from sandbox.cli.question import Format
from sandbox.errors import ErrorCode, SandboxError

if TYPE_CHECKING:
    import pyarrow as pa

    from sandbox.service.home import Home


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("dummy")(dummy)


def dummy(
    name: Annotated[str, typer.Argument(metavar="DATASET[.TABLE]", help="A dataset, or one table of it.")],
    *,
    rows: Annotated[int, typer.Option("--rows", "-n", help="Rows of each table.")] = 100,
    seed: Annotated[int, typer.Option(help="The same seed gives the same rows.")] = 0,
    form: Annotated[
        Format, typer.Option("--format", help="csv, json, arrow (IPC stream) or table.")
    ] = Format.CSV,
    output: Annotated[
        Path | None, typer.Option(help="A folder for one file per table.", show_default=False)
    ] = None,
    person: session.AsOption = None,
    home: session.HomeOption = session.DEFAULT_HOME,
    passphrase_file: session.PassphraseFileOption = None,
) -> None:
    """Make dummy rows from what the policy declares: nothing in them comes from the data; they join."""
    from sandbox.service import opc  # noqa: PLC0415

    with session.opened(home, passphrase_file) as instance:
        who = session.actor(instance, person)
        dataset, tables = _tables(instance, name)
        if output is None and len(tables) != 1:
            raise SandboxError(
                ErrorCode.ARGUMENT,
                f"{dataset} has several tables: {', '.join(tables)}.",
                f"Name one, as {dataset}.{tables[0]}, or give --output FOLDER for all.",
            )
        made = {table: opc.dummy(instance, who, dataset, table, rows, seed) for table in tables}
    for table, content in made.items():
        if output is None:
            _write(content, form)
        else:
            file = session.inside(output, f"{table}.{form.value}")
            file.write_bytes(_bytes(content, form))
            terminal.say(f"{file}: {content.num_rows} dummy rows")


def _tables(instance: Home, name: str) -> tuple[str, tuple[str, ...]]:
    dataset, _, table = name.partition(".")
    version = instance.registry.snapshot().policies.get(dataset)
    if version is None:
        raise SandboxError(
            ErrorCode.DATASET_UNKNOWN,
            f"There is no dataset {dataset!r} that you may see.",
            "List them with `sandbox datasets`.",
        )
    return dataset, (table,) if table else tuple(version.content.tables)


def _bytes(content: pa.Table, form: Format) -> bytes:
    from sandbox.service import documents  # noqa: PLC0415

    match form:
        case Format.JSON:
            return documents.rows_json(content)
        case Format.ARROW:
            return documents.rows_arrow(content)
        case _:
            return documents.rows_csv(content)


def _write(content: pa.Table, form: Format) -> None:
    if form is Format.TABLE:
        names = [(name, "left") for name in content.column_names]
        columns = [column.to_pylist() for column in content.columns]
        lines = [["" if cell is None else str(cell) for cell in row] for row in zip(*columns, strict=True)]
        terminal.show(terminal.table(names, lines))
        return
    sys.stdout.buffer.write(_bytes(content, form))
    sys.stdout.buffer.flush()
