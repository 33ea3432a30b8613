"""The one way out of a dev room: a Unix socket whose other end knows who is inside.

Rules
- The socket is the identity. The token stays outside; whatever a caller inside says of itself is dropped.
- Only paths below /v1/ are passed on, with the few headers that they need, and never anywhere else; those
  by which the server itself talks of its kernels are not.
- Whoever floods it meets a small number of places, of their own room alone.
- It dies with its kernel: closed, and its file removed.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from pathlib import Path

import httpx
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_unix_socket
from tornado.web import Application, RequestHandler

from sandbox.rooms.upstream import Upstream

AT_ONCE = 4
WAITING = 32
MOST_BYTES = 1 << 20
HEAD_BYTES = 32_768
IDLE_SECONDS = 60.0
REPLY_SECONDS = 150.0
PATH = re.compile(r"/v1/(?!hub-events|kernel-events)[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*")
ASKED = ("Accept", "Content-Type")
ANSWERED = ("Content-Type", "Retry-After")


class Door:
    """The listener of one kernel.

    Args:
        path: of the socket; at most 107 bytes, as `KernelFolder.near`'s are.
        upstream: where to pass requests on.
        owner: user and group that may connect; None: the one that runs this.

    """

    def __init__(self, path: Path, upstream: Upstream, owner: tuple[int, int] | None = None) -> None:
        self._path = path
        self._client = upstream.line(
            httpx.Timeout(REPLY_SECONDS, connect=5.0),
            httpx.Limits(max_connections=AT_ONCE, keepalive_expiry=2.0),
        )
        places = _Places()
        application = Application(
            [(r".*", _Pass, {"client": self._client, "places": places})], log_function=lambda _: None
        )
        self._server = HTTPServer(
            application,
            max_body_size=MOST_BYTES,
            max_header_size=HEAD_BYTES,
            idle_connection_timeout=IDLE_SECONDS,
            body_timeout=15.0,
        )
        listener = bind_unix_socket(str(path), mode=0o600)
        if owner is not None:
            os.chown(path, *owner, follow_symlinks=False)
        self._server.add_socket(listener)

    async def close(self) -> None:
        """Hear nobody any more; remove the socket's file. May be called twice."""
        self._server.stop()
        self._path.unlink(missing_ok=True)
        await self._server.close_all_connections()
        await self._client.aclose()


class _Places:
    def __init__(self) -> None:
        self.turn = asyncio.Semaphore(AT_ONCE)
        self.present = 0


class _Pass(RequestHandler):
    """Pass one request on, and its reply back."""

    def initialize(self, client: httpx.AsyncClient, places: _Places) -> None:
        self._client = client
        self._places = places

    def set_default_headers(self) -> None:
        self.clear_header("Server")

    async def prepare(self) -> None:
        path, _, query = self.request.uri.partition("?") if self.request.uri else ("", "", "")
        if self.request.method not in ("GET", "POST") or not PATH.fullmatch(path):
            self._refuse(404, "not-found", "There is nothing at this path.", "Ask by the client's functions.")
            return
        if self._places.present >= AT_ONCE + WAITING:
            self.set_header("Retry-After", "2")
            self._refuse(503, "service-busy", "Too many requests of this room wait.", "Try again.")
            return
        self._places.present += 1
        try:
            async with self._places.turn:
                await self._pass(path, query)
        finally:
            self._places.present -= 1

    async def _pass(self, path: str, query: str) -> None:
        if self._client.is_closed:
            self._refuse(503, "service-busy", "The kernel of this room has ended.", "Start it again.")
            return
        headers = {name: self.request.headers[name] for name in ASKED if name in self.request.headers}
        try:
            reply = await self._client.request(
                self.request.method or "GET",
                path.lstrip("/"),
                params=query or None,
                content=self.request.body,
                headers=headers,
            )
        except httpx.ConnectError:
            self.set_header("Retry-After", "2")
            self._refuse(503, "service-busy", "The sandbox does not answer.", "Try again in a minute.")
            return
        except httpx.HTTPError:
            self._refuse(
                502,
                "service-unreachable",
                "The question was sent but no reply came; it may have been charged.",
                "Wait a minute, then ask the very same question: if it was answered, its answer is free.",
            )
            return
        self.set_status(reply.status_code)
        for name in ANSWERED:
            if name in reply.headers:
                self.set_header(name, reply.headers[name])
        self.finish(reply.content)

    def _refuse(self, status: int, code: str, message: str, hint: str) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/problem+json")
        self.finish(json.dumps({"code": code, "status": status, "detail": message, "hint": hint}))
