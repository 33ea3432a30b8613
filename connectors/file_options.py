"""How files are to be read: the options of the files connector, checked before anything is opened."""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from sandbox.errors import ErrorCode, SandboxError
from sandbox.ingest.source import Option

FileFormat = Literal["delimited", "ndjson", "parquet"]

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

_FORMATS: Mapping[str, FileFormat] = {
    "csv": "delimited",
    "tsv": "delimited",
    "ndjson": "ndjson",
    "parquet": "parquet",
}
_SUFFIXES: Mapping[str, str] = {
    ".csv": "csv",
    ".txt": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".parquet": "parquet",
    ".pq": "parquet",
}


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How to read a file.

    Attributes:
        format: what lies in it.
        encoding: Python's name of the declared encoding; None means byte order mark, else strict UTF-8.
        delimiter, quote: one ASCII character each; an empty quote means that there is none.
        nulls: the texts that mean "no value", quoted or not.
        header: names of the columns are the first record; otherwise they are `column_1`, ….
        skip_lines: lines before the header.
        longest_record: most bytes of one record.
        expansion: most bytes that one compressed byte may become.

    """

    format: FileFormat
    encoding: str | None = None
    delimiter: str = ","
    quote: str = '"'
    nulls: tuple[str, ...] = ("",)
    header: bool = True
    skip_lines: int = 0
    longest_record: int = 4 << 20
    expansion: int = 200


def file_options(file_name: str, options: Mapping[str, Option]) -> FileOptions:
    """Options for one file name.

    Known options: `format` (csv, tsv, ndjson, parquet; else by the name's ending), `encoding`,
    `delimiter`, `quote`, `nulls`, `header`, `skip_lines`, `longest_record`, `expansion`.

    Raises:
        SandboxError: ARGUMENT, naming the option.

    """
    known = set(FileOptions.__dataclass_fields__)
    for key in options:
        if key not in known:
            raise _wrong(
                f"No option of the files connector is named {key!r}.", _did_you_mean(key, sorted(known))
            )
    asked = _format_name(file_name, options.get("format"))
    return FileOptions(
        format=_FORMATS[asked],
        encoding=_encoding(options.get("encoding")),
        delimiter=_character("delimiter", options.get("delimiter", "\t" if asked == "tsv" else ",")),
        quote=_character("quote", options.get("quote", '"'), or_none=True),
        nulls=_texts("nulls", options.get("nulls", ("",))),
        header=_flag("header", options.get("header", True)),
        skip_lines=_whole("skip_lines", options.get("skip_lines", 0), 0, 1_000_000),
        longest_record=_whole("longest_record", options.get("longest_record", 4 << 20), 1024, 1 << 30),
        expansion=_whole("expansion", options.get("expansion", 200), 1, 2000),
    )


def _wrong(message: str, hint: str) -> SandboxError:
    return SandboxError(ErrorCode.ARGUMENT, message, hint)


def _did_you_mean(word: str, known: Sequence[str]) -> str:
    near = get_close_matches(word, known, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."


def _format_name(file_name: str, asked: Option | None) -> str:
    if asked is not None:
        if not isinstance(asked, str) or asked not in _FORMATS:
            raise _wrong(f"No file format is named {asked!r}.", _did_you_mean(str(asked), list(_FORMATS)))
        return asked
    plain = file_name.lower().removesuffix(".gz")
    for suffix, name in _SUFFIXES.items():
        if plain.endswith(suffix):
            return name
    raise _wrong(
        f"The name {file_name!r} does not say what lies in the file.",
        "Say it with the option format: " + ", ".join(_FORMATS) + ".",
    )


def _encoding(asked: Option | None) -> str | None:
    if asked is None:
        return None
    try:
        name = codecs.lookup(str(asked)).name
    except (LookupError, ValueError):
        name = ""
    allowed = {codecs.lookup(known).name for known in ENCODINGS}
    if name not in allowed:
        hint = _did_you_mean(str(asked).lower(), ENCODINGS)
        raise _wrong(f"The encoding {asked!r} is not supported.", hint)
    return _SUPERSET.get(name, name)


def _character(option: str, asked: Option, *, or_none: bool = False) -> str:
    text = {"\\t": "\t", "tab": "\t"}.get(asked, asked) if isinstance(asked, str) else ""
    if or_none and asked == "":
        return ""
    if len(text) != 1 or not text.isascii() or text in "\r\n\0":
        raise _wrong(f"The option {option} must be one ASCII character.", "Write \\t for a tab.")
    return text


def _texts(option: str, asked: Option) -> tuple[str, ...]:
    if isinstance(asked, str):
        return (asked,)
    if isinstance(asked, int) or not all(isinstance(text, str) for text in asked):
        raise _wrong(f"The option {option} must be a list of texts.", "")
    return tuple(asked)


def _flag(option: str, asked: Option) -> bool:
    if isinstance(asked, bool):
        return asked
    raise _wrong(f"The option {option} must be true or false.", "")


def _whole(option: str, asked: Option, least: int, most: int) -> int:
    if isinstance(asked, int) and not isinstance(asked, bool) and least <= asked <= most:
        return asked
    raise _wrong(f"The option {option} must be a whole number from {least} to {most}.", "")
