"""Starting the hub, which starts the API: another program, told everything by its environment."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import NoReturn

from sandbox.errors import ErrorCode, SandboxError
from sandbox.service import home as homes
from sandbox.settings import Settings


def serve(settings: Settings) -> NoReturn:
    """Become the hub over a home.

    Raises:
        SandboxError: HOME_MISSING; PASSPHRASE_MISSING, since the hub starts the service and nobody can be
            asked; ARGUMENT when the hub is not installed.

    """
    homes.require(settings)
    if settings.passphrase_file is None and settings.passphrase is None:
        raise SandboxError(
            ErrorCode.PASSPHRASE_MISSING,
            "The hub starts the service by itself, and can ask nobody for the passphrase.",
            "Name a file of mode 0600 that holds it: --passphrase-file FILE.",
        )
    if find_spec("hub_config") is None or find_spec("jupyterhub") is None:
        raise SandboxError(
            ErrorCode.ARGUMENT, "JupyterHub is not installed.", "pip install 'data-sandbox[hub]'"
        )
    environment = {**os.environ, "SANDBOX_HOME": str(settings.home.absolute())}
    if settings.passphrase_file is not None:
        environment["SANDBOX_PASSPHRASE_FILE"] = str(settings.passphrase_file.absolute())
    os.execve(sys.executable, [sys.executable, "-m", "hub_config"], environment)  # noqa: S606
