"""Find connectors by their entry points. Nobody imports a connector."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points

from sandbox.errors import ErrorCode, SandboxError
from sandbox.ingest.source import CONNECTORS, Connector, Option, Source


def connector_names() -> tuple[str, ...]:
    """Names of the installed connectors, sorted."""
    return tuple(sorted({point.name for point in entry_points(group=CONNECTORS)}))


def open_source(
    location: str, options: Mapping[str, Option] | None = None, *, connector: str = "files"
) -> Source:
    """Open a location with an installed connector.

    Raises:
        SandboxError: ARGUMENT if no such connector is installed; what the connector raises.

    """
    for point in entry_points(group=CONNECTORS, name=connector):
        opener: Connector = point.load()()
        return opener.open(location, options or {})
    raise SandboxError(
        ErrorCode.ARGUMENT,
        f"No connector is named {connector!r}.",
        f"Installed connectors: {', '.join(connector_names()) or 'none'}.",
    )
