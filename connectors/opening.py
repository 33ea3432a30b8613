"""Open a file's bytes: plain or gzip, counted, with a limit on how far compressed bytes may expand."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from typing import TYPE_CHECKING

from sandbox.errors import ErrorCode, SandboxError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from connectors.places import Place

ALWAYS_ALLOWED = 64 << 20
"""Bytes that any archive may expand to."""


def unreadable(message: str, hint: str = "") -> SandboxError:
    """SOURCE_UNREADABLE."""
    return SandboxError(ErrorCode.SOURCE_UNREADABLE, message, hint)


def expands(name: str, expansion: int) -> SandboxError:
    """An archive that expands too far."""
    return unreadable(
        f"{name} expands to more than {expansion} times its size.",
        "If it is meant to, unpack it first or raise the option expansion.",
    )


class FileBytes(io.RawIOBase):
    """The (decompressed) bytes of one file; `consumed` counts the stored bytes that were read.

    Raises on reading:
        SandboxError: SOURCE_UNREADABLE for a damaged archive, one that expands too far, or a read error.

    """

    def __init__(self, place: Place, expansion: int) -> None:
        super().__init__()
        self.name = place.name
        self._size, self._length = place.size, place.length
        self._file = place.stream()
        self._expansion = expansion
        self._produced = 0
        self._gzip = gzip.GzipFile(fileobj=self._file, mode="rb") if is_gzip(place.name) else None

    @property
    def consumed(self) -> int:
        """Stored bytes of the file that were read."""
        done = self._file.tell()
        if self._size is None or self._length is None or self._size == self._length:
            return done
        return self._size * done // max(1, self._length)

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill the buffer; 0 at the end."""
        try:
            if self._gzip is None:
                return self._file.readinto(buffer)  # type: ignore[attr-defined,no-any-return]
            count = self._gzip.readinto(buffer)
        except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile):
            what = "an archive" if self._gzip is None else "a gzip file"
            raise unreadable(
                f"{self.name} is {what} that is damaged or incomplete.", "Fetch it again."
            ) from None
        except OSError as error:
            raise unreadable(f"{self.name} cannot be read: {error.strerror or 'it broke off'}.") from None
        self._produced += count
        if self._produced > ALWAYS_ALLOWED and self._produced > self.consumed * self._expansion:
            raise expands(self.name, self._expansion)
        return count

    def close(self) -> None:
        """Close the file."""
        if self._gzip is not None:
            self._gzip.close()
        self._file.close()
        super().close()


def is_gzip(name: str) -> bool:
    """Whether a file of this name is gzipped."""
    return name.lower().endswith(".gz")
