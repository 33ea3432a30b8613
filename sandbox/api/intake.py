"""What every request passes first and every reply last: size, time, headers, and the last net for errors.

Rules
- A body is read whole, within `size` bytes and `seconds`, before anything else looks at it; a declared
  length is refused before the first byte, a chunked body at the first byte too many.
- Every reply carries the same security headers. There is no CORS: a web page of another origin has no
  business here.
- An exception that nobody foresaw ends here.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.api import problems
from sandbox.errors import ErrorCode, SandboxError

HEAD_BYTES = 32_768
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Intake:
    """ASGI middleware around the whole application.

    Args:
        app: the application.
        home: folder of the instance, where unforeseen errors are written down.
        size: largest body, in bytes.
        seconds: longest time for the body to arrive.

    """

    def __init__(self, app: ASGIApp, home: Path, size: int, seconds: float) -> None:
        self._app = app
        self._home = home
        self._size = size
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the request, hand it on, and see its reply out."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)  # a page says itself what it may load
            await send(message)

        try:
            body = await self._read(scope, receive)
            if isinstance(body, Response):
                await body(scope, receive, send_guarded)
            elif body is not None:
                await self._app(scope, _replay(body, receive), send_guarded)
        except Exception as error:
            reply = problems.unexpected(error, self._home)
            if started:
                raise _Broken from None
            await reply(scope, receive, send_guarded)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | Response | None:
        """The body; a reply that refuses it; None when the caller hung up."""
        if sum(len(name) + len(value) for name, value in scope["headers"]) > HEAD_BYTES:
            return _too_large("headers", HEAD_BYTES, 431)
        declared = Headers(scope=scope).get("content-length", "0")
        if int(declared) > self._size:
            return _too_large("body", self._size, 413)
        body = bytearray()
        try:
            async with asyncio.timeout(self._seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    body += message.get("body", b"")
                    if len(body) > self._size:
                        return _too_large("body", self._size, 413)
                    if not message.get("more_body", False):
                        return bytes(body)
        except TimeoutError:
            slow = SandboxError(
                ErrorCode.REQUEST_INVALID,
                f"The request's body did not arrive within {self._seconds:g} seconds.",
                "Send it again, at once.",
            )
            return problems.reply(slow, status=408, headers={"Connection": "close"})


def _too_large(part: str, most: int, status: int) -> Response:
    large = SandboxError(
        ErrorCode.REQUEST_TOO_LARGE,
        f"The request has more than {most} bytes of {part}.",
        "Ask a shorter question." if part == "body" else "Send fewer headers.",
    )
    return problems.reply(large, status=status, headers={"Connection": "close"})


class _Broken(Exception):
    """A reply that had begun cannot be finished; the server drops the connection. Says nothing else."""


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
