"""The files connector, once for every format."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.parquet as pq
import shapefile
import xlsxwriter
import xlwt

from sandbox.ingest.connect import open_source
from tests.connectors.subject import Opener, Published

_NUMBERS = count(1)


class FileSubject:
    """A format: how its bytes are made, and the options that read it."""

    def __init__(
        self, folder: Path, name: str, write: Callable[[Published], bytes], flat: bool, **options: Any
    ) -> None:
        self._folder = folder
        self._name = name
        self._write = write
        self.flat = flat
        self._options = options

    def publish(self, table: Published) -> Opener:
        path = self._folder / f"{next(_NUMBERS)}{self._name}"
        path.write_bytes(self._write(table))
        options = self._options
        if "widths" in options:
            options = options | {"names": table.columns, "widths": _widths(table)}
        return lambda: open_source(str(path), options)


def delimited(table: Published, encoding: str = "utf-8", delimiter: str = ",") -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(table.columns)
    writer.writerows(table.rows)
    return out.getvalue().encode(encoding)


def _byte_length(text: str | None) -> int:
    return len((text or "").encode("gb18030"))


def _widths(table: Published) -> tuple[str, ...]:
    return tuple(str(max(map(_byte_length, column)) + 2) for column in zip(*table.rows, strict=True))


def _fixed(table: Published) -> bytes:
    widths = [int(width) for width in _widths(table)]
    lines = []
    for row in table.rows:
        lines.append(b"".join((c or "").encode("gb18030").ljust(w) for c, w in zip(row, widths, strict=True)))
    return b"\r\n".join(lines) + b"\r\n"


def objects(table: Published) -> list[dict[str, Any]]:
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def _ndjson(table: Published) -> bytes:
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in objects(table)).encode()


def _json(table: Published) -> bytes:
    return json.dumps({"status": "ok", "data": {"rows": objects(table)}}, ensure_ascii=False).encode()


def features(table: Published) -> list[dict[str, Any]]:
    point = {"type": "Point", "coordinates": [121.5, 31.25]}
    return [{"type": "Feature", "properties": row, "geometry": point} for row in objects(table)]


def _geojson(table: Published) -> bytes:
    made = {"type": "FeatureCollection", "features": features(table)}
    return json.dumps(made, ensure_ascii=False).encode()


def parquet(table: Published) -> bytes:
    out = io.BytesIO()
    columns = [pa.array(column, pa.string()) for column in zip(*table.rows, strict=True)]
    pq.write_table(pa.table(columns, names=list(table.columns)), out, row_group_size=1_250)
    return out.getvalue()


def _xlsx(table: Published) -> bytes:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    sheet = book.add_worksheet("数据")
    for place, row in enumerate((table.columns, *table.rows)):
        for column, cell in enumerate(row):
            if cell is not None:
                sheet.write_string(place, column, cell)
    book.close()
    return out.getvalue()


def _xls(table: Published) -> bytes:
    out = io.BytesIO()
    book = xlwt.Workbook(encoding="utf-8")
    sheet = book.add_sheet("数据")
    for place, row in enumerate((table.columns, *table.rows)):
        for column, cell in enumerate(row):
            if cell is not None:
                sheet.write(place, column, cell)
    book.save(out)
    return out.getvalue()


def ods(rows: list[list[str | None]]) -> bytes:
    """A minimal OpenDocument sheet, written by hand."""
    cells = "".join(
        "<table:table-row>"
        + "".join(
            "<table:table-cell/>"
            if cell is None
            else '<table:table-cell office:value-type="string">'
            f"<text:p>{escape(cell)}</text:p></table:table-cell>"
            for cell in row
        )
        + "</table:table-row>"
        for row in rows
    )
    names = "urn:oasis:names:tc:opendocument:xmlns"
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content xmlns:office="{names}:office:1.0" '
        f'xmlns:table="{names}:table:1.0" xmlns:text="{names}:text:1.0" office:version="1.2"><office:body>'
        f'<office:spreadsheet><table:table table:name="数据">{cells}</table:table></office:spreadsheet>'
        "</office:body></office:document-content>"
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", content)
        archive.writestr(
            "META-INF/manifest.xml",
            '<?xml version="1.0"?><manifest:manifest '
            f'xmlns:manifest="{names}:manifest:1.0"><manifest:file-entry manifest:full-path="/" '
            'manifest:media-type="application/vnd.oasis.opendocument.spreadsheet"/></manifest:manifest>',
        )
    return out.getvalue()


def shapes(table: Published, encoding: str = "utf-8") -> dict[str, bytes]:
    """The three files of a shapefile."""
    files = {ending: io.BytesIO() for ending in ("shp", "shx", "dbf")}
    with shapefile.Writer(**files, encoding=encoding) as writer:
        for name in table.columns:
            writer.field(name, "C", size=254)
        for row in table.rows:
            writer.point(121.5, 31.25)
            writer.record(*(cell or "" for cell in row))
    return {ending: file.getvalue() for ending, file in files.items()}


def _zipped_shapes(table: Published) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for ending, data in shapes(table).items():
            archive.writestr(f"图层/点.{ending}", data)
    return out.getvalue()


def _zip(table: Published) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("说明/readme.md", "no data")
        archive.writestr("数据/表.csv", delimited(table))
    return out.getvalue()


def subjects(folder: Path) -> dict[str, FileSubject]:
    """Every format, by name."""
    return {
        "csv": FileSubject(folder, ".csv", delimited, True),
        "csv-gb18030": FileSubject(
            folder, ".csv", lambda t: delimited(t, "gb18030"), True, encoding="gb18030"
        ),
        "tsv-utf-16": FileSubject(folder, ".tsv", lambda t: delimited(t, "utf-16", "\t"), True),
        "csv-gz": FileSubject(folder, ".csv.gz", lambda t: gzip.compress(delimited(t), 1), True),
        "zip": FileSubject(folder, ".zip", _zip, True, member="*.csv"),
        "fixed": FileSubject(
            folder, ".dat", _fixed, True, format="fixed", encoding="gb18030", header=False, widths=()
        ),
        "ndjson": FileSubject(folder, ".ndjson", _ndjson, True),
        "json": FileSubject(folder, ".json", _json, True, path="data.rows"),
        "geojson": FileSubject(folder, ".geojson", _geojson, True),
        "parquet": FileSubject(folder, ".parquet", parquet, True),
        "shapefile": FileSubject(folder, ".zip", _zipped_shapes, False, format="shapefile"),
        "xlsx": FileSubject(folder, ".xlsx", _xlsx, False),
        "xls": FileSubject(folder, ".xls", _xls, False),
        "ods": FileSubject(folder, ".ods", lambda t: ods([list(t.columns), *map(list, t.rows)]), False),
    }
