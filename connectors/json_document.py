"""JSON documents: an array of objects, at the top or at a path. The array streams; its objects do not.

Record numbers are places in the array, from 1. A document that is cut or broken ends the load: what
follows could not be told from what was before.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any

import ijson

from connectors.decoding import Utf8Stream
from connectors.file_options import FileOptions
from connectors.json_guard import GuardedJson
from connectors.object_rows import RowsOfObjects, keys
from connectors.opening import FileBytes, unreadable
from connectors.places import Place
from connectors.wrong_text import without_wrong_text
from sandbox.ingest.source import RawBatch

HEAD_OBJECTS = 10_000


class Once(dict[str, object]):
    """An object that remembers that a key was named twice."""

    twice = False

    def __setitem__(self, key: str, value: object) -> None:
        self.twice = self.twice or key in self
        super().__setitem__(key, value)


class JsonDocument:
    """One JSON document."""

    def __init__(self, place: Place, options: FileOptions) -> None:
        self._place = place
        self._options = options

    def array(self) -> str:
        """The path of the array; empty for the document itself."""
        return self._options.path

    def flat(self, found: Mapping[str, object]) -> Mapping[str, object]:
        """The columns of an object of the array.

        Raises:
            ValueError: the reason why it is none.

        """
        return found

    def columns(self) -> tuple[str, ...]:
        """The keys of the first 10,000 objects, in the order in which they appear.

        Raises:
            SandboxError: SOURCE_UNREADABLE.

        """
        names: dict[str, None] = {}
        with self._items() as (items, _text, _file):
            for item in islice(items, HEAD_OBJECTS):
                if isinstance(item, dict):
                    try:
                        names.update(dict.fromkeys(keys(self.flat(item))))
                    except ValueError:
                        continue
        if not names:
            where = f"at the path {self.array()}" if self.array() else "at its top"
            raise unreadable(
                f"{self._place.name} holds no array of objects {where}.",
                "Say where it is by the option path, as in: data.rows.",
            )
        return tuple(names)

    def batches(self, columns: Sequence[str]) -> Iterator[RawBatch]:
        """Its objects as text columns.

        Raises:
            SandboxError: SOURCE_UNREADABLE.

        """
        rows = RowsOfObjects(self._place.name, columns, self._options.nulls)
        with self._items() as (items, text, file):
            for number, item in enumerate(items, 1):
                self._add(rows, number, item)
                if rows.is_full:
                    batch = rows.batch(file.consumed)
                    yield without_wrong_text(batch) if text.marked or text.nul else batch
            batch = rows.batch(file.consumed)
            yield without_wrong_text(batch) if text.marked or text.nul else batch

    def _add(self, rows: RowsOfObjects, number: int, item: object) -> None:
        if not isinstance(item, dict):
            rows.bad(number, "not a JSON object", raw_json(item))
        elif isinstance(item, Once) and item.twice:
            rows.bad(number, "a key that is named twice", raw_json(item))
        else:
            try:
                rows.add(self.flat(item), number, partial(raw_json, item))
            except ValueError as error:
                rows.bad(number, str(error), raw_json(item))

    @contextmanager
    def _items(self) -> Iterator[tuple[Iterator[Any], Utf8Stream, FileBytes]]:
        file = FileBytes(self._place, self._options.expansion)
        with file, Utf8Stream(file, self._place.name, self._options) as text:
            reader = io.BufferedReader(GuardedJson(text, self._place.name), 1 << 20)
            yield self._parsed(reader), text, file

    def _parsed(self, stream: io.BufferedReader[GuardedJson]) -> Iterator[Any]:
        prefix = f"{self.array()}.item" if self.array() else "item"
        try:
            yield from ijson.items(stream, prefix, map_type=Once, buf_size=1 << 16)
        except (ijson.JSONError, ValueError, ArithmeticError, RecursionError):
            raise unreadable(
                f"{self._place.name} is not one whole JSON document.",
                "Fetch it again; one object on each line is the format ndjson.",
            ) from None


def raw_json(item: object) -> str:
    """An object as JSON text, for a bad record."""
    return json.dumps(item, ensure_ascii=False, default=str)
