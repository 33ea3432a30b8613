"""Files of one kind, wherever they lie, as one source."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import PurePosixPath
from typing import Protocol
from urllib.parse import unquote

import numpy as np
import pyarrow as pa

from connectors.archive import Archive
from connectors.file_options import FileFormat, FileOptions, format_of
from connectors.opening import unreadable
from connectors.options import wrong
from connectors.places import Place
from sandbox.ingest.source import RawBatch, SourceDescription


class _File(Protocol):
    def __init__(self, place: Place, options: FileOptions) -> None: ...

    def columns(self) -> tuple[str, ...]: ...

    def batches(self, columns: Sequence[str]) -> Iterator[RawBatch]: ...


_READERS: Mapping[FileFormat, str] = {
    "csv": "connectors.delimited:DelimitedFile",
    "tsv": "connectors.delimited:DelimitedFile",
    "fixed": "connectors.fixed_width:FixedWidthFile",
    "excel": "connectors.workbook:WorkbookFile",
    "json": "connectors.json_document:JsonDocument",
    "ndjson": "connectors.ndjson:NdjsonFile",
    "parquet": "connectors.parquet_file:ParquetFile",
    "geojson": "connectors.geojson:GeoJsonFile",
    "shapefile": "connectors.shapefile_reader:ShapefileReader",
}
"""Imported when they are needed: a small install lacks some of their libraries."""


@dataclass(frozen=True, slots=True)
class FilePart:
    """One file of a source, with the values of its partitions."""

    place: Place
    file: _File
    partition: Mapping[str, str]


def parts_of(places: Iterable[Place], options: FileOptions) -> tuple[FilePart, ...]:
    """The files at these places, those in zip archives one by one.

    Raises:
        SandboxError: ARGUMENT when it is not clear what lies in a file; SOURCE_UNREADABLE.

    """
    parts = []
    for place in places:
        inside: Sequence[Place] = (place,)
        if place.name.lower().endswith(".zip"):
            inside = Archive(place, options.expansion).matching(_members(options))
        for one in inside:
            if one.name.lower().endswith(".zip"):
                raise unreadable(f"{one.name} is an archive in an archive.", "Unpack it first.")
            reader = _reader(format_of(one.name, options))
            parts.append(FilePart(one, reader(one, options), _partition(one) if options.partitions else {}))
    return tuple(parts)


def _members(options: FileOptions) -> str:
    if options.member == "*" and options.format == "shapefile":
        return "*.[sS][hH][pP]"
    return options.member


def _reader(form: FileFormat) -> type[_File]:
    module, _, name = _READERS[form].partition(":")
    try:
        reader: type[_File] = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise wrong(
            f"Files of format {form} need {error.name}, which is not installed.",
            "pip install 'data-sandbox[sources]'",
        ) from None
    return reader


def _partition(place: Place) -> Mapping[str, str]:
    pairs = (folder.partition("=") for folder in PurePosixPath(place.path).parent.parts)
    return {unquote(key): unquote(value) for key, sign, value in pairs if sign and key}


class FilesSource:
    """Files with the same columns, as one source.

    Args:
        name: of the source.
        uri: of the source, without secrets.
        parts: its files, at least one.

    """

    def __init__(self, name: str, uri: str, parts: tuple[FilePart, ...]) -> None:
        self._name = name
        self._uri = uri
        self._parts = parts
        self._digest: str | None = None

    def describe(self) -> SourceDescription:
        """The file's name (or the pattern), its place, and the stored bytes of all files."""
        sizes = [part.place.size for part in self._parts]
        known = [size for size in sizes if size is not None]
        return SourceDescription(
            self._name,
            self._uri,
            self._digest,
            size=sum(known) if len(known) == len(sizes) else None,
            hashes=all(part.place.origin is not None for part in self._parts),
        )

    def columns(self) -> tuple[str, ...]:
        """Names of the columns, the same in every file.

        Raises:
            SandboxError: SOURCE_UNREADABLE.

        """
        first, *others = self._parts
        names = _columns(first)
        for part in others:
            if _columns(part) != names:
                raise unreadable(
                    f"{part.place.name} does not have the same columns as {first.place.name}.",
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
            inside = [name for name in wanted if name not in part.partition]
            for batch in part.file.batches(inside):
                rows = batch.rows
                if part.partition:
                    rows = _with_partition(batch, wanted, part.partition)
                yield replace(batch, rows=rows, bytes_done=before + batch.bytes_done)
            before += part.place.size or 0
        self._digest = _digest(self._parts)


def _digest(parts: tuple[FilePart, ...]) -> str | None:
    """Of the files' bytes, as `sha256sum` gives it for one; None unless all lie on this machine.

    Raises:
        SandboxError: SOURCE_UNREADABLE: a file is there no more.

    """
    files = dict.fromkeys(part.place.origin for part in parts)
    if None in files:
        return None
    try:
        digests = []
        for path in filter(None, files):
            with path.open("rb") as file:
                digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    except OSError as error:
        raise unreadable(
            f"{parts[0].place.name} could not be read to its end: {error.strerror or 'it broke off'}.",
            "Nothing was changed; load it again when it is whole.",
        ) from None
    if len(digests) == 1:
        return f"sha256:{digests[0]}"
    return "sha256:" + hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _columns(part: FilePart) -> tuple[str, ...]:
    names = part.file.columns()
    twice = sorted(set(names) & set(part.partition))
    if twice:
        raise unreadable(
            f"{part.place.name} has the column {twice[0]}, which its folder names too.",
            "Leave the option partitions out.",
        )
    return (*names, *part.partition)


def _with_partition(batch: RawBatch, wanted: Sequence[str], partition: Mapping[str, str]) -> pa.RecordBatch:
    # A batch without columns forgets how many rows it has; the record numbers do not.
    count = len(batch.records)
    arrays = [
        pa.array(np.full(count, partition[name]), pa.string())
        if name in partition
        else batch.rows.column(name)
        for name in wanted
    ]
    return pa.RecordBatch.from_arrays(arrays, names=list(wanted))
