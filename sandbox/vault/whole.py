"""Whether the files of a version are what was committed, and destroying them."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable
from pathlib import Path

from sandbox.catalog.model import TableVersion
from sandbox.vault.durable import flush_folder, writing
from sandbox.vault.encrypted_file import material_path, open_verified, storage_corrupt
from sandbox.vault.keyring import Grade, Keyring
from sandbox.vault.material import material_is_sound


def check_whole(home: Path, version: TableVersion) -> None:
    """Look at every byte of every file of a version, without a key.

    Raises:
        SandboxError: STORAGE_CORRUPT, naming the first file that is missing or not what was committed.

    """
    for stored in version.all_files:
        open_verified(home, stored).close()
        if not material_path(home / stored.path).is_file():
            raise storage_corrupt(stored)


def check_keys(home: Path, keyring: Keyring, version: TableVersion, grades: Collection[Grade]) -> None:
    """Look at every byte of the wrapped data keys beside the files of a version, as far as `grades` tell.

    Raises:
        SandboxError: STORAGE_CORRUPT, naming the first file whose keys are not what was written.

    """
    for stored in version.all_files:
        if not material_is_sound(material_path(home / stored.path), keyring, version.dataset, grades):
            raise storage_corrupt(stored)


def destroy(home: Path, paths: Iterable[str]) -> tuple[str, ...]:
    """Remove the folders of dropped versions, data keys first: without them what is left opens no more.

    Args:
        home: folder of the instance.
        paths: `StoredFile.path` of files of versions that the catalog calls dropped.

    Returns:
        The folders that were still there, relative to the home.

    Raises:
        SandboxError: STORAGE_UNWRITABLE; the next start goes on.

    """
    gone = []
    for folder in sorted({(home / path).parent for path in paths}):
        if not folder.is_dir():
            continue
        name = folder.relative_to(home).as_posix()
        with writing(name):
            for material in folder.glob(material_path(Path("*")).name):
                material.unlink()
            shutil.rmtree(folder)
            flush_folder(folder.parent)
        gone.append(name)
    return tuple(gone)
