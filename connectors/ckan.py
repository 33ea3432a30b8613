"""CKAN by its Action API: the rows of a resource in the DataStore, or the file that a resource names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing

from connectors.fetching import Fetcher, Fetching, fetching, shown, url_of
from connectors.file_options import file_options
from connectors.file_source import FilesSource, parts_of
from connectors.object_pages import ObjectPagesSource, Page, at, fetched
from connectors.opening import unreadable
from connectors.options import Options
from connectors.web_file import WebFile
from sandbox.ingest.source import Option, Source


class CkanConnector:
    """The connector `ckan`."""

    def open(self, location: str, options: Mapping[str, Option]) -> Source:
        """Open a resource of the CKAN at `location`, by the option `resource` (its id).

        Raises:
            SandboxError: ARGUMENT, SOURCE_UNREADABLE.

        """
        given = Options("ckan", options)
        how = fetching(given)
        resource = given.needed("resource", "The id of the resource, from its page.")
        size = given.whole("page_size", 10_000, 1, 32_000)
        kind = given.choice("read", ("datastore", "file"), "datastore")
        read = file_options(given)
        given.done()
        api = str(url_of(location)).rstrip("/") + "/api/3/action/"
        if kind == "file":
            place = WebFile(_file(api, resource, how), how)
            return FilesSource(place.name, shown(location) + f"#{resource}", parts_of([place], read))
        url = api + "datastore_search"
        return ObjectPagesSource(
            resource,
            url,
            how,
            lambda fetcher: _pages(fetcher, url, resource, size),
            columns=lambda fetcher: _columns(fetcher, url, resource),
        )


def _result(fetcher: Fetcher, url: str, **parameters: str) -> tuple[Mapping[str, object], int]:
    asked = str(url_of(url).copy_merge_params(parameters))
    found, size = fetched(fetcher, asked)
    result = at(found, "result")
    if at(found, "success") is not True or not isinstance(result, dict):
        raise unreadable(f"{shown(url)} refused the request.", "Check the option resource.")
    return result, size


def _columns(fetcher: Fetcher, url: str, resource: str) -> tuple[str, ...]:
    result, _ = _result(fetcher, url, resource_id=resource, limit="0")
    fields = result.get("fields")
    names = [at(field, "id") for field in fields] if isinstance(fields, list) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise unreadable(f"{shown(url)} does not say which columns there are.", "Try read: file.")
    return tuple(str(name) for name in names)


def _pages(fetcher: Fetcher, url: str, resource: str, size: int) -> Iterator[Page]:
    offset, total = 0, None
    while True:
        result, fetched_bytes = _result(
            fetcher, url, resource_id=resource, limit=str(size), offset=str(offset), sort="_id"
        )
        records = result.get("records")
        if not isinstance(records, list):
            raise unreadable(f"{shown(url)} gave no records.", "Check the option resource.")
        if total is not None and result.get("total") != total:
            raise unreadable(f"{shown(url)} changed while it was read.", "Load it again.")
        total = result.get("total")
        if not records:
            return
        yield Page(records, fetched_bytes)
        offset += len(records)


def _file(api: str, resource: str, how: Fetching) -> str:
    with closing(Fetcher(api, how)) as fetcher:
        result, _ = _result(fetcher, api + "resource_show", id=resource)
    url = result.get("url")
    if not isinstance(url, str) or not url:
        raise unreadable(f"{shown(api)} names no file for the resource.", "Try read: datastore.")
    return url
