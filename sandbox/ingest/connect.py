"""Find connectors by their entry points. Nobody imports a connector."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path

from sandbox.errors import ErrorCode, SandboxError
from sandbox.ingest.declaration import Declaration, is_declaration, read_declaration
from sandbox.ingest.source import CONNECTORS, Connector, Option, Source
from sandbox.ingest.written import WrittenSource

_SCHEME = re.compile(r"([a-z][a-z0-9-]*)(?:\+[a-z0-9+]*)?://", re.ASCII)


def connector_names() -> tuple[str, ...]:
    """Names of the installed connectors, sorted."""
    return tuple(sorted({point.name for point in entry_points(group=CONNECTORS)}))


def open_source(location: str, options: Mapping[str, Option] | None = None, *, connector: str = "") -> Source:
    """Open a location with an installed connector.

    Args:
        location: a source file (`*.source.yaml`), or what the connector understands.
        options: of the connector; they go before those of a source file.
        connector: its name; else what the source file says, else the scheme of a URL, else `files`.

    Raises:
        SandboxError: ARGUMENT if no such connector is installed; POLICY_FILE for a wrong source file; what
            the connector raises.

    """
    declared = Declaration(location)
    if is_declaration(location):
        declared = read_declaration(Path(location).expanduser())
    name = connector or declared.connector or _scheme(declared.location) or "files"
    for point in entry_points(group=CONNECTORS, name=name):
        opener: Connector = _loaded(point)()
        source = opener.open(declared.location, {**declared.options, **(options or {})})
        return WrittenSource(source, declared.written) if declared.written else source
    raise SandboxError(
        ErrorCode.ARGUMENT,
        f"No connector is named {name!r}.",
        f"Installed connectors: {', '.join(connector_names()) or 'none'}.",
    )


def _scheme(location: str) -> str:
    found = _SCHEME.match(location)
    return found[1] if found else ""


def _loaded(point: object) -> type[Connector]:
    try:
        found: type[Connector] = point.load()  # type: ignore[attr-defined]
    except ModuleNotFoundError as error:
        raise SandboxError(
            ErrorCode.ARGUMENT,
            f"This connector needs {error.name}, which is not installed.",
            "pip install 'data-sandbox[sources]'",
        ) from None
    return found
