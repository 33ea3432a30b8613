"""Open a file's bytes: plain or gzip, counted, with a limit on how far compressed bytes may expand."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.errors import ErrorCode, SandboxError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_ALWAYS_ALLOWED = 64 << 20


def unreadable(message: str, hint: str = "") -> SandboxError:
    """SOURCE_UNREADABLE."""
    return SandboxError(ErrorCode.SOURCE_UNREADABLE, message, hint)


def check_regular(path: Path) -> int:
    """Size in bytes of a regular file.

    Raises:
        SandboxError: SOURCE_UNREADABLE for what is missing, a folder or a device, or may not be read.

    """
    try:
        if not path.is_file():
            what = "is not a file" if path.exists() else "does not exist"
            raise unreadable(f"{path.name} {what}.", "Check the path.")
        with path.open("rb"):
            return path.stat().st_size
    except OSError as error:
        raise unreadable(
            f"{path.name} cannot be opened: {error.strerror}.", "Check its permissions."
        ) from None


class FileBytes(io.RawIOBase):
    """The (decompressed) bytes of one file; `consumed` counts the bytes on disk that were read.

    Raises on reading:
        SandboxError: SOURCE_UNREADABLE for a damaged archive, one that expands too far, or a read error.

    """

    def __init__(self, path: Path, expansion: int) -> None:
        super().__init__()
        self.name = path.name
        self._file = path.open("rb")
        self._expansion = expansion
        self._produced = 0
        self._gzip = gzip.GzipFile(fileobj=self._file, mode="rb") if path.suffix.lower() == ".gz" else None

    @property
    def consumed(self) -> int:
        """Bytes of the file on disk that were read."""
        return self._file.tell()

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill the buffer; 0 at the end."""
        try:
            if self._gzip is None:
                return self._file.readinto(buffer)
            count = self._gzip.readinto(buffer)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise unreadable(
                f"{self.name} is a damaged or incomplete gzip file.", "Fetch it again."
            ) from None
        except OSError as error:
            raise unreadable(f"{self.name} cannot be read: {error.strerror}.") from None
        self._produced += count
        if self._produced > _ALWAYS_ALLOWED and self._produced > self.consumed * self._expansion:
            raise unreadable(
                f"{self.name} expands to more than {self._expansion} times its size.",
                "If it is meant to, unpack it first or raise the option expansion.",
            )
        return count

    def close(self) -> None:
        """Close the file."""
        if self._gzip is not None:
            self._gzip.close()
        self._file.close()
        super().close()
