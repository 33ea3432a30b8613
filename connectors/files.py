"""Files and globs of files: CSV and TSV in any declared encoding, NDJSON, Parquet; text also gzipped.

Several files are one source if their columns have the same names in the same order. They are read in
the order of their names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from glob import glob, has_magic
from pathlib import Path
from typing import Protocol

from connectors.delimited import DelimitedFile
from connectors.file_options import FileFormat, FileOptions, file_options
from connectors.ndjson import NdjsonFile
from connectors.opening import check_regular, unreadable
from connectors.parquet_file import ParquetFile
from sandbox.ingest.source import Option, RawBatch, Source, SourceDescription


class _File(Protocol):
    def __init__(self, path: Path, options: FileOptions) -> None: ...

    def columns(self) -> tuple[str, ...]: ...

    def batches(self, columns: Sequence[str]) -> Iterator[RawBatch]: ...


_READERS: Mapping[FileFormat, type[_File]] = {
    "delimited": DelimitedFile,
    "ndjson": NdjsonFile,
    "parquet": ParquetFile,
}


@dataclass(frozen=True, slots=True)
class _Part:
    path: Path
    size: int
    file: _File


class FilesConnector:
    """The connector `files`."""

    def open(self, location: str, options: Mapping[str, Option]) -> Source:
        """Open a file, or all files that a glob (`*`, `?`, `[…]`, `**`) matches.

        Raises:
            SandboxError: ARGUMENT for a wrong option; SOURCE_UNREADABLE if nothing matches, a file
                cannot be opened, or the columns of two files differ.

        """
        named = Path(location).expanduser()
        # A file whose own name holds glob characters is that file.
        paths = [named]
        if has_magic(location) and not named.exists():
            paths = [
                path for found in sorted(glob(str(named), recursive=True)) if (path := Path(found)).is_file()
            ]
            if not paths:
                raise unreadable(f"No file matches {location}.", "Check the pattern; quote it in the shell.")
        parts = []
        for path in paths:
            size = check_regular(path)
            how = file_options(path.name, options)
            parts.append(_Part(path, size, _READERS[how.format](path, how)))
        return FilesSource(location, tuple(parts))


class FilesSource:
    """Files with the same columns, as one source."""

    def __init__(self, location: str, parts: tuple[_Part, ...]) -> None:
        self._location = location
        self._parts = parts

    def describe(self) -> SourceDescription:
        """The file's name (or the glob), its place, and the bytes on disk of all files."""
        size = sum(part.size for part in self._parts)
        if len(self._parts) == 1:
            path = self._parts[0].path
            return SourceDescription(path.name, path.resolve().as_uri(), size=size)
        return SourceDescription(Path(self._location).name, f"file:{self._location}", size=size)

    def columns(self) -> tuple[str, ...]:
        """Names of the columns, the same in every file.

        Raises:
            SandboxError: SOURCE_UNREADABLE.

        """
        first, *others = self._parts
        names = first.file.columns()
        for part in others:
            if part.file.columns() != names:
                raise unreadable(
                    f"{part.path.name} does not have the same columns as {first.path.name}.",
                    "Load files of one kind together, and the others as tables of their own.",
                )
        return names

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[RawBatch]:
        """The records of all files, one file after the other.

        Raises:
            SandboxError: SOURCE_UNREADABLE.

        """
        wanted = self.columns() if columns is None else tuple(columns)
        before = 0
        for part in self._parts:
            for batch in part.file.batches(wanted):
                yield replace(batch, bytes_done=before + batch.bytes_done)
            before += part.size
