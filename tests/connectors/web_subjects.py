"""Connectors that fetch over HTTP, each against a server that speaks its protocol, and S3 against moto."""

from __future__ import annotations

import io
from itertools import count
from typing import Any

from sandbox.ingest.connect import open_source
from tests.connectors.file_subjects import delimited, features, objects
from tests.connectors.subject import Opener, Published
from tests.connectors.web_server import Site

_NUMBERS = count(1)
LOCAL = {"private_hosts": ["127.0.0.1", "localhost"]}


class WebSubject:
    """One kind of API on the tests' own server."""

    flat = True

    def __init__(self, site: Site, kind: str) -> None:
        self._site = site
        self._kind = kind

    def publish(self, table: Published) -> Opener:
        place = f"/{next(_NUMBERS)}"
        location, connector, options = getattr(self, "_" + self._kind)(place, table)
        return lambda: open_source(location, LOCAL | options, connector=connector)

    def _file(self, place: str, table: Published) -> tuple[str, str, dict[str, Any]]:
        self._site.files[place + ".csv"] = delimited(table, "gb18030")
        return self._site.url(place + ".csv"), "", {"encoding": "gb18030"}

    def _json_pages(self, place: str, table: Published) -> tuple[str, str, dict[str, Any]]:
        rows = objects(table)

        def page(_: str, asked: dict[str, str]) -> Any:
            size, number = int(asked["size"]), int(asked["page"])
            return {"data": {"rows": rows[(number - 1) * size : number * size]}}

        self._site.pages[place] = page
        options = {"paging": "page", "rows": "data.rows", "size_parameter": "size", "page_size": _size(table)}
        return self._site.url(place), "json-pages", options

    def _ckan(self, place: str, table: Published) -> tuple[str, str, dict[str, Any]]:
        rows = [{"_id": n, **row} for n, row in enumerate(objects(table), 1)]
        fields = [{"id": "_id", "type": "int"}, *({"id": name, "type": "text"} for name in table.columns)]

        def search(_: str, asked: dict[str, str]) -> Any:
            assert asked["resource_id"] == "r-1"
            limit, offset = int(asked["limit"]), int(asked.get("offset", 0))
            result = {"fields": fields, "records": rows[offset : offset + limit], "total": len(rows)}
            return {"help": "…", "success": True, "result": result}

        self._site.pages[f"{place}/api/3/action/datastore_search"] = search
        return self._site.url(place), "ckan", {"resource": "r-1", "page_size": _size(table)}

    def _socrata(self, place: str, table: Published) -> tuple[str, str, dict[str, Any]]:
        rows = [{name: cell for name, cell in row.items() if cell is not None} for row in objects(table)]
        names = [{"fieldName": name} for name in (*table.columns, ":@computed")]

        def resource(_: str, asked: dict[str, str]) -> Any:
            assert asked["$order"] == ":id"
            offset = int(asked["$offset"])
            return rows[offset : offset + int(asked["$limit"])]

        self._site.pages[f"{place}/resource/abcd-1234.json"] = resource
        self._site.pages[f"{place}/api/views/abcd-1234.json"] = lambda *_: {"columns": names}
        return self._site.url(place), "socrata", {"dataset": "abcd-1234", "page_size": _size(table)}

    def _ogc_features(self, place: str, table: Published) -> tuple[str, str, dict[str, Any]]:
        found = features(table)
        items = f"{place}/collections/点/items"

        def page(_: str, asked: dict[str, str]) -> Any:
            limit, offset = int(asked["limit"]), int(asked.get("offset", 0))
            part = found[offset : offset + limit]
            links = [{"rel": "self", "href": "."}]
            if offset + limit < len(found):
                links.append({"rel": "next", "href": f"items?limit={limit}&offset={offset + limit}&f=json"})
            return {"type": "FeatureCollection", "features": part, "links": links}

        self._site.pages[items.replace("点", "%E7%82%B9")] = page
        return self._site.url(f"{place}/collections/点"), "ogc-features", {"page_size": _size(table)}

    def _sdmx(self, place: str, table: Published) -> tuple[str, str, dict[str, Any]]:
        self._site.files[f"{place}/data/FLOW"] = delimited(table)
        return self._site.url(f"{place}/data/FLOW"), "sdmx", {}


def _size(table: Published) -> int:
    return 2 if len(table.rows) < 10 else 1_000


class S3Subject:
    """A folder of a bucket in moto's S3."""

    flat = True

    def __init__(self, store: Any, port: int) -> None:
        self._store = store
        self._port = port

    def publish(self, table: Published) -> Opener:
        prefix = f"数据/{next(_NUMBERS)}"
        self._store.upload_fileobj(io.BytesIO(delimited(table)), "bucket", f"{prefix}/表.csv")
        options = {
            "endpoint": f"http://127.0.0.1:{self._port}",
            "access_key": "env:S3_ACCESS",
            "secret_key": "env:S3_SECRET",
        }
        return lambda: open_source(f"s3://bucket/{prefix}/", options)


WEB = ("file", "json_pages", "ckan", "socrata", "ogc_features", "sdmx")
