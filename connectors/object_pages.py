"""Pages of JSON objects as one source: what every JSON API comes down to."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from connectors.fetching import Fetcher, Fetching, shown
from connectors.json_document import Once, raw_json
from connectors.object_rows import RowsOfObjects, keys
from connectors.opening import unreadable
from sandbox.ingest.source import RawBatch, SourceDescription

MOST_PAGES = 1_000_000
MOST_PAGE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Page:
    """One page.

    Attributes:
        objects: that it holds.
        size: bytes that were fetched for it.

    """

    objects: Sequence[object]
    size: int


Pages = Callable[[Fetcher], Iterator[Page]]
Flat = Callable[[Mapping[str, object]], Mapping[str, object]]


def fetched(fetcher: Fetcher, url: str) -> tuple[dict[str, object] | list[object], int]:
    """One JSON document, small enough for memory; numbers are texts, as they were written.

    Raises:
        SandboxError: SOURCE_UNREADABLE.

    """
    body = fetcher.body(url, {"Accept": "application/json"}, most=MOST_PAGE_BYTES)
    try:
        found = json.loads(body, parse_float=str, parse_int=str, parse_constant=str, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict | list):
        raise unreadable(f"{shown(url)} did not answer with JSON.", "Check the URL.")
    return found, len(body)


def at(found: object, path: str) -> object:
    """What stands at a path (`data.rows`) of a document; None if nothing does."""
    for part in filter(None, path.split(".")):
        if not isinstance(found, dict):
            return None
        found = found.get(part)
    return found


def array_at(found: object, path: str, url: str) -> list[object]:
    """The array at a path.

    Raises:
        SandboxError: SOURCE_UNREADABLE.

    """
    array = at(found, path)
    if not isinstance(array, list):
        raise unreadable(
            f"{shown(url)} holds no array at {path or 'its top'}.", "Say where it is by the option rows."
        )
    return array


class ObjectPagesSource:
    """All objects of all pages.

    Args:
        name: of the source.
        location: its URL.
        how: it is fetched.
        pages: fetches the pages.
        flat: the columns of an object; ValueError, with the reason, if it is no row.
        columns: fetches the names of the columns; None means by the first page.

    """

    def __init__(
        self,
        name: str,
        location: str,
        how: Fetching,
        pages: Pages,
        *,
        flat: Flat = lambda found: found,
        columns: Callable[[Fetcher], tuple[str, ...]] | None = None,
    ) -> None:
        self._name = name
        self._location = location
        self._how = how
        self._pages = pages
        self._flat = flat
        self._columns = columns

    def describe(self) -> SourceDescription:
        """Name and URL, without its query."""
        return SourceDescription(self._name, shown(self._location))

    def columns(self) -> tuple[str, ...]:
        """Names of the columns.

        Raises:
            SandboxError: SOURCE_UNREADABLE.

        """
        with closing(Fetcher(self._location, self._how)) as fetcher:
            if self._columns is not None:
                return self._columns(fetcher)
            with closing(self._turned(fetcher)) as pages:
                names: dict[str, None] = {}
                for item in next(pages, Page((), 0)).objects:
                    try:
                        names.update(dict.fromkeys(keys(self._flat(item)))) if isinstance(
                            item, dict
                        ) else None
                    except ValueError:
                        continue
        if not names:
            raise unreadable(f"{shown(self._location)} gave no object.", "Check URL, rows and paging.")
        return tuple(names)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[RawBatch]:
        """Its objects as text columns, a batch for each page.

        Raises:
            SandboxError: SOURCE_UNREADABLE.

        """
        names = self.columns() if columns is None else tuple(columns)
        rows = RowsOfObjects(self._name, names)
        record = done = 0
        with closing(Fetcher(self._location, self._how)) as fetcher, closing(self._turned(fetcher)) as pages:
            for page in pages:
                done += page.size
                for item in page.objects:
                    record += 1
                    self._add(rows, record, item)
                yield rows.batch(done)

    def _turned(self, fetcher: Fetcher) -> Generator[Page, None, None]:
        """The pages, but none twice in a row: a server that ignores the page's number never ends."""
        before: Sequence[object] | None = None
        for number, page in enumerate(self._pages(fetcher), 1):
            if number > MOST_PAGES or (page.objects and page.objects == before):
                raise unreadable(
                    f"{shown(self._location)} gives the same page again and again.", "Check the paging."
                )
            before = page.objects
            yield page

    def _add(self, rows: RowsOfObjects, record: int, item: object) -> None:
        if not isinstance(item, dict):
            rows.bad(record, "not a JSON object", raw_json(item))
        elif isinstance(item, Once) and item.twice:
            rows.bad(record, "a key that is named twice", raw_json(item))
        else:
            try:
                rows.add(self._flat(item), record, partial(raw_json, item))
            except ValueError as error:
                rows.bad(record, str(error), raw_json(item))


def _once(pairs: list[tuple[str, object]]) -> Once:
    made = Once()
    for key, value in pairs:
        made[key] = value
    return made
