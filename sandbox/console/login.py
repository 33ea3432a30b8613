"""Logging in to the web pages: the hub's OAuth, with PKCE, and a session that lives in this process.

Rules
- The hub says who somebody is (jupyterhub's `HubOAuth`). A login is finished by the browser that began it,
  with the state and the code verifier that it began with, once.
- The cookie of a session is a random name for it. The hub's token stays here; it is asked about again and
  again, so that what the hub revokes, or a logout at the hub, ends the session.
"""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import urlencode

from sandbox.errors import ErrorCode, SandboxError

if TYPE_CHECKING:
    from jupyterhub.services.auth import HubOAuth

LOGIN_SECONDS = 600.0
SESSION_SECONDS = 8 * 3600.0
MOST = 10_000
Kept = TypeVar("Kept")


@dataclass(slots=True)
class Remembered(Generic[Kept]):
    """Things by a random name, for some seconds; the oldest go when there are too many."""

    seconds: float
    _kept: OrderedDict[str, tuple[float, Kept]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, thing: Kept) -> str:
        """A new name for `thing`."""
        name = secrets.token_urlsafe(32)
        with self._lock:
            while len(self._kept) >= MOST:
                self._kept.popitem(last=False)
            self._kept[name] = (time.monotonic() + self.seconds, thing)
        return name

    def get(self, name: str) -> Kept | None:
        """What has this name, if its time is not over."""
        with self._lock:
            until, thing = self._kept.get(name, (0.0, None))
        return thing if time.monotonic() < until else None

    def take(self, name: str) -> Kept | None:
        """The same, and it is forgotten."""
        thing = self.get(name)
        with self._lock:
            self._kept.pop(name, None)
        return thing


class Login:
    """Logins that were begun, and sessions."""

    def __init__(self, oauth: HubOAuth) -> None:
        self._oauth = oauth
        self._begun: Remembered[tuple[str, str]] = Remembered(LOGIN_SECONDS)
        self._sessions: Remembered[str] = Remembered(SESSION_SECONDS)

    @property
    def path(self) -> str:
        """Where the pages lie, as browsers see it: the path of the cookies."""
        return str(self._oauth.base_url)

    def begin(self, language: str) -> tuple[str, str]:
        """Where to send the browser, and the state that it brings back; `language` comes back with it."""
        verifier, challenge, method = self._oauth.generate_pkce_code_challenge()
        state = self._begun.keep((verifier, language))
        asked = {
            "client_id": self._oauth.oauth_client_id,
            "redirect_uri": self._oauth.oauth_redirect_uri,
            "response_type": "code",
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": method,
        }
        return f"{self._oauth.oauth_authorization_url}?{urlencode(asked)}", state

    def finish(self, code: str, state: str, own: str) -> tuple[str, str]:
        """The name of a new session, and the language of its beginning.

        Args:
            code: that the hub gave.
            state: that came with it.
            own: the state that this browser began with.

        Raises:
            SandboxError: TOKEN_INVALID, whatever does not fit.

        """
        same = hmac.compare_digest(state.encode(), own.encode())
        begun = self._begun.take(state) if same and state else None
        if begun is None or not code:
            raise _not_begun()
        verifier, language = begun
        from tornado.web import HTTPError  # noqa: PLC0415  (comes with the hub)

        try:
            token = self._oauth.token_for_code(code, code_verifier=verifier)
        except HTTPError:
            raise _not_begun() from None
        return self._sessions.keep(str(token)), language

    def token(self, session: str) -> str | None:
        """The hub's token of a session."""
        return self._sessions.get(session)

    def end(self, session: str) -> None:
        """Forget a session."""
        self._sessions.take(session)


def _not_begun() -> SandboxError:
    return SandboxError(
        ErrorCode.TOKEN_INVALID, "This login was not begun here, or took too long.", "Begin again."
    )
