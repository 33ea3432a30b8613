"""The client's HTTP connections: each carries one request at a time.

A pool that threads share may close a connection that has been idle too long at the very moment when it
hands it to another thread (httpcore 1.0 does): a question would be lost, and nobody could say whether it
was charged.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import httpx

# Shorter than any server keeps an idle connection: a question is never sent into one that is just closing.
IDLE_SECONDS = 2.0


class Lines:
    """As many connections as there are requests under way, kept for the next ones.

    Args:
        base: the service's address.
        headers: sent with every request.
        timeout: longest wait for a reply, in seconds.
        transport: how httpx connects, for a Unix socket or a test; then the one connection pool is its own.

    """

    def __init__(
        self,
        base: httpx.URL,
        headers: Mapping[str, str],
        timeout: float,
        transport: httpx.BaseTransport | None,
    ) -> None:
        self._base = base
        self._headers = headers
        self._timeout = httpx.Timeout(timeout, connect=5.0)
        self._transport = transport
        # Reading the authorities takes a while; a transport that is given sees to its own.
        self._trusted = httpx.create_ssl_context() if transport is None else False
        self._idle: deque[httpx.Client] = deque()
        self._closed = False

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        accept: str,
        timeout: float | None = None,
    ) -> httpx.Response:
        """Send one request and read the whole reply; `timeout`: a shorter wait for it.

        Raises:
            httpx.RequestError: no reply came.
            RuntimeError: the lines are closed.

        """
        if self._closed:
            raise RuntimeError("This connection to the sandbox is closed.")
        try:
            line = self._idle.pop()
        except IndexError:
            line = self._new()
        try:
            limit = self._timeout if timeout is None else httpx.Timeout(timeout)
            return line.request(method, path, json=body, headers={"Accept": accept}, timeout=limit)
        finally:
            self._idle.append(line)
            if self._closed:
                self.close()

    def close(self) -> None:
        """Close every connection; those under way, when their reply has come."""
        self._closed = True
        while self._idle:
            try:
                self._idle.pop().close()
            except IndexError:
                return

    def _new(self) -> httpx.Client:
        return httpx.Client(
            base_url=self._base,
            headers=self._headers,
            timeout=self._timeout,
            limits=httpx.Limits(keepalive_expiry=IDLE_SECONDS),
            verify=self._trusted,
            transport=self._transport,
        )
