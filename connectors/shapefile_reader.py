"""Shapefiles: the records of the `.dbf` with the shapes of the `.shp`, in a folder or in a zip archive.

The text is in the declared encoding, else in what the `.cpg` says, else in UTF-8; a record with a byte that
is wrong in it ends the load.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import date
from functools import partial
from typing import Any

import shapefile

from connectors.file_options import FileOptions, encoding_name
from connectors.geometry import GEOMETRY_COLUMNS, geometry_cells
from connectors.object_rows import RowsOfObjects
from connectors.opening import unreadable
from connectors.places import Place
from sandbox.ingest.source import RawBatch


class ShapefileReader:
    """One shapefile, named by its `.shp`."""

    def __init__(self, place: Place, options: FileOptions) -> None:
        self._place = place
        self._options = options

    def columns(self) -> tuple[str, ...]:
        """The fields of the `.dbf`, then geometry and bounding box.

        Raises:
            SandboxError: SOURCE_UNREADABLE.

        """
        with ExitStack() as stack:
            return (*self._fields(self._open(stack)), *GEOMETRY_COLUMNS)

    def batches(self, columns: Sequence[str]) -> Iterator[RawBatch]:
        """Its records as text columns.

        Raises:
            SandboxError: SOURCE_UNREADABLE.

        """
        rows = RowsOfObjects(self._place.name, columns, self._options.nulls)
        size = self._place.size or 0
        with ExitStack() as stack:
            reader = self._open(stack)
            fields = self._fields(reader)
            total = max(1, len(reader))
            for number, found in enumerate(self._records(reader), 1):
                cells = {name: _cell(value) for name, value in zip(fields, found.record, strict=True)}
                try:
                    shape = found.shape
                    geometry = None if shape.shapeType == shapefile.NULL else shape.__geo_interface__
                    cells |= geometry_cells(geometry)
                except (ValueError, IndexError, shapefile.GeoJSON_Error):
                    rows.bad(number, "not a geometry", str(cells), "geometry")
                else:
                    rows.add(cells, number, partial(str, cells))
                if rows.is_full:
                    yield rows.batch(size * number // total)
            yield rows.batch(size)

    def _records(self, reader: Any) -> Iterator[Any]:
        try:
            yield from reader.iterShapeRecords()
        except UnicodeDecodeError:
            raise self._not_text() from None
        except (shapefile.ShapefileException, ValueError, IndexError, OSError, EOFError):
            raise unreadable(f"{self._place.name} is damaged.", "Fetch it again.") from None

    def _open(self, stack: ExitStack) -> Any:
        table = self._place.sibling(".dbf")
        if table is None:
            raise unreadable(
                f"{self._place.name} has no .dbf beside it.", "A shapefile is .shp, .dbf and .shx together."
            )
        index = self._place.sibling(".shx")
        try:
            return stack.enter_context(
                shapefile.Reader(
                    shp=stack.enter_context(self._place.random()),
                    dbf=stack.enter_context(table.random()),
                    shx=None if index is None else stack.enter_context(index.random()),
                    encoding=self._encoding(),
                    encodingErrors="strict",
                )
            )
        except UnicodeDecodeError:
            raise self._not_text() from None
        except Exception as error:
            # pyshp lets struct and index errors through for a damaged file.
            if isinstance(error, MemoryError):
                raise
            raise unreadable(
                f"{self._place.name} is no shapefile, is damaged, or its text is not {self._encoding()}.",
                "Declare the encoding of its .dbf, or fetch it again.",
            ) from None

    def _encoding(self) -> str:
        if self._options.encoding is not None:
            return self._options.encoding
        said = self._place.sibling(".cpg")
        if said is None:
            return "utf-8"
        with said.stream() as stream:
            name = stream.read(64).decode("ascii", "replace").strip()
        return encoding_name(f"cp{name}" if name.isdigit() else name) or "utf-8"

    def _fields(self, reader: Any) -> tuple[str, ...]:
        names = tuple(field[0] for field in reader.fields if field[0] != "DeletionFlag")
        twice = sorted({n for n in names if names.count(n) > 1} | {n for n in names if n in GEOMETRY_COLUMNS})
        if twice:
            raise unreadable(
                f"{self._place.name} names a column twice: {', '.join(twice)}.", "Rename one of them."
            )
        return names

    def _not_text(self) -> Exception:
        return unreadable(
            f"{self._place.name} holds bytes that are not {self._encoding()}.",
            "Declare the encoding of its .dbf (gb18030, big5, cp932, …).",
        )


def _cell(value: object) -> object:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, date):
        return value.isoformat()
    return value
