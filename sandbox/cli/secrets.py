"""What an operator does with secrets: rotate the vault's keys, hand out tokens and take them back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sandbox.cli import session, terminal
from sandbox.errors import ErrorCode, SandboxError

keys = typer.Typer(help="The keys of the vault.", no_args_is_help=True)
tokens = typer.Typer(help="Bearer tokens of the API.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(keys, name="keys")
    app.add_typer(tokens, name="token")


@keys.command("rotate")
def rotate(
    new_passphrase_file: Annotated[
        Path | None,
        typer.Option(help="File, mode 0600, with a new passphrase (default: keep it).", show_default=False),
    ] = None,
    new_passphrase: Annotated[
        bool, typer.Option("--new-passphrase", help="Ask for a new passphrase.")
    ] = False,
    person: session.AsOption = None,
    home: session.HomeOption = session.DEFAULT_HOME,
    passphrase_file: session.PassphraseFileOption = None,
) -> None:
    """Make a new master key and wrap every key anew; no data is rewritten."""
    from sandbox.service import operator  # noqa: PLC0415

    fresh = _in_file(home, passphrase_file, new_passphrase_file)
    if fresh is None and new_passphrase:
        fresh = session.prompt("New passphrase", new=True)()
    with session.opened(home, passphrase_file) as instance:
        who = session.actor(instance, person)
        with terminal.progress("Wrapping keys anew"):
            report = operator.rotate_keys(instance, who, fresh)
    terminal.say(f"Master key {report.before} is retired; {report.after} holds.")


@keys.command("status")
def status(
    person: session.AsOption = None,
    home: session.HomeOption = session.DEFAULT_HOME,
    passphrase_file: session.PassphraseFileOption = None,
) -> None:
    """Show what seals the keyring, which master key holds, and the key classes of each dataset."""
    from sandbox.service import operator  # noqa: PLC0415

    with session.opened(home, passphrase_file) as instance:
        found = operator.keys_status(instance, session.actor(instance, person))
    terminal.say(f"Sealed by: {found.sealed_by}", f"Master key: {found.master}")
    if found.rotating:
        terminal.say("A rotation was begun and not ended; the next start ends it.")
    headings = [("dataset", "left"), ("class", "left"), ("generation", "right")]
    terminal.show(terminal.table(headings, [(a, b, str(c)) for a, b, c in found.classes]))


@keys.command("rewrap")
def rewrap(
    to: Annotated[str, typer.Option("--to", help="keyring, aws-kms or pkcs11.", show_default=False)],
    new_passphrase_file: Annotated[
        Path | None,
        typer.Option(help="For keyring: file, mode 0600, with the new passphrase.", show_default=False),
    ] = None,
    person: session.AsOption = None,
    home: session.HomeOption = session.DEFAULT_HOME,
    passphrase_file: session.PassphraseFileOption = None,
) -> None:
    """Let another provider seal the keyring, and wrap every key anew; no data is rewritten."""
    from sandbox.service import operator  # noqa: PLC0415

    fresh = _in_file(home, passphrase_file, new_passphrase_file)
    with session.opened(home, passphrase_file) as instance:
        who = session.actor(instance, person)
        ask = session.prompt("New passphrase", new=True)
        with terminal.progress("Wrapping keys anew"):
            report = operator.rewrap_keys(instance, who, to, fresh, ask)
    terminal.say(f"Master key {report.before} is retired; {report.after} holds, sealed by {to}.")
    terminal.say(f"From now on: SANDBOX_KEY_PROVIDER={to}")


def _in_file(home: Path, passphrase_file: Path | None, new: Path | None) -> str | None:
    """The new passphrase that a file holds; None when none is named."""
    from sandbox.service import home as homes  # noqa: PLC0415

    return None if new is None else homes.passphrase_in(session.settings(home, passphrase_file), new)


@tokens.command("create")
def create(
    holder: Annotated[str, typer.Argument(metavar="PERSON", help="Whose token.")],
    *,
    role: Annotated[str, typer.Option(help="The one role that it carries.")] = "opc",
    days: Annotated[int, typer.Option(help="Days until it expires.")] = 30,
    person: session.AsOption = None,
    home: session.HomeOption = session.DEFAULT_HOME,
    passphrase_file: session.PassphraseFileOption = None,
) -> None:
    """Make a token. It is shown once and stored as a digest only."""
    from sandbox.identity import Role  # noqa: PLC0415
    from sandbox.service import operator  # noqa: PLC0415

    try:
        carried = Role(role)
    except ValueError:
        raise SandboxError(
            ErrorCode.ARGUMENT, "There is no such role.", f"Roles: {', '.join(r.value for r in Role)}."
        ) from None
    with session.opened(home, passphrase_file) as instance:
        token = operator.create_token(instance, session.actor(instance, person), holder, carried, days)
    console = terminal.stderr()
    console.print(
        f"Token {token.id} for {token.person} ({token.role.value}), until {token.expires:%Y-%m-%d %H:%M} "
        "UTC. It is shown only now:",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    typer.echo(token.secret)


@tokens.command("list")
def list_them(
    person: session.AsOption = None,
    home: session.HomeOption = session.DEFAULT_HOME,
    passphrase_file: session.PassphraseFileOption = None,
) -> None:
    """List the tokens, without their secrets."""
    from sandbox.service import operator  # noqa: PLC0415

    with session.opened(home, passphrase_file) as instance:
        cards = operator.list_tokens(instance, session.actor(instance, person))
    if not cards:
        terminal.say("No tokens.")
        return
    terminal.show(
        terminal.table(
            [("id", "left"), ("person", "left"), ("role", "left"), ("expires", "left"), ("state", "left")],
            [
                (card.id, card.person, card.role.value, f"{card.expires:%Y-%m-%d}", card.state)
                for card in cards
            ],
        )
    )


@tokens.command("revoke")
def revoke(
    token: Annotated[str, typer.Argument(help="Id of the token, as `token list` shows it.")],
    person: session.AsOption = None,
    home: session.HomeOption = session.DEFAULT_HOME,
    passphrase_file: session.PassphraseFileOption = None,
) -> None:
    """Close a token for good."""
    from sandbox.service import operator  # noqa: PLC0415

    with session.opened(home, passphrase_file) as instance:
        card = operator.revoke_token(instance, session.actor(instance, person), token)
    terminal.say(f"Token {card.id} of {card.person} opens nothing any more.")
