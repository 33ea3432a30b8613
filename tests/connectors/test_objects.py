"""S3: patterns and partitions, errors that say nothing secret, retries, certificates."""

from __future__ import annotations

import io
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import trustme

from sandbox.errors import ErrorCode
from sandbox.ingest.connect import open_source
from sandbox.ingest.source import Source
from tests.connectors import object_store
from tests.connectors.file_subjects import parquet, shapes
from tests.connectors.subject import TABLE, Published
from tests.ingest.conftest import Read, refusal

UNREADABLE = ErrorCode.SOURCE_UNREADABLE
KEYS = {"access_key": "env:S3_ACCESS", "secret_key": "env:S3_SECRET"}


@pytest.fixture
def opened(s3):
    def source(location: str, **options: Any) -> Source:
        return open_source(location, {"endpoint": f"http://127.0.0.1:{s3.port}", **KEYS, **options})

    return source


def put(s3: object_store.Bucket, key: str, data: bytes) -> None:
    s3.client.upload_fileobj(io.BytesIO(data), "bucket", key)


def test_a_prefix_with_partitions(s3, opened):
    for year in (2019, 2020):
        put(
            s3, f"销售/year={year}/city=%E6%B2%AA/part-0.parquet", parquet(Published(("x",), ((str(year),),)))
        )
    put(s3, "销售/_SUCCESS", b"done")
    put(s3, "销售/.part.crc", b"crc")
    got = Read(opened("s3://bucket/销售/", partitions=True))
    assert got.columns == ("x", "year", "city")
    assert [tuple(row.values()) for row in got.rows] == [("2019", "2019", "沪"), ("2020", "2020", "沪")]
    got = Read(opened("s3://bucket/销售/year=20?0/**/*.parquet"))
    assert [row["x"] for row in got.rows] == ["2020"]
    one = Read(opened("s3://bucket/销售/year=2019/city=%E6%B2%AA/part-0.parquet"))
    assert len(one.rows) == 1
    assert opened("s3://bucket/销售/").describe().size


def test_patterns_do_not_cross_folders(s3, opened):
    for key in ("p/a.csv", "p/q/b.csv", "p/axcsv"):
        put(s3, key, b"k\n" + key.encode() + b"\n")
    assert [row["k"] for row in Read(opened("s3://bucket/p/*.csv")).rows] == ["p/a.csv"]
    assert [row["k"] for row in Read(opened("s3://bucket/p/**/*.csv")).rows] == ["p/a.csv", "p/q/b.csv"]


def test_a_shapefile_in_a_bucket(s3, opened):
    for ending, data in shapes(Published(("名",), (("湖",),))).items():
        put(s3, f"geo/点.{ending}", data)
    assert Read(opened("s3://bucket/geo/*.shp")).rows[0]["名"] == "湖"


def test_refusals_are_tried_again(s3, opened):
    put(s3, "again/a.csv", b"a\n1\n")
    source = opened("s3://bucket/again/a.csv")
    s3.refusals.extend(["503 Slow Down", "500 Internal Server Error"])
    assert Read(source).rows == [{"a": "1"}]
    assert not s3.refusals


def test_what_is_wrong_is_said_without_secrets(s3, opened, monkeypatch):
    for location in ("s3://bucket/none/", "s3://nobucket/a.csv", "s3://bucket/none/*.csv"):
        error = refusal(UNREADABLE, lambda location=location: opened(location).columns())
        assert object_store.SECRET not in str(error)
        assert object_store.ACCESS not in str(error)
    for location, options in (
        ("s3://", {}),
        ("s3://key:secret@bucket/a", {}),
        ("s3://bucket/a", {"access_key": "AKIA"}),
        ("s3://bucket/a", {"anonymous": True}),
        ("s3://bucket/a", {"endpoint": "http://example.com"}),
        ("s3://bucket/a", {"endpoint": "minio"}),
        ("s3://bucket/a", {"colour": "red"}),
    ):
        refusal(ErrorCode.ARGUMENT, lambda at=location, options=options: opened(at, **options))
    assert TABLE
    monkeypatch.delenv("S3_SECRET")
    refusal(ErrorCode.ARGUMENT, lambda: opened("s3://bucket/a.csv"))


def test_certificates(tmp_path):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    ca = str(tmp_path / "ca.pem")
    authority.cert_pem.write_to_path(ca)
    with object_store.running(context, ca) as bucket:
        put(bucket, "a.csv", b"a\n1\n")
        where = {"endpoint": f"https://localhost:{bucket.port}", **KEYS}
        assert Read(open_source("s3://bucket/a.csv", where | {"ca": ca})).rows == [{"a": "1"}]
        refusal(UNREADABLE, lambda: open_source("s3://bucket/a.csv", where).columns())


@dataclass
class Faulty:
    """A store of one object that misbehaves, and what it was asked."""

    port: int = 0
    body: bytes = b"a\n1\n2\n"
    tag: str = '"v1"'
    redirect: tuple[int, str] | None = None
    cuts: int = 0
    too_much: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)

    def opened(self) -> Source:
        return open_source("s3://bucket/a.csv", {"endpoint": f"http://127.0.0.1:{self.port}", **KEYS})


@contextmanager
def faulty() -> Iterator[Faulty]:
    store = Faulty()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(b"")

        def do_GET(self) -> None:
            first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
            self.answer(store.body[first : last + 1])

        def answer(self, body: bytes) -> None:
            store.asked.append((self.command, self.path))
            if store.redirect is not None:
                status, place = store.redirect
                return self.head(status, 0, Location=place)
            wanted = self.headers.get("If-Match", store.tag)
            if wanted != store.tag:
                return self.head(412, 0)
            if not body:
                return self.head(200, len(store.body), ETag=store.tag)
            body *= 1000 if store.too_much else 1
            self.head(206, len(body), ETag=store.tag)
            if store.cuts:
                store.cuts -= 1
                body = body[:1]
                self.close_connection = True
            self.wfile.write(body)

        def head(self, status: int, length: int, **headers: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(length), **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    store.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(status):
    """To whatever address: the target is a second store on this machine, which would gladly answer."""
    with faulty() as target, faulty() as store:
        store.redirect = status, f"http://127.0.0.1:{target.port}/bucket/a.csv"
        error = refusal(UNREADABLE, lambda: store.opened().columns())
        assert status == 303 or "redirects are not followed" in error.message  # it means nothing in S3
        assert target.asked == []
        # It begins to redirect once the object was found.
        store.redirect = None
        source = store.opened()
        store.redirect = status, f"http://127.0.0.1:{target.port}/bucket/a.csv"
        refusal(UNREADABLE, source.columns)
        assert target.asked == []


def test_a_range_that_breaks_off_is_asked_for_again_with_a_cap():
    with faulty() as store:
        store.cuts = 3
        assert [row["a"] for row in Read(store.opened()).rows] == ["1", "2"]
        assert not store.cuts
        store.cuts = 50
        assert "breaks off" in refusal(UNREADABLE, lambda: Read(store.opened())).message
        assert store.cuts == 45


def test_a_store_that_sends_too_much_or_changes_is_refused():
    with faulty() as store:
        store.too_much = True
        refusal(UNREADABLE, lambda: store.opened().columns())
        store.too_much = False
        source = store.opened()
        store.tag, store.body = '"v2"', b"b\n3\n4\n"
        assert "changed" in refusal(UNREADABLE, source.columns).message


def test_the_environment_names_no_proxy(s3, opened, monkeypatch):
    put(s3, "proxy/a.csv", b"a\n1\n")
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert Read(opened("s3://bucket/proxy/a.csv")).rows == [{"a": "1"}]
