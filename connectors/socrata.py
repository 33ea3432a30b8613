"""Socrata by its open data API: the rows of a dataset in the order of their ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from connectors.fetching import Fetcher, fetching, shown, url_of
from connectors.geometry import geometry_cells, numbers
from connectors.object_pages import ObjectPagesSource, Page, array_at, at, fetched
from connectors.opening import unreadable
from connectors.options import Options
from sandbox.ingest.source import Option, Source


class SocrataConnector:
    """The connector `socrata`."""

    def open(self, location: str, options: Mapping[str, Option]) -> Source:
        """Open a dataset of the portal at `location`, by the option `dataset` (`abcd-1234`).

        Raises:
            SandboxError: ARGUMENT, SOURCE_UNREADABLE.

        """
        given = Options("socrata", options)
        how = fetching(given)
        dataset = given.needed("dataset", "The id of the dataset, as in abcd-1234.")
        size = given.whole("page_size", 10_000, 1, 50_000)
        given.done()
        home = str(url_of(location)).rstrip("/")
        return ObjectPagesSource(
            dataset,
            f"{home}/resource/{dataset}.json",
            how,
            lambda fetcher: _pages(fetcher, f"{home}/resource/{dataset}.json", size),
            flat=_flat,
            columns=lambda fetcher: _columns(fetcher, f"{home}/api/views/{dataset}.json"),
        )


def _columns(fetcher: Fetcher, url: str) -> tuple[str, ...]:
    found, _ = fetched(fetcher, url)
    names = [at(column, "fieldName") for column in array_at(found, "columns", url)]
    kept = tuple(name for name in names if isinstance(name, str) and not name.startswith(":"))
    if not kept:
        raise unreadable(f"{shown(url)} does not say which columns there are.", "Check the option dataset.")
    return kept


def _pages(fetcher: Fetcher, url: str, size: int) -> Iterator[Page]:
    offset = 0
    while True:
        asked = {"$limit": str(size), "$offset": str(offset), "$order": ":id"}
        found, fetched_bytes = fetched(fetcher, str(url_of(url).copy_merge_params(asked)))
        rows = array_at(found, "", url)
        if not rows:
            return
        yield Page(rows, fetched_bytes)
        offset += len(rows)


def _flat(found: Mapping[str, object]) -> Mapping[str, object]:
    """Geometries become WKB under their own name."""
    cells = dict(found)
    for name, value in found.items():
        if isinstance(value, dict) and "coordinates" in value:
            cells[name] = geometry_cells(numbers(value))["geometry"]
    return cells
