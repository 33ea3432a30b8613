"""Where versions lie: `data/<dataset>/<table>/v<number>-<random>/part-<number>.parquet` in the home.

A folder is marked while nobody has seen its version committed; `sweep` removes marked folders that no
committed version names, and takes the mark off the others. A folder without the mark is never removed:
a catalog restored from an old backup costs no data.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from pathlib import Path

from sandbox.vault.durable import flush_folder, writing

DATA = "data"
MARK = "_UNCOMMITTED"
PLAIN_NAME = re.compile(r"^(?!t-)[a-z0-9][a-z0-9_-]{0,63}\Z")


def table_folder(home: Path, dataset: str, table: str) -> Path:
    """Folder of all versions of a table; names that a file system might not keep apart are hashed."""
    name = table if PLAIN_NAME.match(table) else "t-" + hashlib.sha256(table.encode()).hexdigest()[:32]
    return home / DATA / dataset / name


def new_version_folder(home: Path, dataset: str, table: str, version: int) -> Path:
    """A fresh, marked folder (mode 0700) for one version; a dead load of the same number is not in the way.

    Raises:
        SandboxError: STORAGE_FULL, STORAGE_UNWRITABLE.

    """
    above = table_folder(home, dataset, table)
    folder = above / f"v{version:06d}-{secrets.token_hex(4)}"
    with writing(str(above.relative_to(home))):
        for one in (home / DATA, home / DATA / dataset, above):
            one.mkdir(mode=0o700, exist_ok=True)
            flush_folder(one.parent)
        folder.mkdir(mode=0o700)
        os.close(os.open(folder / MARK, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        flush_folder(folder)
        flush_folder(above)
    return folder


def remove_version_folder(folder: Path) -> None:
    """Remove a folder and its files, the mark last: if the plug is pulled, the next sweep goes on."""
    mark = folder / MARK
    for path in folder.iterdir():
        if path != mark:
            path.unlink()
    mark.unlink(missing_ok=True)
    folder.rmdir()


def version_folders(home: Path) -> tuple[Path, ...]:
    """Every version folder in the home, sorted."""
    return tuple(sorted(path for path in (home / DATA).glob("*/*/v*-*") if path.is_dir()))
