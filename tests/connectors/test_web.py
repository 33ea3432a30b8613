"""What fetching over HTTP endures, and what it refuses."""

from __future__ import annotations

import gzip
import socket
import ssl
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from typing import Any

import pytest
import shapely
import trustme

from connectors.addresses import is_public
from sandbox.errors import ErrorCode
from sandbox.ingest.connect import open_source
from sandbox.ingest.source import Source
from tests.connectors import web_server
from tests.connectors.file_subjects import parquet
from tests.connectors.subject import TABLE
from tests.connectors.web_subjects import LOCAL
from tests.ingest.conftest import Read, refusal

UNREADABLE = ErrorCode.SOURCE_UNREADABLE
ROWS = b"a,b\n" + b"".join(b"%d,x\n" % n for n in range(200_000))


def opened(url: str, connector: str = "", **options: Any) -> Source:
    return open_source(url, LOCAL | options, connector=connector)


@pytest.fixture
def file(site) -> str:
    site.files["/a.csv"] = ROWS
    return site.url("/a.csv")


def numbers(source: Source) -> list[int]:
    return [int(cell) for batch in source.batches(["a"]) for cell in batch.rows.column("a").to_pylist()]


def test_a_cut_is_resumed_where_it_broke(site, file):
    site.cuts["/a.csv"] = [900_000, 300_001, 5]
    assert numbers(opened(file)) == list(range(200_000))
    ranges = [headers["range"] for _, headers in site.asked if "range" in headers]
    assert "bytes=900000-" in ranges
    assert len(ranges) >= 2
    assert all("if-range" in headers for _, headers in site.asked if "range" in headers)


def test_a_cut_without_a_version_ends_the_reading(site, file):
    site.ranges = False
    source = opened(file)
    assert source.columns() == ("a", "b")
    site.cuts["/a.csv"] = [900_000]
    assert "broke off" in refusal(UNREADABLE, lambda: numbers(source)).message


def test_a_file_that_changes_while_it_is_read_is_refused(site, file):
    source = opened(file)
    site.changing = True
    site.cuts["/a.csv"] = [900_000]
    assert "changed" in refusal(UNREADABLE, lambda: list(source.batches(["a"]))).message


def test_cuts_without_end_are_not_resumed_without_end(site, file):
    source = opened(file, attempts=3)
    source.columns()
    site.cuts["/a.csv"] = [900_000, *[0] * 50]
    before = site.count("/a.csv")
    refusal(UNREADABLE, lambda: list(source.batches(["a"])))
    assert site.count("/a.csv") - before <= 6


def test_too_many_requests_and_server_errors_are_tried_again_with_a_cap(site, file):
    past = format_datetime(datetime.now(UTC) - timedelta(seconds=5), usegmt=True)
    site.failures["/a.csv"] = [(429, {"Retry-After": "0"}), (503, {"Retry-After": past}), (500, {})]
    assert opened(file).columns() == ("a", "b")
    assert site.count("/a.csv") == 4
    site.failures["/a.csv"] = [(503, {})] * 50
    error = refusal(UNREADABLE, lambda: opened(file, attempts=4).columns())
    assert "503, 4 times" in error.message
    assert site.count("/a.csv") == 8
    site.failures["/a.csv"] = [(404, {})]
    refusal(UNREADABLE, lambda: opened(file).columns())
    assert site.count("/a.csv") == 9, "what is not there is asked for once"


def test_retry_after_does_not_outlast_the_time_of_the_reading(site, file):
    site.failures["/a.csv"] = [(429, {"Retry-After": "86400"})]
    started = time.monotonic()
    assert "seconds" in refusal(UNREADABLE, lambda: opened(file, seconds=60).columns()).message
    assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://10.1.2.3/a.csv",
        "http://[::1]/a.csv",
        "http://[::ffff:10.1.2.3]/a.csv",
        "http://0.0.0.0:1/a.csv",
        "http://127.0.0.2/a.csv",
        "http://2130706433/a.csv",
        "file:///etc/passwd",
        "ftp://127.0.0.1/a.csv",
    ],
)
def test_a_redirect_to_a_private_address_is_refused(site, file, target):
    site.redirects["/there"] = target
    refusal(UNREADABLE, lambda: opened(site.url("/there"), format="csv").columns())


def test_a_private_address_is_refused_from_the_start(site, file):
    error = refusal(UNREADABLE, lambda: open_source(file).columns())
    assert "private_hosts" in error.hint
    assert site.count("/a.csv") == 0
    only_name = {"private_hosts": ["127.0.0.1"]}
    refusal(UNREADABLE, lambda: open_source(site.url("/a.csv", "localhost"), only_name).columns())


def test_the_checked_address_is_the_one_connected_to(site, file, monkeypatch):
    """A name that resolves to another address the second time gains nothing: it is resolved once."""
    calls: list[str] = []

    def resolve(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        if not host[0].isdigit():
            calls.append(host)
        address = "127.0.0.1" if len(calls) == 1 else "10.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    options = {"private_hosts": ["data.example"], "attempts": 1}
    source = open_source(site.url("/a.csv", "data.example"), options)
    assert source.columns() == ("a", "b")
    assert calls == ["data.example"]
    assert site.asked[0][1]["host"] == f"data.example:{site.port}"


def test_redirects_are_followed_five_times(site, file):
    site.redirects |= {"/1": "/2", "/2": file, "/loop": "/loop"}
    assert opened(site.url("/1"), format="csv").columns() == ("a", "b")
    refusal(UNREADABLE, lambda: opened(site.url("/loop"), format="csv").columns())
    assert site.count("/loop") == 6


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111"])
def test_public(address):
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "240.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1", "::1", "::", "fe80::1"),
        *("fc00::1", "ff02::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1"),
        "2001:0:53aa:64c::1",
    ],
)
def test_not_public(address):
    assert not is_public(ip_address(address))


def test_oversized_and_endless(site, file):
    assert "larger" in refusal(UNREADABLE, lambda: opened(file, largest=1000).columns()).message
    endless = opened(site.url("/endless"), format="csv", largest=3_000_000, header=False)
    assert "larger" in refusal(UNREADABLE, lambda: list(endless.batches())).message
    slow = opened(site.url("/endless"), format="csv", seconds=1, header=False)
    refusal(UNREADABLE, lambda: list(slow.batches()))
    page = opened(site.url("/endless"), "json-pages", largest=3_000_000)
    refusal(UNREADABLE, page.columns)


@pytest.mark.parametrize("path", ["/slow-headers", "/slow-body"])
def test_a_server_that_sends_byte_by_byte_does_not_outlast_the_time_of_the_reading(site, path):
    """A byte a while is never late by itself, so neither in headers nor in bodies is waiting left to it."""
    started = time.monotonic()
    error = refusal(UNREADABLE, lambda: Read(opened(site.url(path), seconds=2, format="csv")))
    assert "took longer than 2 seconds" in error.message
    assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    "body", [b"<!DOCTYPE html><html>Please log in</html>\n", b'<?xml version="1.0"?>\n<a/>']
)
def test_a_page_in_place_of_a_table_is_no_table(site, body):
    """A login, or SDMX-ML of a server that has no CSV: with status 200, as many of them answer."""
    site.files["/a.csv"] = body
    for connector in ("http", "sdmx"):
        error = refusal(UNREADABLE, lambda name=connector: opened(site.url("/a.csv"), name).columns())
        assert "page of HTML or XML" in error.message


def test_compression_that_was_not_asked_for(site, file):
    site.files["/a.csv"], site.compressed = gzip.compress(ROWS), True
    assert "compression" in refusal(UNREADABLE, lambda: opened(file).columns()).message
    assert site.asked[0][1]["accept-encoding"] == "identity"


def test_certificates(tmp_path):
    authority, other = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    for name, made in (("ca.pem", authority), ("other.pem", other)):
        made.cert_pem.write_to_path(str(tmp_path / name))
    with web_server.running(context) as site, web_server.running() as plain:
        site.files["/a.csv"] = plain.files["/a.csv"] = b"a\n1\n"
        good = {"ca": str(tmp_path / "ca.pem")}
        assert Read(opened(site.url("/a.csv", "localhost"), **good)).rows == [{"a": "1"}]
        for url, options in (
            (site.url("/a.csv", "localhost"), {}),
            (site.url("/a.csv", "localhost"), {"ca": str(tmp_path / "other.pem")}),
            (site.url("/a.csv", "127.0.0.1"), good),
        ):
            error = refusal(UNREADABLE, lambda url=url, options=options: opened(url, **options).columns())
            assert "certificate" in error.message
        site.redirects["/down"] = plain.url("/a.csv")
        error = refusal(
            UNREADABLE, lambda: opened(site.url("/down", "localhost"), format="csv", **good).columns()
        )
        assert "plain HTTP" in error.message


@pytest.mark.parametrize(
    ("options", "header", "value"),
    [
        ({"auth": "bearer"}, "authorization", "Bearer s3cret"),
        ({"auth": "basic", "auth_name": "li"}, "authorization", "Basic bGk6czNjcmV0"),
        ({"auth": "header", "auth_name": "X-App-Token"}, "x-app-token", "s3cret"),
        ({"auth": "query", "auth_name": "key"}, "", "key=s3cret"),
    ],
)
def test_secrets_go_to_their_host_only_and_into_no_error(site, file, monkeypatch, options, header, value):
    monkeypatch.setenv("API_TOKEN", "s3cret")
    with web_server.running() as other:
        other.files["/a.csv"] = b"a\n1\n"
        site.redirects["/away"] = other.url("/a.csv")
        options = options | {"secret": "env:API_TOKEN"}
        assert opened(file, **options).columns() == ("a", "b")
        path, headers = site.asked[0]
        assert value in (headers.get(header, "") if header else path)
        assert opened(site.url("/away"), format="csv", **options).columns() == ("a",)
        assert "s3cret" not in str(other.asked)
        assert "czNjcmV0" not in str(other.asked)
        source = opened(site.url("/none"), format="csv", **options)
        error = refusal(UNREADABLE, source.columns)
        assert "s3cret" not in str(error)
        assert "s3cret" not in source.describe().uri
    site.failures["/a.csv"] = [(500, {})] * 9
    assert "s3cret" not in str(refusal(UNREADABLE, lambda: opened(file, attempts=2, **options).columns()))


def test_wrong_options(site, file):
    for options in (
        {"auth": "bearer"},
        {"auth": "basic", "secret": "env:X"},
        {"secret": "env:X"},
        {"auth": "magic"},
    ):
        refusal(ErrorCode.ARGUMENT, lambda options=options: opened(file, **options))
    error = refusal(ErrorCode.ARGUMENT, lambda: opened(f"http://u:hunter2@127.0.0.1:{site.port}/a.csv"))
    assert "hunter2" not in str(error)
    refusal(ErrorCode.ARGUMENT, lambda: opened(file, "json-pages", paging="cursor"))
    refusal(ErrorCode.ARGUMENT, lambda: opened(file, "ckan"))


def test_formats_that_need_random_access_are_fetched_into_memory(site):
    site.files["/t.parquet"] = parquet(TABLE)
    got = Read(opened(site.url("/t.parquet?version=2")))
    assert [tuple(row.values()) for row in got.rows] == list(TABLE.rows)
    assert site.count("/t.parquet") == 1
    assert "version" not in opened(site.url("/t.parquet?version=2")).describe().uri


# APIs


def test_paging_by_offset_cursor_and_link(site):
    rows = [{"id": n, "名": "王"} for n in range(7)]

    def offset(_: str, asked: dict[str, str]) -> Any:
        start = int(asked.get("from", 0))
        return rows[start : start + 3]

    def cursor(_: str, asked: dict[str, str]) -> Any:
        start = int(asked.get("cursor", "c0")[1:])
        more = {"after": f"c{start + 3}"} if start + 3 < 7 else {}
        return {"items": rows[start : start + 3], "page": more}

    def following(path: str, asked: dict[str, str]) -> Any:
        start = int(asked.get("s", 0))
        return {"items": rows[start : start + 3], "next": f"{path}?s={start + 3}" if start + 3 < 7 else None}

    site.pages |= {"/offset": offset, "/cursor": cursor, "/next": following, "/none": lambda *_: rows}
    for path, options in {
        "/offset": {"paging": "offset", "page_parameter": "from"},
        "/cursor": {"paging": "cursor", "next": "page.after", "rows": "items"},
        "/next": {"paging": "next", "next": "next", "rows": "items"},
        "/none": {},
    }.items():
        got = Read(opened(site.url(path), "json-pages", **options))
        assert [row["id"] for row in got.rows] == [str(n) for n in range(7)], path
        assert got.records == list(range(1, 8))


def test_pages_that_never_end_or_are_none(site):
    site.pages["/same"] = lambda *_: [{"a": 1}]
    error = refusal(UNREADABLE, lambda: Read(opened(site.url("/same"), "json-pages", paging="page")))
    assert "again and again" in error.message
    site.pages["/odd"] = lambda *_: {"rows": {"a": 1}}
    refusal(UNREADABLE, lambda: Read(opened(site.url("/odd"), "json-pages", rows="rows")))
    site.files["/html"] = b"<html>"
    refusal(UNREADABLE, lambda: Read(opened(site.url("/html"), "json-pages")))
    site.pages["/away"] = lambda *_: {"items": [{"a": 1}], "next": "http://169.254.169.254/"}
    away = opened(site.url("/away"), "json-pages", paging="next", next="next", rows="items")
    assert "not public" in refusal(UNREADABLE, lambda: Read(away)).message, (
        "a next page is checked like any place"
    )


def test_a_page_that_fails_once_is_asked_for_again(site):
    site.pages["/p"] = lambda _, asked: [{"a": asked["page"]}] if int(asked["page"]) < 4 else []
    site.failures["/p"] = [(503, {}), (429, {"Retry-After": "0"})]
    got = Read(opened(site.url("/p"), "json-pages", paging="page"))
    assert [row["a"] for row in got.rows] == ["1", "2", "3"]


def test_bad_objects_are_set_aside(site):
    site.files["/bad"] = b'[{"a": 1.50}, 5, {"a": [1]}, {"a": 1, "a": 2}, {"a": {"b": 2}}, {"a": null}]'
    got = Read(opened(site.url("/bad"), "json-pages"), ["a"])
    assert [row["a"] for row in got.rows] == ["1.50", None]
    assert [bad.record for bad in got.bad] == [2, 3, 4, 5]


def test_ckan_says_no_changes_meanwhile_or_names_a_file(site):
    answers: dict[str, Any] = {
        "datastore_search": {"success": False, "error": {"__type": "Not Found Error"}},
        "resource_show": {"success": True, "result": {"url": site.url("/open.csv")}},
    }
    for action in answers:
        site.pages[f"/api/3/action/{action}"] = lambda path, _: answers[path.rpartition("/")[2]]
    site.files["/open.csv"] = "名,数\n王,1\n".encode("gbk")
    refusal(UNREADABLE, lambda: opened(site.url("/"), "ckan", resource="r").columns())
    got = Read(opened(site.url(""), "ckan", resource="r", read="file", encoding="gbk"))
    assert got.rows == [{"名": "王", "数": "1"}]
    answers["resource_show"]["result"]["url"] = "http://10.0.0.1/x.csv"
    refusal(UNREADABLE, lambda: opened(site.url(""), "ckan", resource="r", read="file").columns())

    def growing(_: str, asked: dict[str, str]) -> Any:
        result = {"fields": [{"id": "a"}], "records": [{"a": 1}], "total": 5 + int(asked.get("offset", 0))}
        return {"success": True, "result": result}

    site.pages["/api/3/action/datastore_search"] = growing
    error = refusal(UNREADABLE, lambda: Read(opened(site.url(""), "ckan", resource="r", page_size=1)))
    assert "changed" in error.message


def test_socrata_points_are_wkb(site):
    point = {"type": "Point", "coordinates": [-77.5, 38.9]}
    names = [{"fieldName": "id"}, {"fieldName": "place"}, {"fieldName": "late"}]
    site.pages["/api/views/abcd-1234.json"] = lambda *_: {"columns": names}
    site.pages["/resource/abcd-1234.json"] = lambda _, asked: (
        [{"id": "1", "place": point}] if asked["$offset"] == "0" else []
    )
    got = Read(opened(site.url(""), "socrata", dataset="abcd-1234"))
    assert shapely.from_wkb(got.rows[0]["place"]).equals(shapely.Point(-77.5, 38.9))
    assert got.rows[0]["late"] is None, "a column that no row has is there all the same"


SERIES = {
    "header": {"id": "1"},
    "dataSets": [
        {
            "series": {
                "0:0": {"observations": {"0": [1.5, 0], "1": [2.5, None]}},
                "0:1": {"observations": {"1": [None, 1]}},
            }
        }
    ],
    "structure": {
        "dimensions": {
            "dataSet": [{"id": "FREQ", "values": [{"id": "A"}]}],
            "series": [
                {"id": "GEO", "values": [{"id": "CN"}]},
                {"id": "SEX", "values": [{"id": "F"}, {"id": "M"}]},
            ],
            "observation": [{"id": "TIME_PERIOD", "values": [{"id": "2020"}, {"id": "2021"}]}],
        },
        "attributes": {"observation": [{"id": "OBS_STATUS", "values": [{"id": "A"}, {"id": "E"}]}]},
    },
}


@pytest.mark.parametrize("wrapped", [False, True])
def test_sdmx_json(site, wrapped):
    second = {"data": {"dataSets": SERIES["dataSets"], "structures": [SERIES["structure"]]}}
    site.pages["/data/FLOW"] = lambda *_: second if wrapped else SERIES
    got = Read(opened(site.url("/data/FLOW"), "sdmx", form="json"))
    names = ("FREQ", "GEO", "SEX", "TIME_PERIOD", "OBS_VALUE", "OBS_STATUS")
    assert got.columns == names
    assert [tuple(row[name] for name in names) for row in got.rows] == [
        ("A", "CN", "F", "2020", "1.5", "A"),
        ("A", "CN", "F", "2021", "2.5", None),
        ("A", "CN", "M", "2021", None, "E"),
    ]
    site.pages["/data/FLOW"] = lambda *_: {
        "structure": {},
        "dataSets": [{"series": {"0": {"observations": {"0": []}}}}],
    }
    refusal(UNREADABLE, lambda: Read(opened(site.url("/data/FLOW"), "sdmx", form="json")))


def test_sdmx_asks_for_csv(site):
    site.files["/data/FLOW"] = b"DATAFLOW,FREQ,TIME_PERIOD,OBS_VALUE\nX:FLOW(1.0),A,2020,1.5\n"
    got = Read(opened(site.url("/data/FLOW?startPeriod=2020"), "sdmx"))
    assert got.rows[0]["OBS_VALUE"] == "1.5"
    assert "sdmx.data+csv" in site.asked[0][1]["accept"]
