"""The web application: paths, errors and limits put together."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.routing import BaseRoute

from sandbox.api import hub_routes, problems, routes
from sandbox.api.desk import Desk
from sandbox.api.intake import Intake
from sandbox.service.home import Home
from sandbox.service.hub_login import HubLogin

LOOKUPS_AT_ONCE = 4

# FastAPI sends traces, with exception texts, wherever the environment tells OpenTelemetry to. Timings and
# texts of questions depend on protected rows, so nothing is sent.
_NO_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}


def create_app(home: Home, pages: Sequence[BaseRoute] = ()) -> FastAPI:
    """The API over an opened instance, and beside it web pages, if there are any. It does not close `home`.

    There are no documentation pages: they would load scripts from another host. `/openapi.json` describes
    the paths, with examples.
    """
    settings = home.settings
    app = FastAPI(
        title="Data sandbox",
        version=version("data-sandbox"),
        summary="Ask questions of protected data; pay in privacy loss.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=_NO_TELEMETRY,
        responses={"default": problems.DESCRIBED},
    )
    app.state.counter = routes.Counter(
        home=home,
        questions=Desk(settings.questions_at_once, settings.questions_waiting, settings.question_seconds),
        lookups=Desk(LOOKUPS_AT_ONCE, settings.questions_waiting, settings.question_seconds),
        hub=HubLogin.from_environment(),
    )
    app.include_router(routes.router)
    app.include_router(hub_routes.router)
    app.router.routes.extend(pages)
    problems.install(app)
    app.add_middleware(
        Intake, home=home.folder, size=settings.request_bytes, seconds=settings.request_seconds
    )
    return app
