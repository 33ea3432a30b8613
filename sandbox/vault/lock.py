"""Who may change what lies in a home, across processes: advisory locks on small files.

Rules
- A load holds the vault shared from before it asks for a version number until its version is
  committed: several loads may run at once.
- Key rotation and sweeping hold the vault alone: neither ever sees a half-written load, and no
  load ever writes with a key that is being retired.
- The kernel drops a lock when its process dies, so a killed load blocks nobody.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sandbox.errors import ErrorCode, SandboxError
from sandbox.vault.durable import writing

VAULT_LOCK = ".vault.lock"


@contextmanager
def locked(path: Path, operation: int) -> Iterator[None]:
    """Hold `path` with the flock `operation`; threads exclude one another as processes do.

    Raises:
        BlockingIOError: `operation` has LOCK_NB and someone else holds it.

    """
    with writing(path.name):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, operation)
        yield
    finally:
        os.close(handle)


@contextmanager
def loading(home: Path) -> Iterator[None]:
    """Hold the vault of `home` for a load, beside other loads.

    Raises:
        SandboxError: SERVICE_BUSY while keys are being rotated.

    """
    with _vault(home, fcntl.LOCK_SH, "Its keys are being rotated."):
        yield


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Hold the vault of `home` alone.

    Raises:
        SandboxError: SERVICE_BUSY while a load runs or keys are being rotated.

    """
    with _vault(home, fcntl.LOCK_EX, "A load or a key rotation is running."):
        yield


@contextmanager
def _vault(home: Path, operation: int, busy: str) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(home / VAULT_LOCK, operation | fcntl.LOCK_NB))
        except BlockingIOError:
            raise SandboxError(
                ErrorCode.SERVICE_BUSY, f"The vault is in use. {busy}", "Do it again when that has ended."
            ) from None
        yield
