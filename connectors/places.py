"""Where a file lies: on this machine, in a zip archive, or wherever another connector fetches it from.

A place gives its bytes twofold: as a stream from the start, and with random access for the formats that need
it (Parquet, workbooks, archives). Nothing is ever written to disk.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol, cast

import pyarrow as pa

from connectors.opening import unreadable


class Place(Protocol):
    """One file."""

    @property
    def name(self) -> str:
        """Its name, without folders."""
        ...

    @property
    def path(self) -> str:
        """Its path with `/`, for patterns and partitions."""
        ...

    @property
    def size(self) -> int | None:
        """Bytes that reading it costs, if known."""
        ...

    @property
    def length(self) -> int | None:
        """Bytes that it gives, if known; differs from `size` in an archive."""
        ...

    @property
    def origin(self) -> Path | None:
        """The file of this machine that holds it; None if it lies elsewhere."""
        ...

    def stream(self) -> BinaryIO:
        """Its bytes from the start.

        Raises:
            SandboxError: SOURCE_UNREADABLE.

        """
        ...

    def random(self) -> BinaryIO:
        """Its bytes with random access.

        Raises:
            SandboxError: SOURCE_UNREADABLE, also for a file that is too large to be held in memory.

        """
        ...

    def sibling(self, suffix: str) -> Place | None:
        """The file beside it whose name ends differently (`.dbf` beside `.shp`), in any case of letters."""
        ...


class LocalFile:
    """A regular file of this machine.

    Raises:
        SandboxError: SOURCE_UNREADABLE for what is missing, a folder or a device, or may not be read.

    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.origin: Path | None = path
        self.name = path.name
        self.path = path.as_posix()
        try:
            if not path.is_file():
                what = "is not a file" if path.exists() else "does not exist"
                raise unreadable(f"{path.name} {what}.", "Check the path.")
            with path.open("rb"):
                self.size: int | None = path.stat().st_size
        except OSError as error:
            raise unreadable(
                f"{path.name} cannot be opened: {error.strerror}.", "Check its permissions."
            ) from None
        self.length = self.size

    def stream(self) -> BinaryIO:
        """Its bytes from the start."""
        return self._path.open("rb")

    def random(self) -> BinaryIO:
        """Its bytes with random access."""
        return cast("BinaryIO", pa.OSFile(str(self._path), "r"))

    def sibling(self, suffix: str) -> LocalFile | None:
        """The file beside it with another ending."""
        wanted = self._path.with_suffix(suffix).name.lower()
        for path in sorted(self._path.parent.iterdir()):
            if path.name.lower() == wanted:
                return LocalFile(path)
        return None


def with_suffix(path: str, suffix: str) -> str:
    """A `/` path with another ending."""
    return str(PurePosixPath(path).with_suffix(suffix))
