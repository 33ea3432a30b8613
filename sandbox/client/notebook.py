"""The cell magic `%%sandbox`: a cell of SQL becomes a question. `%load_ext sandbox.client.notebook`.

%%sandbox [--epsilon E] [--within WIDTH] [--grant GRANT] [--estimate] [--into NAME]
SELECT …
"""

from __future__ import annotations

import argparse
import shlex
from typing import Any, NoReturn

from sandbox.client import default
from sandbox.client.answer import Answer
from sandbox.client.model import Estimate


class _Options(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(f"%%sandbox: {message}. {self.format_usage().strip()}")


def options(line: str) -> argparse.Namespace:
    """What stands behind %%sandbox.

    Raises:
        ValueError: something else stands there.

    """
    parser = _Options(prog="%%sandbox", add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--epsilon", help="privacy loss to spend")
    parser.add_argument("--within", help="a wanted 95 %% half-width, as 5 or 5%%")
    parser.add_argument("--grant", help="the grant that pays")
    parser.add_argument("--estimate", action="store_true", help="only say what it would cost")
    parser.add_argument("--into", metavar="NAME", help="a variable for the answer")
    try:
        return parser.parse_args(shlex.split(line))
    except argparse.ArgumentError as error:
        raise ValueError(f"%%sandbox: {error}") from None


def ask(line: str, cell: str) -> tuple[Answer | Estimate, str | None]:
    """The answer, or the estimate, of a cell; and the name of the variable for it.

    Raises:
        ValueError: the line has other options, or the name is none.
        SandboxFault: as `Sandbox.sql`.

    """
    asked = options(line)
    if asked.into is not None and not asked.into.isidentifier():
        raise ValueError(f"%%sandbox: {asked.into!r} is no name of a variable.")
    call = default.estimate if asked.estimate else default.sql
    return call(cell, grant=asked.grant, epsilon=asked.epsilon, within=asked.within), asked.into


def load_ipython_extension(shell: Any) -> None:
    """Register the magic."""

    def sandbox(line: str, cell: str) -> Answer | Estimate | None:
        found, name = ask(line, cell)
        if name is None:
            return found
        shell.user_ns[name] = found
        return None

    shell.register_magic_function(sandbox, "cell", "sandbox")
