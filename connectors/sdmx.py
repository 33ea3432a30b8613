"""SDMX: the observations of a dataflow, as SDMX-CSV (streamed) or SDMX-JSON (held in memory)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from connectors.fetching import Fetcher, fetching, shown, url_of
from connectors.file_options import FileOptions
from connectors.file_source import FilesSource, parts_of
from connectors.object_pages import ObjectPagesSource, Page, at, fetched
from connectors.opening import unreadable
from connectors.options import Options
from connectors.web_file import WebFile
from sandbox.ingest.source import Option, Source

_CSV = "application/vnd.sdmx.data+csv;version=1.0.0,text/csv;q=0.5"


class SdmxConnector:
    """The connector `sdmx`."""

    def open(self, location: str, options: Mapping[str, Option]) -> Source:
        """Open a data query (`…/data/FLOW/KEY`).

        Raises:
            SandboxError: ARGUMENT, SOURCE_UNREADABLE.

        """
        given = Options("sdmx", options)
        how = fetching(given)
        form = given.choice("form", ("csv", "json"), "csv")
        given.done()
        if form == "csv":
            place = WebFile(location, how, {"Accept": _CSV})
            return FilesSource(place.name, shown(location), parts_of([place], FileOptions(format="csv")))
        name = url_of(location).path.rstrip("/").rpartition("/")[2]
        return ObjectPagesSource(name, location, how, lambda fetcher: _pages(fetcher, location))


def _pages(fetcher: Fetcher, location: str) -> Iterator[Page]:
    found, size = fetched(fetcher, location)
    data = at(found, "data") if at(found, "data") is not None else found
    structures = at(data, "structures")
    structure = structures[0] if isinstance(structures, list) and structures else at(data, "structure")
    sets = at(data, "dataSets")
    if not isinstance(structure, dict) or not isinstance(sets, list):
        raise unreadable(f"{shown(location)} did not answer with SDMX-JSON.", "Try form: csv.")
    try:
        rows = [row for one in sets for row in _observations(one, structure)]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        raise unreadable(f"{shown(location)} answered with damaged SDMX-JSON.", "Try form: csv.") from None
    yield Page(rows, size)


def _observations(found: object, structure: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    dimensions = {
        place: _components(at(structure, f"dimensions.{place}"))
        for place in ("dataSet", "series", "observation")
    }
    attributes = _components(at(structure, "attributes.observation"))
    # A dimension of the whole data set has one value.
    fixed = {name: values[0] for name, values in dimensions["dataSet"]}
    series = at(found, "series")
    groups = series.items() if isinstance(series, dict) else [("", found)]
    for key, group in groups:
        outer = fixed | _named(dimensions["series"], key)
        observations = at(group, "observations")
        for inner, cells in observations.items() if isinstance(observations, dict) else ():
            row: dict[str, object] = outer | _named(dimensions["observation"], inner)
            row["OBS_VALUE"] = cells[0]
            for (name, values), index in zip(attributes, cells[1:], strict=False):
                row[name] = None if index is None else values[int(index)]
            yield row


def _components(found: object) -> Sequence[tuple[str, list[str]]]:
    if not isinstance(found, list):
        return []
    return [
        (one["id"], [value["id"] if "id" in value else value["name"] for value in one["values"]])
        for one in found
    ]


def _named(dimensions: Sequence[tuple[str, list[str]]], key: str) -> dict[str, object]:
    places = key.split(":") if key else []
    return {name: values[int(place)] for (name, values), place in zip(dimensions, places, strict=True)}
