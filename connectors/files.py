"""Files and globs of files, also in zip archives; text also gzipped.

Delimited and fixed-width text in any declared encoding, workbooks, JSON, NDJSON, Parquet, GeoJSON, Shapefile.

Several files are one source if their columns have the same names in the same order. They are read in
the order of their names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from glob import glob, has_magic
from pathlib import Path

from connectors.file_options import open_options
from connectors.file_source import FilesSource, parts_of
from connectors.opening import unreadable
from connectors.places import LocalFile
from sandbox.ingest.source import Option, Source


class FilesConnector:
    """The connector `files`."""

    def open(self, location: str, options: Mapping[str, Option]) -> Source:
        """Open a file, or all files that a glob (`*`, `?`, `[…]`, `**`) matches.

        Raises:
            SandboxError: ARGUMENT for a wrong option; SOURCE_UNREADABLE if nothing matches, a file
                cannot be opened, or the columns of two files differ.

        """
        how = open_options("files", options)
        places = [LocalFile(path) for path in _paths(location)]
        uri = Path(places[0].path).resolve().as_uri() if len(places) == 1 else f"file:{location}"
        name = places[0].name if len(places) == 1 else Path(location).name
        return FilesSource(name, uri, parts_of(places, how))


def _paths(location: str) -> Sequence[Path]:
    named = Path(location).expanduser()
    # A file whose own name holds glob characters is that file.
    if not has_magic(location) or named.exists():
        return [named]
    found = [path for text in sorted(glob(str(named), recursive=True)) if (path := Path(text)).is_file()]
    if not found:
        raise unreadable(f"No file matches {location}.", "Check the pattern; quote it in the shell.")
    return found
