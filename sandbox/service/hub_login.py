"""Who a token of the hub belongs to, and which of the sandbox's roles it carries.

Rules
- The hub is asked with the token itself. What it says is believed for a few seconds, so that a token that
  was revoked, or whose server ended, opens nothing soon after.
- A role counts when the token has its scope `custom:sandbox:ROLE`, and the scope to use this service. A
  server's token has the scope of an OPC only, whatever else its person may do.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Actor, Role, Via
from sandbox.service import hub
from sandbox.service.home import Home
from sandbox.service.tokens import invalid_token

BELIEVED_SECONDS = 10.0
MOST_REMEMBERED = 4096
PATIENCE_SECONDS = 10.0
REPORT = "custom:sandbox:report"


@dataclass(slots=True)
class HubLogin:
    """The hub that manages this service.

    Attributes:
        api: address of the hub's API.
        service: name of this service at the hub.

    """

    api: str
    service: str
    _known: dict[str, tuple[float, Mapping[str, Any]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def from_environment(cls) -> HubLogin | None:
        """As the hub set it when it started this service; None when no hub did."""
        api, service = os.environ.get("JUPYTERHUB_API_URL"), os.environ.get("JUPYTERHUB_SERVICE_NAME")
        return cls(api.rstrip("/"), service) if api and service else None

    def caller(self, home: Home, token: str, via: Via = Via.API) -> Actor:
        """The person behind a token, with the roles that it carries; `via` unless it is a server's.

        Raises:
            SandboxError: TOKEN_INVALID; SERVICE_BUSY when the hub does not answer.

        """
        model = self._asked(token)
        scopes = set(model["scopes"])
        roles = frozenset(role for role in Role if f"custom:sandbox:{role.value}" in scopes)
        if model.get("kind") != "user" or not roles:
            raise invalid_token()
        name = str(model["name"])
        of_server = f"access:servers!server={name}/" in scopes
        return hub.recognised(home, name, roles, Via.KERNEL if of_server else via)

    def require_reporter(self, token: str) -> None:
        """Only the hub itself may tell who came and went.

        Raises:
            SandboxError: TOKEN_INVALID; SERVICE_BUSY.

        """
        if REPORT not in self._asked(token)["scopes"]:
            raise invalid_token()

    def _asked(self, token: str) -> Mapping[str, Any]:
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
        now = time.monotonic()
        with self._lock:
            when, model = self._known.get(digest, (-BELIEVED_SECONDS, {}))
        if now - when < BELIEVED_SECONDS and model:
            return model
        model = self._ask(token)
        if not self._may_use(model["scopes"]):
            raise invalid_token()
        with self._lock:
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[digest] = (now, model)
        return model

    def _may_use(self, scopes: list[str]) -> bool:
        return bool({"access:services", f"access:services!service={self.service}"} & set(scopes))

    def _ask(self, token: str) -> Mapping[str, Any]:
        if not token.isascii() or not token.isprintable():
            raise invalid_token()
        try:
            reply = httpx.get(
                f"{self.api}/user",
                headers={"Authorization": f"Bearer {token}"},
                timeout=PATIENCE_SECONDS,
                trust_env=False,
            )
        except httpx.HTTPError:
            raise SandboxError(
                ErrorCode.SERVICE_BUSY, "The hub does not say who you are.", "Try again in a minute."
            ) from None
        if reply.status_code != 200:
            raise invalid_token()
        model: dict[str, Any] = reply.json()
        if not isinstance(model.get("scopes"), list):
            raise invalid_token()
        return model
