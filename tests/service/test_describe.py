"""What goes out to catalogues: valid DCAT-AP and Croissant, pages in two languages, nothing of the data."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pyshacl
import pytest
import rdflib

from sandbox.errors import ErrorCode, SandboxError
from sandbox.service import opc
from sandbox.service.croissant import CONTEXT
from sandbox.service.home import Home
from tests.service.instance import acting

# rdflib's own reader of JSON-LD uses what rdflib calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:rdflib")
SHAPES = Path(__file__).parent / "shapes"
URL = "https://data.example.org"


def described(town: Home, form: str, dataset: str = "town") -> dict[str, bytes]:
    return dict(opc.describe(town, acting(town, "li"), dataset, form, URL))


def graph_of(content: bytes) -> rdflib.Graph:
    return rdflib.Graph().parse(data=content, format="json-ld", publicID=f"{URL}/")


def problems(content: bytes, shapes: str) -> str:
    conforms, _, text = pyshacl.validate(graph_of(content), shacl_graph=str(SHAPES / shapes), advanced=False)
    return "" if conforms else str(text)


def without(document: dict[str, Any], key: str) -> bytes:
    """The document without every `key`, at any depth."""

    def cut(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                name: cut(part) for name, part in value.items() if name != key or name in ("@type", "@id")
            }
        return [cut(part) for part in value] if isinstance(value, list) else value

    return json.dumps({**cut(document), "@context": document["@context"]}).encode()


def test_dcat(town: Home) -> None:
    (content,) = described(town, "dcat").values()
    assert problems(content, "dcat_ap.ttl") == ""
    graph = graph_of(content)
    rights = rdflib.URIRef("http://purl.org/dc/terms/accessRights")
    assert [str(right).rpartition("/")[2] for right in graph.objects(None, rights)] == ["RESTRICTED"]
    assert str(next(graph.objects(None, rdflib.URIRef("http://purl.org/dc/terms/license")))).endswith(
        "CC-BY-4.0"
    )


@pytest.mark.parametrize(
    "key", ["dct:title", "dct:description", "dct:publisher", "dcat:accessURL", "dct:license"]
)
def test_the_shapes_of_dcat_can_fail(town: Home, key: str) -> None:
    document = json.loads(described(town, "dcat")["catalog.jsonld"])
    assert problems(without(document, key), "dcat_ap.ttl")


def test_croissant(town: Home) -> None:
    files = described(town, "croissant")
    assert problems(files["croissant.json"], "croissant.ttl") == ""
    document = json.loads(files["croissant.json"])
    assert document["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert document["license"] == "CC-BY-4.0"
    for file in document["distribution"]:
        content = files[file["contentUrl"]]
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
    for records in document["recordSet"]:
        rows = list(csv.DictReader(io.StringIO(files[f"{records['name']}.csv"].decode())))
        assert len(rows) == 100
        assert [field["source"]["extract"]["column"] for field in records["field"]] == list(rows[0])
    keys = {name for name in document if not name.startswith("@")}
    known = set(CONTEXT) | {
        "name",
        "description",
        "license",
        "url",
        "creator",
        "datePublished",
        "version",
        "distribution",
    }
    assert keys <= known


@pytest.mark.parametrize(
    "key", ["sha256", "conformsTo", "license", "field", "dataType", "source", "contentUrl"]
)
def test_the_shapes_of_croissant_can_fail(town: Home, key: str) -> None:
    document = json.loads(described(town, "croissant")["croissant.json"])
    assert problems(without(document, key), "croissant.ttl")


def test_pages_in_two_languages(town: Home) -> None:
    pages = described(town, "page")
    english, chinese = pages["town.en.md"].decode(), pages["town.zh.md"].decode()
    assert english.startswith("# Town (`town`)")
    assert chinese.startswith("# 城镇 (`town`)")
    for page in (english, chinese):
        assert "CC-BY-4.0" in page
        assert "| `age` | integer |" in page
        assert "0 … 110" in page
        assert "east, west" in page
        assert len({line.count("|") for line in page.splitlines() if line.startswith("|")}) == 1
    assert "受保护" in chinese


def test_nothing_of_the_data_and_nothing_hidden_goes_out(town: Home) -> None:
    for form in ("dcat", "croissant", "page"):
        content = b"".join(described(town, form).values())
        for word in (b"secret", b"cell-0", b"residents.csv?", b"rows_stored", b"300"):
            assert word not in content.replace(b'"@language"', b""), (form, word)


def test_every_answer_names_its_sources(town: Home) -> None:
    li = acting(town, "li")
    open_answer = opc.ask(town, li, "SELECT SUM(area) AS a FROM districts", "town-2026")
    paid = opc.ask(town, li, "SELECT COUNT(*) AS n FROM residents", "town-2026")
    again = opc.ask(town, li, "SELECT COUNT(*) AS n FROM residents", "town-2026")
    assert again.repeated
    for answer in (open_answer, paid, again):
        assert answer.attribution == ("Town: City. CC-BY-4.0",)


def test_what_is_not_there(town: Home) -> None:
    for form, dataset, code in (
        ("page", "nothing", ErrorCode.DATASET_UNKNOWN),
        ("pdf", "town", ErrorCode.ARGUMENT),
    ):
        with pytest.raises(SandboxError) as caught:
            described(town, form, dataset)
        assert caught.value.code is code
