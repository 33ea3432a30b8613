"""OGC API – Features against a real pygeoapi, in a virtual environment of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import shapely

from sandbox.ingest.connect import open_source
from tests.connectors.subject import digest
from tests.ingest.conftest import Read
from tests.ports import free_port

pytestmark = pytest.mark.long

CONFIG = """
server:
  bind: {{host: 127.0.0.1, port: {port}}}
  url: http://127.0.0.1:{port}
  mimetype: application/json; charset=UTF-8
  encoding: utf-8
  language: en-US
  languages: [en-US]
  pretty_print: false
  limits: {{default_items: 2, max_items: 3}}
  map: {{url: "https://tile.example/{{z}}/{{x}}/{{y}}.png", attribution: none}}
logging: {{level: ERROR}}
metadata:
  identification:
    {{title: t, description: d, keywords: [k], keywords_type: theme, terms_of_service: none, url: http://e.example}}
  license: {{name: CC0, url: http://e.example}}
  provider: {{name: p, url: http://e.example}}
  contact:
    {{name: c, position: p, address: a, city: c, stateorprovince: s, postalcode: "1", country: cn, phone: "1",
     fax: "1", email: a@e.example, url: http://e.example, hours: h, instructions: i, role: pointOfContact}}
resources:
  lakes:
    type: collection
    title: Lakes
    description: lakes
    keywords: [lakes]
    links: []
    extents: {{spatial: {{bbox: [-180,-90,180,90], crs: "http://www.opengis.net/def/crs/OGC/1.3/CRS84"}}}}
    providers:
      - {{type: feature, name: GeoJSON, data: {data}, id_field: id}}
"""
NAMES = ("东湖", "西湖", "太湖", "洞庭湖", "鄱阳湖", "巢湖", "洪泽湖")


@pytest.fixture(scope="module")
def pygeoapi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("pygeoapi")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    pip = [
        str(folder / "venv/bin/pip"),
        "install",
        "--quiet",
        "--only-binary",
        ":all:",
        "pygeoapi>=0.21,<0.25",
    ]
    subprocess.run(pip, check=True)
    features = [
        {
            "type": "Feature",
            "id": n,
            "properties": {"名": name},
            "geometry": {"type": "Point", "coordinates": [n, 30.5]},
        }
        for n, name in enumerate(NAMES)
    ]
    data = folder / "data.geojson"
    data.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    port = free_port()
    config = folder / "config.yml"
    config.write_text(CONFIG.format(port=port, data=data))
    environment = os.environ | {
        "PYGEOAPI_CONFIG": str(config),
        "PYGEOAPI_OPENAPI": str(folder / "openapi.yml"),
    }
    program = str(folder / "venv/bin/pygeoapi")
    subprocess.run(
        [program, "openapi", "generate", str(config), "--output-file", str(folder / "openapi.yml")],
        env=environment,
        check=True,
        capture_output=True,
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "serve"], env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            home = f"http://127.0.0.1:{port}"
            _wait(home, process, folder / "log")
            yield home
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def _wait(home: str, process: subprocess.Popen[bytes], log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(600):
        with suppress(OSError):
            opener.open(home, timeout=5).close()
            return
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def test_all_pages_of_a_collection(pygeoapi):
    def opened():
        options = {"private_hosts": ["127.0.0.1"], "page_size": "3"}
        return open_source(f"{pygeoapi}/collections/lakes", options, connector="ogc-features")

    got = Read(opened())
    assert tuple(row["名"] for row in got.rows) == NAMES
    assert got.batches == 3
    assert shapely.from_wkb(got.rows[6]["geometry"]).equals(shapely.Point(6, 30.5))
    assert digest(opened()) == digest(opened())


def test_a_box(pygeoapi):
    options = {"private_hosts": ["127.0.0.1"], "bbox": "0.5,30,2.5,31"}
    got = Read(open_source(f"{pygeoapi}/collections/lakes", options, connector="ogc-features"))
    assert [row["名"] for row in got.rows] == ["西湖", "太湖"]
