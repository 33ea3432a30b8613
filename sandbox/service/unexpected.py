"""What nobody foresaw: one coded error for the person, one line of JSON for the operator.

Rules
- The line in `operator.log` holds the types of the exceptions and the frames they passed, never a
  message: messages of engines and parsers quote literals and data values.
- A full disk is not unforeseen: it has its own code.
"""

from __future__ import annotations

import errno
import os
import secrets
import traceback
from pathlib import Path

import structlog

from sandbox.errors import ErrorCode, SandboxError

LOG_NAME = "operator.log"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def as_coded(error: BaseException, home: Path) -> SandboxError:
    """The coded error for `error`; anything without a code is written down in the home first."""
    if isinstance(error, SandboxError):
        return error
    if _is_full_disk(error):
        return SandboxError(
            ErrorCode.STORAGE_FULL,
            "The disk is full; nothing was changed.",
            "Make room on the disk that holds the home, then try again.",
        )
    incident = secrets.token_hex(4)
    where = home / LOG_NAME
    try:
        _write(where, incident, error)
    except OSError:
        return SandboxError(
            ErrorCode.INTERNAL,
            f"Something unforeseen happened ({type(error).__name__}), and {where} cannot be written.",
            "Run `sandbox doctor`, and check that the home exists and is yours.",
        )
    return SandboxError(
        ErrorCode.INTERNAL,
        f"Something unforeseen happened ({type(error).__name__}, incident {incident}).",
        f"The operator finds it in {where}; run `sandbox doctor`, and report the line with this incident.",
    )


def _is_full_disk(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in _FULL:
            return True
        if "database or disk is full" in str(seen):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _write(where: Path, incident: str, error: BaseException) -> None:
    descriptor = os.open(where, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "a", encoding="utf-8") as stream:
        log = structlog.wrap_logger(
            structlog.WriteLogger(stream),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(),
            ],
        )
        log.error("unforeseen", incident=incident, chain=_chain(error))


def _chain(error: BaseException) -> list[dict[str, object]]:
    links = list[dict[str, object]]()
    seen: BaseException | None = error
    while seen is not None:
        frames = [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(seen.__traceback__)]
        links.append({"type": f"{type(seen).__module__}.{type(seen).__qualname__}", "frames": frames})
        seen = seen.__cause__ or seen.__context__
    return links
