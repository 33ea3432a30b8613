"""The log as a folder that an auditor can take away: C2SP tlog-tiles layout, plus the key.

    checkpoint              the signed checkpoint
    log.pub                 the log's verifier key, one line
    tile/<L>/<N>[.p/<W>]    hashes of the tree (level L in steps of eight)
    tile/entries/<N>[.p/<W>]   the leaves, each after its length (uint16, big-endian)

Rules
- The bundle shows one moment: everything is read in one transaction.
- The checkpoint is written last; a folder without one is an export that died.
- Nothing is written into a folder that holds something already.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import sqlalchemy as sa

from sandbox.audit.entries import all_leaves
from sandbox.audit.leaf import written_bytes
from sandbox.audit.store import Store
from sandbox.audit.tables import nodes
from sandbox.errors import ErrorCode, SandboxError

WIDTH = 256


def export_bundle(store: Store, folder: Path) -> int:
    """Write the whole log into `folder`, which is made if need be. Log the export before.

    Returns:
        the number of entries.

    Raises:
        SandboxError: ARGUMENT when the folder is not empty or not a folder; STORAGE_FULL when it
            cannot be written; LOG_CORRUPT.

    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise SandboxError(
                ErrorCode.ARGUMENT, f"{folder} is not empty.", "Give a new folder for the bundle."
            )
        with store.read() as connection:
            note, now = store.log.checkpoint(connection)
            store.log.check(connection)
            _write_entries(connection, folder, now.size)
            _write_tiles(connection, folder, now.size)
        (folder / "log.pub").write_text(f"{store.key}\n", encoding="utf-8")
        (folder / "checkpoint").write_bytes(note.encode())
    except (FileExistsError, NotADirectoryError):
        raise SandboxError(
            ErrorCode.ARGUMENT, f"{folder} is not a folder.", "Give a new folder for the bundle."
        ) from None
    except OSError as error:
        raise SandboxError(
            ErrorCode.STORAGE_FULL,
            f"The bundle could not be written to {folder}: {error.strerror}.",
            "Remove what was written, make room or choose another place, then export again.",
        ) from None
    return now.size


def _write_entries(connection: sa.Connection, folder: Path, size: int) -> None:
    found = all_leaves(connection)
    for path, width in tile_paths("entries", size):
        _write(folder / path, b"".join(struct.pack(">H", len(leaf)) + leaf for leaf in islice(found, width)))


def _write_tiles(connection: sa.Connection, folder: Path, size: int) -> None:
    level = 0
    while count := size >> (8 * level):
        hashes = (
            written_bytes(row.hash)
            for row in connection.execution_options(yield_per=WIDTH).execute(
                sa.select(nodes.c.hash).where(nodes.c.level == 8 * level).order_by(nodes.c.position)
            )
        )
        for path, width in tile_paths(str(level), count):
            _write(folder / path, b"".join(islice(hashes, width)))
        level += 1


def tile_paths(level: str, count: int) -> Iterator[tuple[str, int]]:
    """Paths and widths of the tiles that hold `count` things."""
    for number in range(-(-count // WIDTH)):
        width = min(WIDTH, count - number * WIDTH)
        partial = "" if width == WIDTH else f".p/{width}"
        yield f"tile/{level}/{_encoded(number)}{partial}", width


def _encoded(number: int) -> str:
    """A tile's number in path elements of three digits: 1234067 is `x001/x234/067`."""
    path = f"{number % 1000:03d}"
    while number := number // 1000:
        path = f"x{number % 1000:03d}/{path}"
    return path


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
