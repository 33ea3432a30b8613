"""The files in a zip archive, as places.

Rules
- What a file expands to is known from the archive's own list, checked before anything is unpacked, and
  held to: `zipfile` gives no more than was listed. The files together count as well, so files that
  share their compressed bytes gain nothing.
- Archives in archives and encrypted files are refused.
- Names that are not marked as UTF-8 are tried as UTF-8, then as GB18030.
"""

from __future__ import annotations

import io
import zipfile
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import BinaryIO, cast

from connectors.opening import ALWAYS_ALLOWED, expands, unreadable
from connectors.places import Place, with_suffix

MOST_FILES = 100_000
MOST_IN_MEMORY = 1 << 30
"""Bytes of a file in an archive that are held in memory where a format needs random access."""

_UTF8 = 0x800
_ENCRYPTED = 0x1


class ZipMember:
    """One file in an archive."""

    def __init__(self, archive: Archive, info: zipfile.ZipInfo, path: str) -> None:
        self._archive = archive
        self._info = info
        self.path = path
        # Files of one name in several folders are told apart by their path.
        self.name = path
        self.origin = archive.origin
        self.size: int | None = info.compress_size
        self.length: int | None = info.file_size

    def stream(self) -> BinaryIO:
        """Its bytes from the start."""
        return self._archive.open(self._info, self.name)

    def random(self) -> BinaryIO:
        """Its bytes, unpacked into memory."""
        if self._info.file_size > MOST_IN_MEMORY:
            raise unreadable(f"{self.name} is too large to be read from an archive.", "Unpack it first.")
        with self.stream() as stream:
            try:
                return io.BytesIO(stream.read())
            except (zipfile.BadZipFile, EOFError, OSError):
                raise unreadable(f"{self.name} is damaged in its archive.", "Fetch it again.") from None

    def sibling(self, suffix: str) -> ZipMember | None:
        """The file beside it in the archive."""
        wanted = with_suffix(self.path, suffix).lower()
        return next((m for m in self._archive.members if m.path.lower() == wanted), None)


class Archive:
    """A zip archive.

    Raises:
        SandboxError: SOURCE_UNREADABLE for what is none, damaged, encrypted, or expands too far.

    """

    def __init__(self, place: Place, expansion: int) -> None:
        self._place = place
        self.origin = place.origin
        try:
            # Open as long as its files may be read; many of them share it.
            self._zip = zipfile.ZipFile(place.random())
            found = [info for info in self._zip.infolist() if not info.is_dir()]
        except (zipfile.BadZipFile, OSError, ValueError, RuntimeError):
            raise unreadable(
                f"{place.name} is not a zip archive, or is damaged.", "Fetch it again."
            ) from None
        if len(found) > MOST_FILES:
            raise unreadable(f"{place.name} holds more than {MOST_FILES} files.", "Unpack it first.")
        total = sum(info.file_size for info in found)
        stored = place.size or sum(info.compress_size for info in found)
        if total > ALWAYS_ALLOWED and total > stored * expansion:
            raise expands(place.name, expansion)
        self.members = tuple(ZipMember(self, info, _path(info)) for info in found)

    def matching(self, pattern: str) -> tuple[ZipMember, ...]:
        """The files whose path or name matches, in the order of their paths; no hidden ones.

        Raises:
            SandboxError: SOURCE_UNREADABLE when there is none.

        """
        found = sorted(
            (m for m in self.members if not _is_hidden(m.path) and _matches(m, pattern)),
            key=lambda member: member.path,
        )
        if not found:
            raise unreadable(f"No file in {self._place.name} matches {pattern}.", "Check the option member.")
        return tuple(found)

    def open(self, info: zipfile.ZipInfo, name: str) -> BinaryIO:
        """The bytes of one file."""
        if info.flag_bits & _ENCRYPTED:
            raise unreadable(f"{name} is encrypted in its archive.", "Unpack it with its password first.")
        try:
            return cast("BinaryIO", io.BufferedReader(cast("io.RawIOBase", self._zip.open(info)), 1 << 20))
        except (zipfile.BadZipFile, RuntimeError, OSError, EOFError):
            raise unreadable(f"{name} is damaged in its archive.", "Fetch it again.") from None


def _path(info: zipfile.ZipInfo) -> str:
    if info.flag_bits & _UTF8:
        return info.filename
    try:
        raw = info.filename.encode("cp437")
    except UnicodeEncodeError:
        return info.filename
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return info.filename


def _is_hidden(path: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(path).parts)


def _matches(member: ZipMember, pattern: str) -> bool:
    return fnmatchcase(member.path, pattern) or fnmatchcase(PurePosixPath(member.path).name, pattern)
