"""Secrets by reference: `env:NAME` or `file:PATH`. Looked up when they are used, shown by nothing."""

from __future__ import annotations

import os
import re
from pathlib import Path

from sandbox.errors import ErrorCode, SandboxError

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


class Secret:
    """A reference to a secret. Its text is in no attribute, no `repr` and no error.

    Args:
        option: name of the option that holds the reference.
        reference: `env:NAME` or `file:PATH`.

    Raises:
        SandboxError: ARGUMENT for anything else; what was written there could be the secret itself, so
            the error does not repeat it.

    """

    def __init__(self, option: str, reference: str) -> None:
        kind, _, place = reference.partition(":")
        if kind not in ("env", "file") or not place or (kind == "env" and not _VARIABLE.fullmatch(place)):
            raise SandboxError(
                ErrorCode.ARGUMENT,
                f"The option {option} is a secret and must be a reference.",
                "Write env:NAME or file:PATH; if a secret was written here, consider it known and change it.",
            )
        self._option = option
        self._kind = kind
        self._place = place

    def __repr__(self) -> str:
        return f"Secret({self._option})"

    def reveal(self) -> str:
        """The secret, without line breaks at its end.

        Raises:
            SandboxError: ARGUMENT when there is none; FILE_MODE when others may read its file.

        """
        found = os.environ.get(self._place, "") if self._kind == "env" else self._file()
        if not found or not found.isprintable():
            raise self._missing("is empty, missing or not one line of text")
        return found

    def _file(self) -> str:
        path = Path(self._place).expanduser()
        try:
            if path.stat().st_mode & 0o077:
                raise SandboxError(
                    ErrorCode.FILE_MODE,
                    f"The file that the option {self._option} names may be read or changed by others.",
                    f"chmod 600 {path}",
                )
            return path.read_text("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError):
            raise self._missing("cannot be read") from None

    def _missing(self, why: str) -> SandboxError:
        where = "variable" if self._kind == "env" else "file"
        return SandboxError(
            ErrorCode.ARGUMENT,
            f"The secret of the option {self._option} {why}.",
            f"Check the {where} {self._place}.",
        )
