"""OGC API – Features: the items of a collection, page by page along the `next` links."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import httpx

from connectors.fetching import Fetcher, fetching, url_of
from connectors.geojson import feature_cells
from connectors.geometry import numbers
from connectors.object_pages import ObjectPagesSource, Page, array_at, at, fetched
from connectors.options import Options
from sandbox.ingest.source import Option, Source


class OgcFeaturesConnector:
    """The connector `ogc-features`."""

    def open(self, location: str, options: Mapping[str, Option]) -> Source:
        """Open a collection at its URL (`…/collections/NAME`).

        Raises:
            SandboxError: ARGUMENT, SOURCE_UNREADABLE.

        """
        given = Options("ogc-features", options)
        how = fetching(given)
        asked = {"f": "json", "limit": str(given.whole("page_size", 1000, 1, 10_000))}
        for name in ("bbox", "datetime", "crs"):
            value = given.text(name)
            if value:
                asked[name] = value
        given.done()
        start = str(url_of(location)).rstrip("/") + "/items"
        name = url_of(location).path.rstrip("/").rpartition("/")[2]
        return ObjectPagesSource(name, start, how, lambda fetcher: _pages(fetcher, start, asked), flat=_flat)


def _pages(fetcher: Fetcher, start: str, asked: Mapping[str, str]) -> Iterator[Page]:
    url: httpx.URL | None = url_of(start).copy_merge_params(dict(asked))
    while url is not None:
        found, size = fetched(fetcher, str(url))
        features = array_at(found, "features", str(url))
        yield Page(features, size)
        links = at(found, "links")
        leads = (
            [at(link, "href") for link in links if at(link, "rel") == "next"]
            if isinstance(links, list) and features
            else []
        )
        url = url_of(str(url.join(str(leads[0])))) if leads else None


def _flat(feature: Mapping[str, object]) -> Mapping[str, object]:
    return feature_cells({**feature, "geometry": numbers(feature.get("geometry"))})
