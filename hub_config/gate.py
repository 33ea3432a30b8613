"""The gate of a notebook server: what is not on its list does not exist, whatever extension offers it.

Rules
- The list stands before every other route of the server, extensions included. It names methods and paths.
- Left out on purpose: terminals, /files, /view, /nbconvert, changes of configuration and settings, the
  extension manager, language servers, debugging proxies, shutting the server down.
"""

from __future__ import annotations

import re
from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher, Rule
from tornado.web import RequestHandler

READ = ("GET", "HEAD", "OPTIONS")
WRITE = (*READ, "POST", "PUT", "PATCH", "DELETE")
ALLOWED: tuple[tuple[tuple[str, ...], str], ...] = (
    (READ, r""),
    (READ, r"lab(/(tree|workspaces|doc)(/.*)?)?/?"),
    (READ, r"lab/api/(settings|themes|translations|licenses)(/.*)?"),
    (READ, r"lab/extensions/.*"),
    (WRITE, r"lab/api/workspaces(/.*)?"),
    (READ, r"static/.*"),
    (READ, r"(favicon\.ico|logo|oauth_callback|logout)"),
    (READ, r"api(/(status|me))?"),
    (READ, r"api/kernelspecs(/[^/]*)?"),
    (WRITE, r"api/kernels(/.*)?"),
    (WRITE, r"api/sessions(/.*)?"),
    (WRITE, r"api/contents(/.*)?"),
    (READ, r"api/events/subscribe"),
)
_PATTERNS = tuple((methods, re.compile(pattern)) for methods, pattern in ALLOWED)

# Lab compiles its settings' schemas (unsafe-eval); nothing inline runs, nothing is fetched from elsewhere.
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "frame-src 'none'",
        "form-action 'self'",
        "base-uri 'self'",
        "frame-ancestors 'self'",
    )
)


def allowed(method: str, path: str) -> bool:
    """Whether a path, below the server's base URL and without it, is on the list."""
    return any(method in methods and pattern.fullmatch(path) for methods, pattern in _PATTERNS)


class Unlisted(Matcher):
    """Matches every request that is not on the list."""

    def __init__(self, base: str) -> None:
        self._base = base

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """An empty dict for what is not allowed; None hands the request on."""
        path = request.path
        inside = path.startswith(self._base) and allowed(request.method or "", path[len(self._base) :])
        return None if inside else {}


class Nothing(RequestHandler):
    """There is nothing here."""

    def prepare(self) -> None:
        """Say so, for every method."""
        self.set_status(404)
        self.set_header("Content-Security-Policy", "default-src 'none'")
        self.finish("There is nothing here.")


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "hub_config.gate"}]


def _load_jupyter_server_extension(server: Any) -> None:
    """Put the gate before everything else."""
    rule = Rule(Unlisted(server.web_app.settings["base_url"]), Nothing)
    router = server.web_app.default_router
    router.rules.insert(0, router.process_rule(rule))
