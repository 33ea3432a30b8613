"""Size, time and number: what a rude client can take from the service, over raw sockets."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.query.answer import Estimate
from sandbox.service import home as homes
from sandbox.service import opc
from tests.api.instance import COUNT, Served, make, serving
from tests.api.test_errors import check

SECONDS = 0.6
PATIENCE = 120.0  # until a test gives up: a busy machine must not fail it


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A served instance with small limits of size and number, and time enough."""
    yield from _limited(tmp_path_factory.mktemp("strict"), PATIENCE)


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The same, and little time."""
    yield from _limited(tmp_path_factory.mktemp("hasty"), SECONDS)


def _limited(folder: Path, seconds: float) -> Iterator[Served]:
    home = make(
        folder, request_bytes=10_000, request_seconds=seconds, questions_at_once=1, questions_waiting=2
    )
    with serving(home) as served:
        yield served
    homes.close(home)


def raw(served: Served, *parts: bytes, pause: float = 0.0) -> bytes:
    """Send `parts` with a pause after each, then read until the server closes, as it must."""
    host, _, port = served.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as line:
        heard = b""
        with suppress(ConnectionError):
            for part in parts:
                line.sendall(part)
                time.sleep(pause)
            while more := line.recv(65536):
                heard += more
        return heard


def head(served: Served, *fields: str) -> bytes:
    secret = served.token("li", homes.Role.OPC)
    lines = ["POST /v1/estimates HTTP/1.1", "Host: x", f"Authorization: Bearer {secret}", *fields]
    return "\r\n".join([*lines, "Content-Type: application/json"]).encode() + b"\r\n\r\n"


def alive(served: Served) -> bool:
    return httpx.get(f"{served.url}/v1/health", timeout=PATIENCE).status_code == 200


def test_a_declared_length_is_refused_before_the_first_byte(strict: Served) -> None:
    heard = raw(strict, head(strict, "Content-Length: 10000000000"))
    assert heard.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"request-too-large"' in heard


def test_a_body_in_chunks_is_refused_at_the_first_byte_too_many(strict: Served) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(10_000):
            sent += 1000
            yield b" " * 1000

    with strict.http() as http:
        try:
            reply = http.post(
                "/v1/estimates", content=endless(), headers={"Content-Type": "application/json"}
            )
        except httpx.WriteError:
            pass
        else:
            check(reply, 413, "request-too-large")
    assert sent < 10_000_000
    chunk = b"1000\r\n" + b" " * 4096 + b"\r\n"
    heard = raw(strict, head(strict, "Transfer-Encoding: chunked") + chunk * 3)
    assert heard.startswith(b"HTTP/1.1 413 ")


def test_the_largest_body_is_still_read(strict: Served) -> None:
    body = json.dumps({"sql": COUNT, "grant": "plenty"}).encode()
    with strict.http() as http:
        kind = {"Content-Type": "application/json"}
        assert http.post("/v1/estimates", content=body.ljust(10_000), headers=kind).status_code == 200
        check(http.post("/v1/estimates", content=body.ljust(10_001), headers=kind), 413, "request-too-large")


def test_a_body_that_drips_is_cut_off(hasty: Served) -> None:
    heard = raw(hasty, head(hasty, "Content-Length: 100"), *[b" "] * 3, pause=SECONDS / 6)
    assert heard.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"request-invalid"' in heard


@pytest.mark.parametrize("start", [b"", b"GET /v1/heal", b"GET /v1/health HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_a_head_that_never_ends_is_cut_off(hasty: Served, start: bytes) -> None:
    began = time.monotonic()
    assert raw(hasty, start) == b""
    assert time.monotonic() - began > SECONDS * 0.9


def test_a_second_head_that_never_ends_is_cut_off_too(hasty: Served) -> None:
    whole = b"GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n"
    heard = raw(hasty, whole, b"GET /v1", pause=0.2)
    assert heard.count(b"HTTP/1.1 200 OK") == 1


def test_a_slow_question_does_not_count_as_a_slow_head(hasty: Served) -> None:
    with httpx.Client(base_url=hasty.url, timeout=PATIENCE) as http:
        for _ in range(3):
            assert http.get("/v1/health").status_code == 200
            time.sleep(SECONDS * 1.2)


@pytest.mark.parametrize(
    "fields", [b"X-Large: " + b"x" * 70_000 + b"\r\n", b"".join(b"X-%d: y\r\n" % at for at in range(9_000))]
)
def test_headers_too_large_are_refused(strict: Served, fields: bytes) -> None:
    heard = raw(strict, b"GET /v1/health HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n")
    assert heard.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))
    assert alive(strict)


@pytest.mark.parametrize(
    "junk",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/estimates HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/estimates HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /v1/estimates HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"GET /v1/health HTTP/1.1\r\nHost: x\r\nX-Bad: a\x00b\r\n\r\n",
        b"GET /v1/health HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"\x00" * 1000,
    ],
    ids=range(9),
)
def test_what_is_not_http_kills_nothing(hasty: Served, junk: bytes) -> None:
    heard = raw(hasty, junk)
    assert not heard.startswith(b"HTTP/1.1 5")
    assert b"Traceback" not in heard
    assert alive(hasty)


def test_many_idle_connections_do_not_keep_others_out(strict: Served) -> None:
    host, _, port = strict.url.removeprefix("http://").partition(":")
    idle = [socket.create_connection((host, int(port)), timeout=PATIENCE) for _ in range(200)]
    try:
        assert alive(strict)
    finally:
        for line in idle:
            line.close()


def test_beyond_the_queue_questions_are_sent_away(strict: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first estimate takes until somebody was sent away."""
    estimate, sent_away = opc.estimate, threading.Event()

    def slowly(*args: Any, **named: Any) -> Estimate:
        assert sent_away.wait(PATIENCE)
        return estimate(*args, **named)

    monkeypatch.setattr(opc, "estimate", slowly)
    with strict.http() as http, ThreadPoolExecutor(30) as pool:
        body = {"sql": COUNT, "grant": "plenty"}

        def post(_: int) -> httpx.Response:
            reply = http.post("/v1/estimates", json=body)
            if reply.status_code == 503:
                sent_away.set()
            return reply

        replies = list(pool.map(post, range(30)))
        codes = [reply.status_code for reply in replies]
        assert set(codes) == {200, 503}
        for reply in replies:
            if reply.status_code == 503:
                assert int(reply.headers["retry-after"]) > 0
                assert "cost nothing" in check(reply, 503, "service-busy").detail
        assert http.post("/v1/estimates", json=body).status_code == 200
