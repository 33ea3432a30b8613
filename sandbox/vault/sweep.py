"""Clearing away what a dead load left, or a dead drop: folders that no held version names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from sandbox.errors import ErrorCode, SandboxError
from sandbox.vault.durable import flush_folder
from sandbox.vault.folders import MARK, remove_version_folder, version_folders
from sandbox.vault.lock import alone
from sandbox.vault.whole import destroy


def sweep(
    home: Path,
    committed: Callable[[], Iterable[str]],
    dropped: Callable[[], Iterable[str]] = tuple,
) -> tuple[str, ...]:
    """Remove the version folders of loads that died before their commit; call it when a home is opened.

    Only folders that still bear the mark of an unfinished load, are empty, or belong to a version that the
    catalog calls dropped, are removed. While a load or a rotation runs nothing is done.

    Args:
        home: folder of the instance.
        committed: gives `StoredFile.path` of every file of every version in the catalog; asked only when
            no load can commit any more.
        dropped: gives the same of every dropped version.

    Returns:
        The removed folders, relative to the home.

    """
    try:
        with alone(home):
            gone = destroy(home, dropped())
            return gone + _swept(home, {str(Path(path).parent) for path in committed()})
    except SandboxError as error:
        if error.code is ErrorCode.SERVICE_BUSY:
            return ()
        raise


def _swept(home: Path, kept: set[str]) -> tuple[str, ...]:
    removed = []
    for folder in version_folders(home):
        name, mark = folder.relative_to(home).as_posix(), folder / MARK
        if name in kept:
            mark.unlink(missing_ok=True)
        elif mark.exists() or not any(folder.iterdir()):
            remove_version_folder(folder)
            flush_folder(folder.parent)
            removed.append(name)
    return tuple(removed)
