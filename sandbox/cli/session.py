"""What every command needs: where the home is, its passphrase, who acts, and an opened instance."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sandbox.errors import ErrorCode, SandboxError

if TYPE_CHECKING:
    from sandbox.identity import Actor
    from sandbox.service.home import Home
    from sandbox.settings import Settings

HOME_VARIABLE = "SANDBOX_HOME"
PASSPHRASE_FILE_VARIABLE = "SANDBOX_PASSPHRASE_FILE"

HomeOption = Annotated[
    Path, typer.Option("--home", envvar=HOME_VARIABLE, help="Folder of the instance.", show_default=True)
]
PassphraseFileOption = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        envvar=PASSPHRASE_FILE_VARIABLE,
        help="File, mode 0600, that holds the passphrase.",
        show_default=False,
    ),
]
AsOption = Annotated[
    str | None,
    typer.Option("--as", help="The person who acts; logged. Without it: the operator.", show_default=False),
]
DEFAULT_HOME = Path("sandbox-home")


def settings(home: Path, passphrase_file: Path | None) -> Settings:
    """The settings of this call: the environment, then the options.

    Raises:
        SandboxError: ARGUMENT for a setting in the environment that cannot be.

    """
    from pydantic import ValidationError  # noqa: PLC0415

    from sandbox.settings import Settings  # noqa: PLC0415

    given: dict[str, Any] = {} if passphrase_file is None else {"passphrase_file": passphrase_file}
    try:
        return Settings(home=home, **given)
    except ValidationError as error:
        wrong = error.errors(include_input=False)[0]
        name = "SANDBOX_" + "_".join(str(part) for part in wrong["loc"]).upper()
        raise SandboxError(
            ErrorCode.ARGUMENT,
            f"The setting {name} cannot be used: {wrong['msg']}.",
            "Settings are described in docs/settings.md.",
        ) from None


@contextmanager
def opened(home: Path, passphrase_file: Path | None) -> Iterator[Home]:
    """The instance, opened; closed at the end whatever happens."""
    from sandbox.service import home as homes  # noqa: PLC0415

    chosen = settings(home, passphrase_file)
    homes.require(chosen)
    with written_down(home):
        instance = homes.open_home(chosen, prompt=prompt("Passphrase"))
        try:
            yield instance
        finally:
            homes.close(instance)


@contextmanager
def written_down(home: Path) -> Iterator[None]:
    """Turn whatever nobody foresaw into a coded error, written down in this home."""
    from sandbox.service.unexpected import as_coded  # noqa: PLC0415

    try:
        yield
    except (SandboxError, typer.Exit, typer.Abort, BrokenPipeError):
        raise
    except Exception as error:
        raise as_coded(error, home) from None


def actor(home: Home, person: str | None) -> Actor:
    """The person of `--as`, through the door of the local command line."""
    from sandbox.identity import Via  # noqa: PLC0415
    from sandbox.service import home as homes  # noqa: PLC0415

    return homes.actor(home, person, Via.CLI)


def prompt(what: str, *, new: bool = False) -> Callable[[], str]:
    """A question for a passphrase at the terminal, asked twice when it is new; no terminal, no answer."""

    def ask() -> str:
        if not sys.stdin.isatty():
            return ""
        return str(typer.prompt(what, hide_input=True, confirmation_prompt=new, err=True))

    return ask


def inside(folder: Path, name: str) -> Path:
    """A file of this name in `folder`, which is made; names of tables may hold what a path would obey.

    Raises:
        SandboxError: ARGUMENT.

    """
    if name in {"", ".", ".."} or Path(name).name != name or "\0" in name:
        raise SandboxError(
            ErrorCode.ARGUMENT,
            f"{name!r} cannot be the name of a file.",
            "Ask for one table without --output.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name


def write_new(target: Path, content: bytes) -> None:
    """Write a file that is not there yet.

    Raises:
        SandboxError: ARGUMENT; nothing is overwritten.

    """
    try:
        with target.open("xb") as file:
            file.write(content)
    except OSError as error:
        raise SandboxError(
            ErrorCode.ARGUMENT,
            f"{str(target)!r} could not be written ({error.strerror}).",
            "Give a file that does not exist yet, in a folder that is yours.",
        ) from None


def unexpected(error: Exception) -> SandboxError:
    """The coded error for something unforeseen, after writing it down in the home."""
    from sandbox.service.unexpected import as_coded  # noqa: PLC0415

    return as_coded(error, Path(os.environ.get(HOME_VARIABLE) or DEFAULT_HOME))


def version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        from importlib.metadata import version as of  # noqa: PLC0415

        typer.echo(f"data-sandbox {of('data-sandbox')}")
        raise typer.Exit
