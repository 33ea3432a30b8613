"""The pages: one for a person, which shows what their roles let them see, and what it takes to come there.

Rules
- Every figure comes from the same function of the service as the API's, with the same checks, for the person
  whom the hub names at this moment. A page changes nothing but its own session.
- Pages run no script, load nothing from elsewhere, and are kept by no cache.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.console.login import LOGIN_SECONDS, SESSION_SECONDS, Login
from sandbox.console.words import LANGUAGES, preferred, words
from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Actor, Role, Via
from sandbox.service import auditor, opc
from sandbox.service.home import Home
from sandbox.service.hub_login import HubLogin
from sandbox.service.reports import LogFilter

SESSION, BEGUN = "sandbox-session", "sandbox-login"
LINES = 20
LOADS = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
Page = Callable[[Request], Awaitable[Response]]


def pages(home: Home, hub: HubLogin) -> list[BaseRoute]:
    """The pages over an opened instance, for people whom the hub knows that manages this service."""
    from jupyterhub.services.auth import HubOAuth  # noqa: PLC0415  (comes with the hub)

    console = _Console(home, hub, Login(HubOAuth()))
    return [
        Route("/", _guarded(console.person)),
        Route("/oauth_callback", _guarded(console.callback)),
        Route("/logout", _guarded(console.logout), methods=["POST"]),
        Route("/style.css", _guarded(style)),
    ]


def _guarded(page: Page) -> Page:
    """`page`, which loads its own style and nothing else; what it refuses is said on a page."""

    async def answered(request: Request) -> Response:
        try:
            answer = await page(request)
        except SandboxError as refused:
            status = 503 if refused.code is ErrorCode.SERVICE_BUSY else 403
            answer = _page(request, "refused.html", status, refused=refused, base="./")
        answer.headers["Content-Security-Policy"] = LOADS
        return answer

    return answered


class _Console:
    def __init__(self, home: Home, hub: HubLogin, login: Login) -> None:
        self._home = home
        self._hub = hub
        self._login = login

    async def person(self, request: Request) -> Response:
        """The page of the person who is logged in; others are sent to log in."""
        token = self._login.token(request.cookies.get(SESSION, ""))
        if token is None:
            return self._to_login(request)
        try:
            actor = await run_in_threadpool(self._hub.caller, self._home, token, Via.CONSOLE)
        except SandboxError as refused:
            if refused.code is not ErrorCode.TOKEN_INVALID:
                raise
            self._login.end(request.cookies[SESSION])
            return self._to_login(request)
        seen = await run_in_threadpool(self._seen, actor)
        return _page(request, "person.html", actor=actor, base=self._login.path, **seen)

    async def callback(self, request: Request) -> Response:
        """Where the hub sends a browser that logged in."""
        asked = request.query_params
        session, language = await run_in_threadpool(
            self._login.finish, asked.get("code", ""), asked.get("state", ""), request.cookies.get(BEGUN, "")
        )
        wanted = f"?lang={language}" if language in LANGUAGES else ""
        answer = RedirectResponse(self._login.path + wanted, 303)
        answer.delete_cookie(BEGUN, path=self._login.path)
        self._cookie(request, answer, SESSION, session, SESSION_SECONDS)
        return answer

    async def logout(self, request: Request) -> Response:
        """End the session here; the one at the hub is ended at the hub."""
        self._login.end(request.cookies.get(SESSION, ""))
        answer = RedirectResponse("/hub/home", 303)
        answer.delete_cookie(SESSION, path=self._login.path)
        return answer

    def _to_login(self, request: Request) -> Response:
        where, state = self._login.begin(request.query_params.get("lang", ""))
        answer = RedirectResponse(where, 303)
        self._cookie(request, answer, BEGUN, state, LOGIN_SECONDS)
        return answer

    def _cookie(self, request: Request, answer: Response, name: str, value: str, seconds: float) -> None:
        # The proxy says how the browser came; if somebody else says it, they keep a cookie from themselves.
        secure = request.headers.get("x-forwarded-proto", "").partition(",")[0].strip() == "https"
        answer.set_cookie(
            name, value, int(seconds), path=self._login.path, secure=secure, httponly=True, samesite="lax"
        )

    def _seen(self, actor: Actor) -> dict[str, Any]:
        """What the roles of a person let them see."""
        roles = actor.person.roles
        grants = opc.grants(self._home, actor) if Role.OPC in roles else ()
        lines = auditor.show_log(self._home, actor, LogFilter(limit=LINES)) if Role.AUDITOR in roles else ()
        return {
            "grants": [(grant, opc.budget(self._home, actor, grant.grant)) for grant in grants],
            "datasets": opc.datasets(self._home, actor) if roles & {Role.OPC, Role.STEWARD} else (),
            "lines": tuple(reversed(lines)),
        }


async def style(request: Request) -> Response:
    """How the pages look."""
    del request
    return Response(_templates().get_template("style.css").render(), media_type="text/css")


def _page(request: Request, template: str, status: int = 200, **shown: Any) -> Response:
    language = preferred(request.query_params.get("lang", ""), request.headers.get("accept-language", ""))
    text = _templates().get_template(template).render(language=language, words=words(language), **shown)
    return Response(text, status, media_type="text/html")


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("sandbox.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
