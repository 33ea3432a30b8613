"""Bytes that survive a pulled plug: write aside, flush, rename, flush the folder."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sandbox.errors import ErrorCode, SandboxError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def writing(place: str) -> Iterator[None]:
    """Turn the operating system's refusal to write into a coded error that names `place`.

    Raises:
        SandboxError: STORAGE_FULL when there is no room, STORAGE_UNWRITABLE otherwise.

    """
    try:
        yield
    except OSError as error:
        raise unwritable(place, error) from None


def unwritable(place: str, error: OSError) -> SandboxError:
    """The coded error for a failed write to `place`."""
    if error.errno in FULL:
        return SandboxError(
            ErrorCode.STORAGE_FULL,
            f"There is no room to write {place}.",
            "Nothing was changed. Free some space and do it again.",
        )
    return SandboxError(
        ErrorCode.STORAGE_UNWRITABLE,
        f"{place} cannot be written: {os.strerror(error.errno or errno.EIO)}.",
        "Nothing was changed. Check who owns the folder and whether it is mounted for writing.",
    )


def flush_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_file(path: Path) -> None:
    """Make the bytes of `path` durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace `path` by `content`: afterwards it holds the old bytes or the new, never a mixture.

    Raises:
        SandboxError: STORAGE_FULL, STORAGE_UNWRITABLE; `path` is then unchanged.

    """
    aside = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    with writing(path.name):
        try:
            handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, path)
        except BaseException:
            with suppress(OSError):
                aside.unlink()
            raise
        flush_folder(path.parent)
