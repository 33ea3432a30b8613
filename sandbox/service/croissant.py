"""A dataset as Croissant 1.0 (JSON-LD), for tools of machine learning.

Croissant describes files. The files here are dummy rows, made from declared metadata and lying beside the
description with their digests: code that reads them reads the answers' columns too. The real rows have no
file. Format: https://docs.mlcommons.org/croissant/docs/croissant-spec.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date
from typing import Any

from sandbox.service.reports import ColumnCard, DatasetCard, TableCard

CONFORMS = "http://mlcommons.org/croissant/1.0"
CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_TYPES = {
    "integer": "sc:Integer",
    "decimal": "sc:Number",
    "double": "sc:Float",
    "boolean": "sc:Boolean",
    "date": "sc:Date",
    "timestamp": "sc:DateTime",
    "text": "sc:Text",
}


def croissant_document(
    card: DatasetCard, url: str, files: Mapping[str, bytes], day: date
) -> Mapping[str, Any]:
    """The description of one dataset.

    Args:
        card: the dataset.
        url: where the service answers.
        files: the CSV of dummy rows of each table, which lies beside the description as `<table>.csv`.
        day: when it is published.

    """
    name = card.title.en or card.title.zh or card.dataset
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS,
        "name": card.dataset,
        "description": f"{name}. The files hold dummy rows; the real rows are asked about, never seen.",
        "license": card.licence or "not stated",
        "url": f"{url.rstrip('/')}/datasets/{card.dataset}",
        "creator": {"@type": "sc:Organization", "name": card.publisher or "unknown"},
        "datePublished": day.isoformat(),
        "version": card.policy,
        "citeAs": f"{name}: {card.publisher}. {card.licence}",
        "isLiveDataset": False,
        "distribution": [_file(table, files[table.name]) for table in card.tables],
        "recordSet": [_records(table) for table in card.tables],
    }


def _file(table: TableCard, content: bytes) -> Mapping[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": f"{table.name}.csv",
        "name": f"{table.name}.csv",
        "description": f"Dummy rows of {table.title.en or table.name}.",
        "contentUrl": f"{table.name}.csv",
        "contentSize": f"{len(content)} B",
        "encodingFormat": "text/csv",
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _records(table: TableCard) -> Mapping[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": table.name,
        "name": table.name,
        "description": table.title.en or table.title.zh or table.name,
        "field": [_field(table, column) for column in table.columns],
    }


def _field(table: TableCard, column: ColumnCard) -> Mapping[str, Any]:
    said = column.title.en or column.title.zh or column.because or column.name
    return {
        "@type": "cr:Field",
        "@id": f"{table.name}/{column.name}",
        "name": column.name,
        "description": f"{said} May be used: {column.use}.",
        "dataType": _TYPES[column.type.partition("(")[0]],
        "source": {"fileObject": {"@id": f"{table.name}.csv"}, "extract": {"column": column.name}},
    }
