"""Serving the API with uvicorn on one address.

Rules
- The API listens on loopback only, unless `behind_proxy` says that a proxy in front of it ends TLS: a
  bearer token must not cross a network in the clear.
- A connection that sends no whole request head in time is closed; uvicorn itself waits for ever.
- A stop lets running questions end, so that what was charged is settled.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import signal
from collections.abc import Sequence

import uvicorn
from starlette.routing import BaseRoute
from uvicorn.protocols.http.h11_impl import H11Protocol

from sandbox.api.application import create_app
from sandbox.api.collector import Tidied, collector_spared
from sandbox.api.intake import HEAD_BYTES
from sandbox.api.prefix import Prefixed
from sandbox.errors import ErrorCode, SandboxError
from sandbox.service.home import Home
from sandbox.settings import Settings

CONNECTIONS = 500


def run(settings: Settings, home: Home, pages: Sequence[BaseRoute] = ()) -> None:
    """Serve `home` on `settings.listen`, and pages beside it, until SIGINT or SIGTERM; the caller closes it.

    Raises:
        SandboxError: ARGUMENT when the address cannot be read, is not loopback without `behind_proxy`, or
            cannot be bound.

    """
    host, port = address(settings)
    server = uvicorn.Server(configuration(settings, home, host, port, pages))
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with contextlib.suppress(KeyboardInterrupt), collector_spared():
            server.run()
    except SystemExit:
        raise SandboxError(
            ErrorCode.ARGUMENT,
            f"The API cannot listen on {settings.listen}.",
            "Another program may listen there: set SANDBOX_LISTEN to a free address and port.",
        ) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def configuration(
    settings: Settings, home: Home, host: str, port: int, pages: Sequence[BaseRoute] = ()
) -> uvicorn.Config:
    """How uvicorn serves `home`: limits, and nothing in its log that tells of questions."""
    prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "")
    app = Tidied(create_app(home, pages))
    return uvicorn.Config(
        Prefixed(app, prefix) if prefix else app,
        host=host,
        port=port,
        http=_deadline(settings.request_seconds),
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        h11_max_incomplete_event_size=HEAD_BYTES,
        timeout_graceful_shutdown=int(settings.question_seconds) + 5,
    )


def address(settings: Settings) -> tuple[str, int]:
    """Host and port to listen on.

    Raises:
        SandboxError: ARGUMENT when it cannot be read, or is not loopback without `behind_proxy`.

    """
    host, _, port = settings.listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise SandboxError(
            ErrorCode.ARGUMENT,
            "SANDBOX_LISTEN is not an address and a port.",
            "Write it as 127.0.0.1:8765 or [::1]:8765.",
        )
    if not settings.behind_proxy and not _loopback(host):
        raise SandboxError(
            ErrorCode.ARGUMENT,
            f"The API would listen on {host}, where bearer tokens would cross the network in the clear.",
            "Let a proxy in front of it end TLS and set SANDBOX_BEHIND_PROXY=true, or listen on 127.0.0.1.",
        )
    return host, int(port)


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _deadline(seconds: float) -> type[asyncio.Protocol]:
    class Punctual(H11Protocol):
        """An HTTP/1.1 connection that is closed when a request's head does not arrive in time."""

        _due: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._due = self.loop.call_later(seconds, self._close_if_idle)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self._waits_for_head():
                if self._due is None:
                    self._due = self.loop.call_later(seconds, self._close_if_idle)
            elif self._due is not None:
                self._due.cancel()
                self._due = None

        def connection_lost(self, exc: Exception | None) -> None:
            if self._due is not None:
                self._due.cancel()
            super().connection_lost(exc)

        def _waits_for_head(self) -> bool:
            return self.cycle is None or self.cycle.response_complete

        def _close_if_idle(self) -> None:
            self._due = None
            if self._waits_for_head() and not self.transport.is_closing():
                self.transport.close()

    return Punctual
