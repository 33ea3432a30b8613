"""The published datasets as DCAT-AP 3 (JSON-LD), for the catalogues of a city, a country or a data space.

Only what policies declare is in it. A protected dataset has restricted access: its distribution is the
service that answers questions, never a file. Terms: https://semiceu.github.io/DCAT-AP/releases/3.0.0/
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.service.reports import DatasetCard

CONTEXT: Mapping[str, Any] = {
    "dcat": "http://www.w3.org/ns/dcat#",
    "dcatap": "http://data.europa.eu/r5r/",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
}
ACCESS = "http://publications.europa.eu/resource/authority/access-right/"
LANGUAGE = "http://publications.europa.eu/resource/authority/language/"
_SPDX = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")


def catalog_document(cards: Sequence[DatasetCard], url: str, publisher: str) -> Mapping[str, Any]:
    """One catalogue with all of `cards`.

    Args:
        cards: the datasets.
        url: where the service answers, as `https://data.example.org`.
        publisher: who runs it.

    """
    base = url.rstrip("/")
    return {
        "@context": CONTEXT,
        "@id": f"{base}/catalog",
        "@type": "dcat:Catalog",
        "dct:title": [_text("Data sandbox", "en"), _text("公共数据沙盒", "zh")],
        "dct:description": [
            _text("Datasets that can be asked about and not be seen.", "en"),
            _text("数据可用不可见的数据集。", "zh"),
        ],
        "dct:publisher": _agent(publisher),
        "dct:language": [{"@id": f"{LANGUAGE}ENG"}, {"@id": f"{LANGUAGE}ZHO"}],
        "dcat:dataset": [_dataset(card, base) for card in cards],
    }


def _dataset(card: DatasetCard, base: str) -> Mapping[str, Any]:
    place = f"{base}/datasets/{card.dataset}"
    titles = [_text(card.title.en, "en"), _text(card.title.zh, "zh")]
    kept = [title for title in titles if title["@value"]] or [_text(card.dataset, "en")]
    protected = any(table.protection == "protected" for table in card.tables)
    names = ", ".join(table.title.en or table.name for table in card.tables)
    return {
        "@id": place,
        "@type": "dcat:Dataset",
        "dct:identifier": card.dataset,
        "dct:title": kept,
        "dct:description": [_text(f"Tables: {names}. Policy {card.policy}.", "en")],
        "dct:publisher": _agent(card.publisher),
        "dct:accessRights": {
            "@id": ACCESS + ("RESTRICTED" if protected else "PUBLIC"),
            "@type": "dct:RightsStatement",
        },
        "dcat:keyword": [_text(table.name, "en") for table in card.tables],
        "dcat:distribution": {
            "@id": f"{place}#questions",
            "@type": "dcat:Distribution",
            "dct:title": [_text("Answers to questions in SQL", "en"), _text("以 SQL 提问并获得答案", "zh")],
            "dcat:accessURL": {"@id": f"{base}/v1/questions"},
            "dct:license": _licence(card.licence),
        },
    }


def _agent(name: str) -> Mapping[str, Any]:
    return {"@type": "foaf:Agent", "foaf:name": name or "unknown"}


def _licence(name: str) -> Mapping[str, Any]:
    """By its SPDX identifier where it is one word, else by its own words."""
    if _SPDX.fullmatch(name):
        return {
            "@id": f"https://spdx.org/licenses/{name}",
            "@type": "dct:LicenseDocument",
            "rdfs:label": name,
        }
    return {"@type": "dct:LicenseDocument", "rdfs:label": name or "not stated"}


def _text(value: str, language: str) -> dict[str, str]:
    return {"@value": value, "@language": language}
