"""Any JSON API whose paging can be declared.

`paging`: `none`; `page` (numbered from `first_page`, in `page_parameter`); `offset` (in `page_parameter`);
`cursor` (the text at `next` of a page goes into `page_parameter`); `next` (a URL at `next`). Pages end with
an empty one, or where nothing leads on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import httpx

from connectors.fetching import Fetcher, fetching, url_of
from connectors.object_pages import ObjectPagesSource, Page, array_at, at, fetched
from connectors.options import Options, wrong
from sandbox.ingest.source import Option, Source

Paging = Literal["none", "page", "offset", "cursor", "next"]


@dataclass(frozen=True, slots=True)
class _Turning:
    paging: Paging
    rows: str
    parameter: str
    size_parameter: str
    size: int
    first: int
    next: str


class JsonPagesConnector:
    """The connector `json-pages`."""

    def open(self, location: str, options: Mapping[str, Option]) -> Source:
        """Open a JSON API; fetches when it is read.

        Raises:
            SandboxError: ARGUMENT, SOURCE_UNREADABLE.

        """
        given = Options("json-pages", options)
        how = fetching(given)
        kinds: tuple[Paging, ...] = ("none", "page", "offset", "cursor", "next")
        none: Paging = "none"
        paging = given.choice("paging", kinds, none)
        turning = _Turning(
            paging=paging,
            rows=given.text("rows"),
            parameter=given.text(
                "page_parameter", {"page": "page", "offset": "offset"}.get(paging, "cursor")
            ),
            size_parameter=given.text("size_parameter"),
            size=given.whole("page_size", 1000, 1, 1_000_000),
            first=given.whole("first_page", 1, 0, 1_000_000),
            next=given.text("next"),
        )
        given.done()
        if paging in ("cursor", "next") and not turning.next:
            raise wrong(f"paging: {paging} needs the option next.", "The path of what leads on: meta.next.")
        name = url_of(location).path.strip("/").rpartition("/")[2] or "pages"
        return ObjectPagesSource(name, location, how, lambda fetcher: _pages(fetcher, location, turning))


def _pages(fetcher: Fetcher, location: str, turning: _Turning) -> Iterator[Page]:
    start = url_of(location)
    if turning.size_parameter:
        start = start.copy_merge_params({turning.size_parameter: str(turning.size)})
    url: httpx.URL | None = start
    position = turning.first if turning.paging == "page" else 0
    if turning.paging in ("page", "offset"):
        url = start.copy_merge_params({turning.parameter: str(position)})
    while url is not None:
        found, size = fetched(fetcher, str(url))
        objects = array_at(found, turning.rows, str(url))
        yield Page(objects, size)
        position += 1 if turning.paging == "page" else len(objects)
        url = _next(start, url, found, turning, position) if objects else None


def _next(
    start: httpx.URL, here: httpx.URL, found: object, turning: _Turning, position: int
) -> httpx.URL | None:
    match turning.paging:
        case "none":
            return None
        case "page" | "offset":
            return start.copy_merge_params({turning.parameter: str(position)})
        case _:
            leads = at(found, turning.next)
            if not isinstance(leads, str) or not leads:
                return None
            if turning.paging == "cursor":
                return start.copy_merge_params({turning.parameter: leads})
            return url_of(str(here.join(leads)))
