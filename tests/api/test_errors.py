"""Every error reply is one coded problem, also to what no sane client sends."""

from __future__ import annotations

import json

import httpx
import pytest
from pydantic import TypeAdapter

from sandbox.api import problems
from sandbox.api.forms import Problem
from sandbox.api.intake import SECURITY_HEADERS
from sandbox.errors import ErrorCode, Place, SandboxError
from sandbox.identity import Role
from tests.api.instance import COUNT, Served

JSON = "application/json"


def check(reply: httpx.Response, status: int, code: str) -> Problem:
    """The reply is a problem of this status and code, whole and with all security headers."""
    assert reply.headers["content-type"] == problems.PROBLEM_TYPE
    found = TypeAdapter(Problem).validate_json(reply.content)
    assert (reply.status_code, found.status, found.code) == (status, status, code)
    assert found.type == f"urn:sandbox:error:{code}"
    assert found.detail
    assert {name: reply.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
    return found


def test_every_code_has_its_status_and_a_title_of_its_own() -> None:
    assert set(problems.STATUS) == set(ErrorCode)
    assert all(400 <= status < 600 for status in problems.STATUS.values())
    assert len({problems.title(code) for code in ErrorCode}) == len(ErrorCode)


def test_an_error_of_the_instance_keeps_its_text_to_the_operator(caplog: pytest.LogCaptureFixture) -> None:
    error = SandboxError(ErrorCode.STORAGE_CORRUPT, "/srv/home/people.parquet is damaged.", "Restore it.")
    reply = problems.reply(error)
    told = json.loads(bytes(reply.body))
    assert (reply.status_code, told["code"]) == (500, "storage-corrupt")
    assert b"/srv" not in reply.body
    assert told["instance"] in caplog.text
    assert "/srv/home/people.parquet is damaged." in caplog.text


def test_place_and_rules_are_told() -> None:
    place = Place(2, 7, "FORM")
    error = SandboxError(ErrorCode.COLUMN_HIDDEN, "No.", place=place, rules=("nafld.policy.yaml#tables",))
    told = json.loads(bytes(problems.reply(error).body))
    assert told["place"] == {"line": 2, "column": 7, "text": "FORM", "file": ""}
    assert told["rules"] == ["nafld.policy.yaml#tables"]


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Basic bGk6bGk=", "bearer x", "Bearer " + "x" * 20_000]
)
def test_no_token_no_answer(empty: Served, authorization: str) -> None:
    for path in ("/v1/datasets", "/v1/budgets/plenty", "/v1/log"):
        reply = httpx.get(empty.url + path, headers={"Authorization": authorization} if authorization else {})
        check(reply, 401, "token-invalid")
        assert reply.headers["www-authenticate"].startswith("Bearer ")


def test_who_calls_is_settled_before_what_is_asked(empty: Served) -> None:
    wrong = {"Authorization": "Bearer sbx_nobody"}
    for path in ("questions", "estimates", "explanations"):
        for body in ({"sql": COUNT, "grant": "plenty"}, {"grant": 7}, {}):
            check(httpx.post(f"{empty.url}/v1/{path}", json=body, headers=wrong), 401, "token-invalid")


def test_a_token_is_not_taken_from_the_address(empty: Served) -> None:
    secret = empty.token("li", Role.OPC)
    check(httpx.get(f"{empty.url}/v1/datasets?token={secret}&access_token={secret}"), 401, "token-invalid")


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"{", "JSON"),
        (b"", "Field required"),
        (b"null", ""),
        (b"[]", ""),
        (b'"SELECT 1"', ""),
        (b"\xff\xfe{", ""),
        (b'{"sql": 1, "grant": "plenty"}', "body.sql"),
        (b'{"sql": "SELECT 1"}', "body.grant"),
        (b'{"sql": "SELECT 1", "grant": "plenty", "epsilom": 1}', "epsilom"),
        (b'{"sql": "SELECT 1", "grant": "plenty", "epsilon": NaN}', "epsilon"),
        (b'{"sql": "SELECT 1", "grant": "plenty", "epsilon": "Infinity"}', "epsilon"),
        (b'{"sql": "SELECT 1", "grant": "plenty", "epsilon": 1e999}', "epsilon"),
        (b'{"sql": "SELECT 1", "grant": "plenty", "epsilon": "much"}', "epsilon"),
        (b'{"sql": "SELECT 1", "grant": "plenty", "epsilon": ' + b"9" * 5000 + b"}", ""),
        (b'{"sql": "\\ud800", "grant": "plenty"}', "Unicode"),
        (b'{"sql": "SELECT 1", "grant": "' + b"g" * 129 + b'"}', "grant"),
        (b"[" * 200_000, ""),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_body_that_is_not_as_described(empty: Served, body: bytes, named: str) -> None:
    with empty.http() as http:
        reply = http.post("/v1/questions", content=body, headers={"Content-Type": JSON})
    found = check(reply, 400, "request-invalid")
    assert named in found.detail
    assert len(found.detail) < 1000


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_a_body_of_another_type_is_refused(empty: Served, kind: str) -> None:
    with empty.http() as http:
        body = json.dumps({"sql": COUNT, "grant": "plenty"}).encode()
        reply = http.post("/v1/questions", content=body, headers={"Content-Type": kind} if kind else {})
    check(reply, 415, "request-invalid")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not-found"),
        ("GET", "/docs", 404, "not-found"),
        ("GET", "/redoc", 404, "not-found"),
        ("GET", "/v1", 404, "not-found"),
        ("GET", "/v2/health", 404, "not-found"),
        ("GET", "/v1/health/", 404, "not-found"),
        ("GET", "/v1/budgets/../../etc/passwd", 404, "not-found"),
        ("GET", "/%00", 404, "not-found"),
        ("GET", "/v1/questions", 405, "request-invalid"),
        ("DELETE", "/v1/log", 405, "request-invalid"),
        ("TRACE", "/v1/health", 405, "request-invalid"),
        ("OPTIONS", "/v1/questions", 405, "request-invalid"),
        ("BREW", "/v1/health", 405, "request-invalid"),
    ],
)
def test_what_is_not_there(empty: Served, method: str, path: str, status: int, code: str) -> None:
    with empty.http() as http:
        reply = http.request(method, path)
    check(reply, status, code)
    assert (status == 405) == ("allow" in reply.headers)


@pytest.mark.parametrize("path", ["/v1/datasets", "/v1/health", "/v1/budgets/plenty"])
def test_a_form_that_a_path_cannot_send(empty: Served, path: str) -> None:
    with empty.http() as http:
        found = check(http.get(path, headers={"Accept": "text/csv"}), 406, "request-invalid")
    assert JSON in found.hint


def test_no_other_origin_is_let_in(empty: Served) -> None:
    with empty.http() as http:
        for reply in (
            http.get("/v1/health", headers={"Origin": "https://evil.example"}),
            http.options(
                "/v1/questions",
                headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
            ),
        ):
            assert not [name for name in reply.headers if name.startswith("access-control-")]
            assert "server" not in reply.headers


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=1001",
        "limit=x",
        "since=yesterday",
        "since=2026-01-01T00:00:00",
        "nobody=li",
    ],
)
def test_a_query_that_is_not_as_described(empty: Served, query: str) -> None:
    with empty.http("zhao", Role.AUDITOR) as http:
        check(http.get(f"/v1/log?{query}"), 400, "request-invalid")


def test_an_unknown_kind_of_event_is_refused_by_the_service(empty: Served) -> None:
    with empty.http("zhao", Role.AUDITOR) as http:
        check(http.get("/v1/log?kind=question.asked"), 422, "argument")
