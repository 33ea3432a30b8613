"""The tree of commands, and the one place where errors become words and exit codes."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from sandbox.cli import audit, backup, datasets, dummy, govern, operate, question, secrets, session, terminal
from sandbox.errors import SandboxError

FAILED = 1
INTERRUPTED = 130

app = typer.Typer(
    name="sandbox",
    help="A privacy-preserving data sandbox: data usable but not visible, its use controlled and metered.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich" if sys.stdout.isatty() and sys.stderr.isatty() else None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def common(
    home: Annotated[
        Path | None, typer.Option(help="Folder of the instance (or SANDBOX_HOME).", show_default=False)
    ] = None,
    passphrase_file: Annotated[
        Path | None, typer.Option(help="File, mode 0600, that holds the passphrase.", show_default=False)
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=session.version)
    ] = False,
) -> None:
    """Options before the command hold for the command."""
    del version
    if home is not None:
        os.environ[session.HOME_VARIABLE] = str(home)
    if passphrase_file is not None:
        os.environ[session.PASSPHRASE_FILE_VARIABLE] = str(passphrase_file)


operate.register(app)
secrets.register(app)
datasets.register(app)
dummy.register(app)
question.register(app)
govern.register(app)
audit.register(app)
backup.register(app)


def run() -> int:
    """Run one command and return its exit code."""
    try:
        app(prog_name="sandbox")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FAILED
    except SandboxError as error:
        report(error)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 -- so that the flush at exit stays quiet
        return FAILED
    except Exception as error:
        report(session.unexpected(error))
        return FAILED
    return 0


def report(error: SandboxError) -> None:
    """One coded error to stderr."""
    body = error.message
    if error.place is not None:
        body += f"\nat {error.place}" + (f": {error.place.text}" if error.place.text else "")
    if error.rules:
        body += "\ndecided by " + ", ".join(error.rules)
    terminal.complain(error.code.value, body, error.hint)
