"""CKAN, really: a resource of its datastore by pages, a file, and what only a token shows."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.errors import ErrorCode
from sandbox.ingest.connect import open_source
from sandbox.ingest.source import Source
from tests.connectors import ckan_server
from tests.connectors.subject import TABLE, digest, texts
from tests.ingest.conftest import Read, refusal

pytestmark = pytest.mark.long

FIELDS = [{"id": "编号", "type": "text"}, {"id": "名称", "type": "text"}, {"id": "金额", "type": "numeric"}]
RECORDS = [{"编号": f"{n:05d}", "名称": f"公司“{n}”", "金额": f"{n}.50"} for n in range(2500)]


@pytest.fixture(scope="module")
def ckan(tmp_path_factory: pytest.TempPathFactory, postgresql: Any) -> Iterator[ckan_server.Ckan]:
    with ckan_server.running(tmp_path_factory.mktemp("ckan"), postgresql) as portal:
        portal.act("organization_create", {"name": "city", "title": "市"})
        yield portal


def dataset(ckan: ckan_server.Ckan, name: str, *, private: bool = False) -> str:
    said = {"name": name, "title": name, "owner_org": "city", "private": private}
    return str(ckan.act("package_create", said)["id"])


def stored(ckan: ckan_server.Ckan, name: str, records: list[dict[str, str]], **more: Any) -> str:
    resource = {"package_id": dataset(ckan, name, **more), "name": "表"}
    made = ckan.act("datastore_create", {"resource": resource, "fields": FIELDS, "records": records[:1000]})
    for start in range(1000, len(records), 1000):
        part = {"resource_id": made["resource_id"], "method": "insert", "force": True}
        ckan.act("datastore_upsert", part | {"records": records[start : start + 1000]})
    return str(made["resource_id"])


def opened(ckan: ckan_server.Ckan, resource: str, **options: Any) -> Source:
    return open_source(
        ckan.home, {"resource": resource, "private_hosts": ["127.0.0.1"], **options}, connector="ckan"
    )


def test_all_pages_of_a_datastore(ckan):
    resource = stored(ckan, "companies", RECORDS)
    source = opened(ckan, resource, page_size=400)
    assert source.columns() == ("_id", "编号", "名称", "金额")
    got = Read(source, ["编号", "名称", "金额"])
    assert got.rows == RECORDS, "numbers keep their digits"
    assert got.batches == 7
    assert digest(source) == digest(opened(ckan, resource, page_size=400))


def test_a_file_of_a_resource(ckan):
    content = "编号,名称\n" + "".join(f"{row['编号']},{row['名称']}\n" for row in RECORDS)
    upload = ("表.csv", io.BytesIO(content.encode("gb18030")), "text/csv")
    said = {"package_id": dataset(ckan, "files"), "name": "表", "format": "CSV"}
    resource = ckan.act("resource_create", said, upload=upload)["id"]
    rows = texts(opened(ckan, resource, read="file", encoding="gb18030"), ("编号", "名称"))
    assert rows == [(row["编号"], row["名称"]) for row in RECORDS]
    assert TABLE


def test_what_is_private_needs_a_token(ckan, monkeypatch):
    resource = stored(ckan, "secret", RECORDS[:3], private=True)
    error = refusal(ErrorCode.SOURCE_UNREADABLE, lambda: opened(ckan, resource).columns())
    assert "403" in error.message
    monkeypatch.setenv("CKAN_TOKEN", ckan.token)
    with_token = {"auth": "header", "auth_name": "Authorization", "secret": "env:CKAN_TOKEN"}
    assert len(Read(opened(ckan, resource, **with_token)).rows) == 3
    monkeypatch.setenv("CKAN_TOKEN", "n0-t0ken")
    error = refusal(ErrorCode.SOURCE_UNREADABLE, lambda: opened(ckan, resource, **with_token).columns())
    assert "n0-t0ken" not in str(error)


def test_what_is_not_there(ckan):
    refusal(ErrorCode.SOURCE_UNREADABLE, lambda: opened(ckan, "no-such-resource").columns())
    refusal(ErrorCode.SOURCE_UNREADABLE, lambda: opened(ckan, "no-such-resource", read="file").columns())
