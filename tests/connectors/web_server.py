"""A real HTTP server of the tests' own: files with ranges, JSON APIs, and every way of misbehaving."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Site:
    """What the server gives, and what it was asked.

    Attributes:
        files: bodies by path.
        pages: functions from (path, parameters) to a JSON document, by path.
        redirects: places by path.
        failures: statuses with headers that come before anything else, by path.
        cuts: after how many bytes the connection is cut, once each, by path.
        everywhere: statuses with headers that come before anything else, whatever is asked for.
        endless: whether every body has no end.
        ranges: whether `Range` is understood, and an ETag given.

    """

    port: int = 0
    scheme: str = "http"
    files: dict[str, bytes] = field(default_factory=dict)
    pages: dict[str, Callable[[str, dict[str, str]], Any]] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    failures: dict[str, list[tuple[int, dict[str, str]]]] = field(default_factory=dict)
    cuts: dict[str, list[int]] = field(default_factory=dict)
    everywhere: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    endless: bool = False
    ranges: bool = True
    compressed: bool = False
    changing: bool = False
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    def count(self, path: str) -> int:
        return sum(urlsplit(asked).path == path for asked, _ in self.asked)


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            site.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            if site.everywhere:
                status, headers = site.everywhere.pop(0)
                self._answer(status, headers, b"")
            elif site.endless:
                self._endless()
            elif failures := site.failures.get(url.path):
                status, headers = failures.pop(0)
                self._answer(status, headers, b"")
            elif url.path in site.redirects:
                self._answer(302, {"Location": site.redirects[url.path]}, b"")
            elif url.path == "/endless":
                self._endless()
            elif url.path in ("/slow-headers", "/slow-body"):
                self._dripping(url.path)
            elif url.path in site.pages:
                parameters = {name: values[-1] for name, values in parse_qs(url.query).items()}
                body = json.dumps(site.pages[url.path](url.path, parameters), ensure_ascii=False).encode()
                self._answer(200, {"Content-Type": "application/json"}, body)
            elif url.path in site.files:
                self._file(url.path, site.files[url.path])
            else:
                self._answer(404, {}, b"")

        def _answer(self, status: int, headers: dict[str, str], body: bytes, cut: int | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[:cut])
            if cut is not None:
                self.wfile.flush()
                self.close_connection = True

        def _file(self, path: str, body: bytes) -> None:
            cut = site.cuts[path].pop(0) if site.cuts.get(path) else None
            headers = {"Content-Encoding": "gzip"} if site.compressed else {}
            if not site.ranges:
                return self._answer(200, headers, body, cut)
            tag = f'"{len(site.asked) if site.changing else hash(body)}"'
            headers |= {"ETag": tag, "Accept-Ranges": "bytes"}
            asked = self.headers.get("Range", "")
            if not asked or self.headers.get("If-Range", tag) != tag:
                return self._answer(200, headers, body, cut)
            start = int(asked.removeprefix("bytes=").partition("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            return self._answer(206, headers, body[start:], cut)

        def _endless(self) -> None:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            row = b"1,2\n" * 4096
            try:
                while True:
                    self.wfile.write(f"{len(row):x}\r\n".encode() + row + b"\r\n")
            except OSError:
                self.close_connection = True

        def _dripping(self, path: str) -> None:
            """Two minutes of single bytes."""
            body = b"a,b\n" if path == "/slow-body" else b""
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: " if not body else _CHUNKED + b"4\r\n" + body)
            try:
                for _ in range(1200):
                    self.wfile.write(b"1" if not body else b"\r\n1\r\n1")
                    self.wfile.flush()
                    time.sleep(0.1)
            except OSError:
                pass
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def running(tls: ssl.SSLContext | None = None) -> Iterator[Site]:
    """A site on a free loopback port."""
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(site))
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        site.scheme = "https"
    site.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
