"""How files are to be read: the options of the files connector, checked before anything is opened."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from connectors.options import Options, did_you_mean, wrong
from sandbox.ingest.source import Option

FileFormat = Literal["csv", "tsv", "fixed", "excel", "json", "ndjson", "parquet", "geojson", "shapefile"]
HeaderNames = Literal["joined", "first", "last"]

ENCODINGS = (
    "ascii",
    "utf-8",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "gb18030",
    "gbk",
    "gb2312",
    "big5",
    "big5hkscs",
    "cp950",
    "cp932",
    "shift_jis",
    "euc_jp",
    "cp949",
    "euc_kr",
    "latin-1",
    "iso8859-15",
    "cp1250",
    "cp1251",
    "cp1252",
)
_SUPERSET = {"gbk": "gb18030", "gb2312": "gb18030"}

FORMATS: tuple[FileFormat, ...] = (
    "csv",
    "tsv",
    "fixed",
    "excel",
    "json",
    "ndjson",
    "parquet",
    "geojson",
    "shapefile",
)
_SUFFIXES: Mapping[str, FileFormat] = {
    ".csv": "csv",
    ".txt": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".xls": "excel",
    ".xlsx": "excel",
    ".xlsm": "excel",
    ".xlsb": "excel",
    ".ods": "excel",
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".geojson": "geojson",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".shp": "shapefile",
}
_WIDTHS = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How to read a file.

    Attributes:
        format: what lies in it; None means by the ending of its name.
        encoding: Python's name of the declared encoding; None means byte order mark, else strict UTF-8.
        encoding_is_certain: a person has answered for it; its plausibility is not checked.
        delimiter, quote: one ASCII character each; an empty quote means that there is none; no
            delimiter means a comma, in tsv a tab.
        nulls: the texts that mean "no value", quoted or not.
        skip_lines: lines (rows of a sheet) before the header, a title say.
        header_lines: lines of the header; 0 means that there is none.
        header_names: which of them name the columns.
        names: names of the columns in place of the header's.
        footer_lines: records after the last row, a source note say.
        widths: of the fields of a fixed-width file.
        widths_in: whether these are bytes or characters.
        sheet: of a workbook, by name or number; empty means the only one that holds anything.
        range: cells of the sheet, as `B3:F200`.
        path: of the array in a JSON document, as `data.rows`; empty means the document itself.
        member: pattern of the files in an archive.
        partitions: whether `key=value` folders become columns.
        longest_record: most bytes of one record.
        expansion: most bytes that one compressed byte may become.

    """

    format: FileFormat | None = None
    encoding: str | None = None
    encoding_is_certain: bool = False
    delimiter: str = ""
    quote: str = '"'
    nulls: tuple[str, ...] = ("",)
    skip_lines: int = 0
    header_lines: int = 1
    header_names: HeaderNames = "joined"
    names: tuple[str, ...] = ()
    footer_lines: int = 0
    widths: tuple[int, ...] = ()
    widths_in: Literal["bytes", "characters"] = "bytes"
    sheet: str = ""
    range: str = ""
    path: str = ""
    member: str = "*"
    partitions: bool = False
    longest_record: int = 4 << 20
    expansion: int = 200


def file_options(options: Options) -> FileOptions:
    """The options that say how a file is read.

    Raises:
        SandboxError: ARGUMENT, naming the option.

    """
    asked = options.text("format")
    if asked and asked not in FORMATS:
        raise wrong(f"No file format is named {asked!r}.", did_you_mean(asked, FORMATS))
    header = options.flag("header", True)
    return FileOptions(
        format=next((known for known in FORMATS if known == asked), None),
        encoding=_encoding(options.text("encoding")),
        encoding_is_certain=options.flag("encoding_is_certain", False),
        delimiter=_character("delimiter", options.text("delimiter")),
        quote=_character("quote", options.text("quote", '"')),
        nulls=options.texts("nulls", ("",)),
        skip_lines=options.whole("skip_lines", 0, 0, 1_000_000),
        header_lines=options.whole("header_lines", int(header), 1, 20) if header else 0,
        header_names=options.choice("header_names", ("joined", "first", "last"), "joined"),
        names=options.texts("names"),
        footer_lines=options.whole("footer_lines", 0, 0, 100_000),
        widths=tuple(_width(text) for text in options.texts("widths")),
        widths_in=options.choice("widths_in", ("bytes", "characters"), "bytes"),
        sheet=options.text("sheet"),
        range=options.text("range"),
        path=options.text("path"),
        member=options.text("member", "*"),
        partitions=options.flag("partitions", False),
        longest_record=options.whole("longest_record", 4 << 20, 1024, 1 << 30),
        expansion=options.whole("expansion", 200, 1, 2000),
    )


def open_options(connector: str, given: Mapping[str, Option]) -> FileOptions:
    """The options of a connector that has no others.

    Raises:
        SandboxError: ARGUMENT, naming the option.

    """
    options = Options(connector, given)
    read = file_options(options)
    options.done()
    return read


def format_of(file_name: str, options: FileOptions) -> FileFormat:
    """What lies in a file of this name.

    Raises:
        SandboxError: ARGUMENT when neither name nor option says it.

    """
    if options.format is not None:
        return options.format
    plain = file_name.lower().removesuffix(".gz")
    for suffix, name in _SUFFIXES.items():
        if plain.endswith(suffix):
            return name
    raise wrong(
        f"The name {file_name!r} does not say what lies in the file.",
        "Say it with the option format: " + ", ".join(FORMATS) + ".",
    )


def encoding_name(asked: str) -> str | None:
    """Python's name of a supported encoding, or None."""
    try:
        name = codecs.lookup(asked).name
    except (LookupError, ValueError):
        return None
    if name not in {codecs.lookup(known).name for known in ENCODINGS}:
        return None
    return _SUPERSET.get(name, name)


def _encoding(asked: str) -> str | None:
    if not asked:
        return None
    name = encoding_name(asked)
    if name is None:
        raise wrong(f"The encoding {asked!r} is not supported.", did_you_mean(asked.lower(), ENCODINGS))
    return name


def _character(option: str, asked: str) -> str:
    text = {"\\t": "\t", "tab": "\t"}.get(asked, asked)
    if text and (len(text) != 1 or not text.isascii() or text in "\r\n\0"):
        raise wrong(f"The option {option} must be one ASCII character.", "Write \\t for a tab.")
    return text


def _width(text: str) -> int:
    if not _WIDTHS.fullmatch(text):
        raise wrong("The option widths must be a list of whole numbers above 0.", "As in: 6, 20, 8.")
    return int(text)
