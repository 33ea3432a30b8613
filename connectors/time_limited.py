"""A transport that ends a reading on time, however slowly the other side sends.

A time-out counts from byte to byte, so a server that sends one byte of its headers at a time is never late.
Here nothing is waited for beyond the end of the whole reading.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx


class TimeLimitedTransport(httpx.HTTPTransport):
    """Like httpx's own, until a moment of `time.monotonic`; then every exchange fails as one that timed out.

    Args:
        context: how certificates are checked.
        ends: the moment.

    """

    def __init__(self, context: ssl.SSLContext, ends: float) -> None:
        super().__init__(verify=context, trust_env=False)
        # httpx has no argument for it.
        self._pool = httpcore.ConnectionPool(ssl_context=context, network_backend=_Network(ends))


class _Network(httpcore.NetworkBackend):
    def __init__(self, ends: float) -> None:
        self._own = httpcore.SyncBackend()
        self._ends = ends

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left = _left(self._ends, timeout, httpcore.ConnectTimeout)
        return _Stream(
            self._own.connect_tcp(host, port, left, local_address, socket_options),
            self._ends,
        )


class _Stream(httpcore.NetworkStream):
    def __init__(self, own: httpcore.NetworkStream, ends: float) -> None:
        self._own = own
        self._ends = ends

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._own.read(max_bytes, _left(self._ends, timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._own.write(buffer, _left(self._ends, timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._own.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(self._ends, timeout, httpcore.ConnectTimeout)
        return _Stream(self._own.start_tls(ssl_context, server_hostname, left), self._ends)

    def get_extra_info(self, info: str) -> Any:
        return self._own.get_extra_info(info)


def _left(ends: float, timeout: float | None, late: type[Exception]) -> float:
    left = ends - time.monotonic()
    if left <= 0:
        raise late("the reading took too long")
    return left if timeout is None else min(timeout, left)
