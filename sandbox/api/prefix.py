"""Paths behind the hub's proxy."""

from __future__ import annotations

from typing import Any


class Prefixed:
    """ASGI middleware: the hub's proxy passes paths on with the service's prefix; it is taken off."""

    def __init__(self, app: Any, prefix: str) -> None:
        self._app = app
        self._prefix = prefix.rstrip("/")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Hand the request on."""
        if scope["type"] == "http" and scope["path"].startswith(self._prefix + "/"):
            scope = {**scope, "path": scope["path"][len(self._prefix) :]}
        await self._app(scope, receive, send)
