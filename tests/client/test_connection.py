"""When the client tries again, and when it must not: against a real, misbehaving server."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import httpx
import pytest

from sandbox.client import (
    ReplyLost,
    Sandbox,
    SandboxFailed,
    SandboxFault,
    SandboxRefused,
    SandboxUnreachable,
)
from tests.client.wire import Act, half_a_reply, hang_up, reply, serving, silence
from tests.ports import free_port

PROBLEM = "application/problem+json"
BUDGETS = reply("200 OK", b'{"budgets": []}')
BUSY = reply("503 Busy", json.dumps({"code": "service-busy"}).encode(), PROBLEM, "Retry-After: 0")
STORE_BUSY = reply("503 Busy", json.dumps({"code": "service-busy"}).encode(), PROBLEM)


def problem(status: str, **members: object) -> Act:
    return reply(status, json.dumps(members).encode(), PROBLEM)


def sandbox(url: str, *, patience: float = 60.0, timeout: float = 60.0) -> Sandbox:
    return Sandbox(url, "sbx_secret", grant="liver-2026", patience=patience, timeout=timeout)


@pytest.mark.parametrize("lost", [hang_up, half_a_reply])
def test_a_question_whose_reply_was_lost_is_not_asked_again(lost: Act) -> None:
    with serving(lost, lost) as wire, pytest.raises(ReplyLost, match="may have been charged"):
        sandbox(wire.url).sql("SELECT 1")
    assert wire.played == 1


def test_a_question_that_timed_out_is_not_asked_again() -> None:
    with serving(silence, silence) as wire, pytest.raises(ReplyLost, match="may have been charged"):
        sandbox(wire.url, timeout=0.3).sql("SELECT 1")
    assert wire.played == 1


@pytest.mark.parametrize("lost", [hang_up, half_a_reply])
def test_what_costs_nothing_is_asked_again(lost: Act) -> None:
    with serving(lost, BUSY, reply("502 Bad Gateway", b"<html>", "text/html"), BUDGETS) as wire:
        assert sandbox(wire.url).budget() == ()
    assert wire.played == 4


def test_a_question_that_was_not_begun_is_asked_again() -> None:
    refused = problem("403 Forbidden", code="budget-exceeded", detail="Too little is left.")
    with serving(BUSY, BUSY, refused) as wire, pytest.raises(SandboxRefused, match="Too little"):
        sandbox(wire.url).sql("SELECT 1")
    assert wire.played == 3


def test_a_question_that_may_have_begun_is_not_asked_again() -> None:
    with serving(STORE_BUSY, STORE_BUSY) as wire, pytest.raises(SandboxFailed):
        sandbox(wire.url).sql("SELECT 1")
    assert wire.played == 1


def test_patience_ends() -> None:
    with serving(*[BUSY] * 10) as wire, pytest.raises(SandboxUnreachable, match="service-busy"):
        sandbox(wire.url, patience=0.8).sql("SELECT 1")
    assert 1 <= wire.played <= 2


def test_nobody_there() -> None:
    port = free_port()
    with pytest.raises(SandboxUnreachable, match="No sandbox answers"):
        sandbox(f"http://127.0.0.1:{port}", patience=0).sql("SELECT 1")


@pytest.mark.parametrize(
    "strange",
    [
        reply("200 OK", b"<html>", "text/html"),
        reply("200 OK", b"{}"),
        reply("302 Found", b"", "text/html", "Location: http://127.0.0.1:1/"),
        reply("500 Oops", b"[1]"),
        reply("500 Oops", b'{"code": 1, "rules": 5}'),
        reply("503 Full", b"Service Unavailable", "text/plain"),
        reply("200 OK", b"\x1f\x8bno gzip", "application/json", "Content-Encoding: gzip"),
    ],
)
def test_what_is_no_sandbox_is_said_to_be_none_and_the_token_goes_nowhere_else(strange: Act) -> None:
    with serving(strange, strange) as wire, pytest.raises(SandboxFault) as failed:
        sandbox(wire.url).sql("SELECT 1")
    assert isinstance(failed.value, (SandboxFailed, ReplyLost))
    assert wire.played == 1
    with serving(strange) as wire, pytest.raises(SandboxFault):
        sandbox(wire.url, patience=0).datasets()


def test_a_refusal_tells_code_place_rules_and_hint() -> None:
    refused = problem(
        "422 Unprocessable",
        code="sql-syntax",
        detail="This is not SQL.\x1b[2J",
        hint="Write one SELECT.",
        place={"line": 1, "column": 8, "text": "FORM"},
        rules=["nafld.policy.yaml#tables"],
    )
    with serving(refused) as wire, pytest.raises(SandboxRefused) as caught:
        sandbox(wire.url).sql("SELECT FORM")
    error = caught.value
    assert (error.code, error.hint, error.place) == (
        "sql-syntax",
        "Write one SELECT.",
        {"line": 1, "column": 8, "text": "FORM"},
    )
    assert error.rules == ("nafld.policy.yaml#tables",)
    assert str(error) == (
        "[sql-syntax] This is not SQL.\\u001b[2J\n  at line 1, column 8: FORM\n"
        "  decided by nafld.policy.yaml#tables\n  Write one SELECT."
    )


def card(*grants: str) -> dict[str, object]:
    return {"dataset": "d", "title": {"en": "", "zh": "数据"}, "grants": grants, "tables": []}


@pytest.mark.parametrize(
    ("cards", "said"), [([card()], "no grant"), ([card("b"), card("a", "b")], "several grants: a, b")]
)
def test_the_grant_must_be_named_unless_there_is_one_only(cards: list[object], said: str) -> None:
    with (
        serving(reply("200 OK", json.dumps({"datasets": cards}).encode())) as wire,
        pytest.raises(SandboxRefused, match=said),
    ):
        Sandbox(wire.url, "sbx_secret").sql("SELECT 1")


def test_the_only_grant_is_found_once() -> None:
    listing = reply("200 OK", json.dumps({"datasets": [card("a"), card("a")]}).encode())
    with serving(listing, BUDGETS, BUDGETS) as wire:
        box = Sandbox(wire.url, "sbx_secret")
        box.budget()
        box.budget()
    assert wire.played == 3


@pytest.mark.parametrize(
    ("url", "token"),
    [
        ("", "t"),
        ("http://127.0.0.1:1", ""),
        ("http://sandbox.example", "t"),
        ("http://10.0.0.1:8765", "t"),
        ("http://127.0.0.1.evil.example", "t"),
        ("ftp://127.0.0.1", "t"),
        ("127.0.0.1:8765", "t"),
        ("http://127.0.0.1:1", "t\r\nX-Evil: 1"),
        ("http://127.0.0.1:1", "密"),
    ],
)
def test_the_token_is_not_sent_in_the_clear_nor_when_it_cannot_be_one(
    url: str, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SANDBOX_URL", raising=False)
    monkeypatch.delenv("SANDBOX_TOKEN", raising=False)
    with pytest.raises(ValueError, match=r"URL|HTTP|token"):
        Sandbox(url, token)


def test_the_environment_can_say_where_and_who(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={"budgets": []})

    monkeypatch.setenv("SANDBOX_URL", "https://sandbox.example/city")
    monkeypatch.setenv("SANDBOX_TOKEN", "sbx_secret")
    with Sandbox(grant="a/../b c", transport=httpx.MockTransport(answer)) as box:
        box.budget()
    assert str(sent[0].url) == "https://sandbox.example/city/v1/budgets/a%2F..%2Fb%20c"
    assert sent[0].headers["authorization"] == "Bearer sbx_secret"


def test_nothing_printed_shows_the_token() -> None:
    box = Sandbox("https://user:hidden@sandbox.example", "sbx_secret")
    assert repr(box) == "Sandbox('https://sandbox.example/')"


@pytest.mark.parametrize("epsilon", [Decimal("0.1"), 0.1, "0.1"])
def test_epsilon_is_sent_as_the_decimal_that_was_written(epsilon: Decimal | str | float) -> None:
    sent: list[dict[str, object]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        return httpx.Response(403, json={"code": "role-refused"})

    box = Sandbox("https://s.example", "t", grant="g", transport=httpx.MockTransport(answer))
    asked: list[dict[str, Any]] = [
        {"epsilon": epsilon},
        {"within": 5},
        {"within": {"n": "5%", "a": 0.5}},
    ]
    for options in asked:
        with pytest.raises(SandboxRefused):
            box.sql("SELECT 1", **options)
    about = {"sql": "SELECT 1", "grant": "g"}
    assert sent == [
        about | {"epsilon": "0.1"},
        about | {"epsilon": None, "within": "5"},
        about | {"epsilon": None, "within": {"n": "5%", "a": "0.5"}},
    ]
