"""Where the keyring's passphrase comes from: the environment, a file of the operator's, or a prompt."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from sandbox.errors import ErrorCode, SandboxError
from sandbox.settings import Settings

MODES = frozenset({0o600, 0o400})
LONGEST_BYTES = 4096


def passphrase_of(settings: Settings, prompt: Callable[[], str] | None = None) -> str:
    """The passphrase, from the first that has one: setting, file, prompt.

    Args:
        settings: `passphrase` and `passphrase_file` are looked at.
        prompt: asks a person; None when nobody is there.

    Raises:
        SandboxError: PASSPHRASE_MISSING, FILE_MODE.

    """
    if settings.passphrase is not None and settings.passphrase.get_secret_value():
        return settings.passphrase.get_secret_value()
    if settings.passphrase_file is not None:
        return secret_in(settings.passphrase_file, "passphrase file")
    if prompt is not None and (typed := prompt()):
        return typed
    raise _missing("The keyring needs its passphrase.")


def secret_in(path: Path, what: str) -> str:
    """The secret in a file of the operator's, without its last line break.

    Raises:
        SandboxError: PASSPHRASE_MISSING, FILE_MODE.

    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(LONGEST_BYTES + 1)
    except OSError:
        raise _missing(f"The {what} {path} cannot be read.") from None
    if mode not in MODES:
        raise SandboxError(
            ErrorCode.FILE_MODE,
            f"The {what} {path} has mode {mode:04o}: others than its owner may read or run it.",
            f"chmod 600 {path}",
        )
    try:
        passphrase = text.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise _missing(f"The {what} {path} is not UTF-8 text.") from None
    if not passphrase or len(text) > LONGEST_BYTES:
        raise _missing(f"The {what} {path} is empty or longer than {LONGEST_BYTES} bytes.")
    return passphrase


def _missing(message: str) -> SandboxError:
    return SandboxError(
        ErrorCode.PASSPHRASE_MISSING,
        message,
        "Give it in one of three ways: SANDBOX_PASSPHRASE_FILE names a file with mode 0600 that holds it; "
        "SANDBOX_PASSPHRASE holds it; or run the command in a terminal and type it.",
    )
