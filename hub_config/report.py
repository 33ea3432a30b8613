"""Tells the sandbox's log who logged in and whose server runs, and sends people to their first page."""

from __future__ import annotations

import json
import os
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPRequest

from hub_config import roles

PATIENCE_SECONDS = 10.0


class Reporter:
    """Writes events over the API.

    Args:
        api: its address.
        token: of the hub itself.

    """

    def __init__(self, api: str, token: str) -> None:
        self._api = api
        self._token = token

    async def tell(self, event: str, person: str) -> dict[str, Any]:
        """Write one event; the reply says what the person's grants let them use up.

        Raises:
            HTTPError: the log did not take it.

        """
        reply = await AsyncHTTPClient().fetch(
            HTTPRequest(
                f"{self._api}/v1/hub-events",
                method="POST",
                headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
                body=json.dumps({"event": event, "person": person}),
                request_timeout=PATIENCE_SECONDS,
            )
        )
        found: dict[str, Any] = json.loads(reply.body)
        return found

    async def logged_in(self, authenticator: Any, handler: Any, model: dict[str, Any]) -> dict[str, Any]:
        """Nobody comes in unlogged: when the log does not take the event, the login fails."""
        del authenticator, handler
        await self.tell("logged-in", model["name"])
        return model

    async def starting(self, spawner: Any) -> None:
        """Before a server starts; it does not start when the log does not take the event."""
        allowed = await self.tell("server-started", spawner.user.name)
        spawner.granted_work_mb = allowed["work_mb"]

    async def ended(self, spawner: Any) -> None:
        """After a server has ended."""
        await self.tell("server-ended", spawner.user.name)


def configure(c: Any, api: str) -> None:
    """Hook the events in."""
    reporter = Reporter(api, os.environ["SANDBOX_HUB_REPORT_TOKEN"])
    c.Authenticator.post_auth_hook = reporter.logged_in
    c.Spawner.pre_spawn_hook = reporter.starting
    c.Spawner.post_stop_hook = reporter.ended


def first_page(handler: Any) -> str:
    """Where somebody goes after logging in: an OPC to the notebooks, everybody else to the hub's page."""
    user = handler.current_user
    groups = {group.name for group in user.groups} if user is not None else set()
    return str(handler.hub.base_url) + ("spawn" if "opc" in groups and "opc" in roles.ROLES else "home")
