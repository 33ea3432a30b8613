"""Many threads over one client: no reply is lost when connections that were idle too long are closed."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from sandbox.client import lines
from sandbox.client.lines import Lines


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 500


@contextmanager
def _serving() -> Iterator[httpx.URL]:
    with _Server(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield httpx.URL(f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()


def test_no_reply_is_lost_to_a_connection_that_another_thread_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    # Every connection is too old as soon as it is idle for a moment: a shared pool loses replies here.
    monkeypatch.setattr(lines, "IDLE_SECONDS", 0.002)
    with _serving() as url:
        line = Lines(url, {}, 30.0, None)

        def ask(_: int) -> int:
            return line.request("GET", "/", None, "*/*").status_code

        with ThreadPoolExecutor(60) as pool:
            assert set(pool.map(ask, range(3000))) == {200}
        line.close()


def test_there_are_no_more_connections_than_requests_at_once() -> None:
    opened: list[httpx.Request] = []
    line = Lines(httpx.URL("https://s.example"), {}, 5.0, httpx.MockTransport(lambda r: _note(opened, r)))
    for _ in range(5):
        line.request("GET", "/", None, "*/*")
    assert len(opened) == 5
    assert len(line._idle) == 1


def test_a_closed_client_sends_nothing() -> None:
    line = Lines(httpx.URL("https://s.example"), {}, 5.0, httpx.MockTransport(lambda _: httpx.Response(200)))
    line.request("GET", "/", None, "*/*")
    line.close()
    with pytest.raises(RuntimeError, match="closed"):
        line.request("GET", "/", None, "*/*")


def _note(opened: list[httpx.Request], request: httpx.Request) -> httpx.Response:
    opened.append(request)
    return httpx.Response(200)
