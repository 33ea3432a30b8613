"""Every error code, setting, kind of event, command and make target is documented, and nothing else is."""

from __future__ import annotations

import os
import re
import subprocess
from typing import Any

import pytest
import typer
from fastapi.routing import APIRoute
from typer.core import TyperGroup, TyperOption

from sandbox.api.hub_routes import router as hub_router
from sandbox.api.problems import STATUS
from sandbox.api.routes import router
from sandbox.audit.event import FACTS, EventKind
from sandbox.cli.app import app
from sandbox.client.faults import SandboxFault
from sandbox.errors import ErrorCode
from sandbox.settings import Settings
from tests.docs.tables import coded, rows
from tests.house.tree import ROOT


def test_every_error_code_is_documented_once_with_what_to_do() -> None:
    table = rows("errors.md", columns=4)
    assert sorted(coded(row[0])[0] for row in table) == sorted(code.value for code in ErrorCode)
    assert all(what and next_step for _, _, what, next_step in table)


def test_every_error_has_its_http_status() -> None:
    documented = {coded(row[0])[0]: row[1] for row in rows("errors.md", columns=4)}
    assert documented == {code.value: str(status) for code, status in STATUS.items()}


def test_every_path_of_the_api_is_documented() -> None:
    documented = {(coded(row[0])[0], coded(row[1])[0]) for row in rows("api.md", columns=4)}
    assert documented == {
        (route.path, method)
        for route in (*router.routes, *hub_router.routes)
        if isinstance(route, APIRoute)
        for method in route.methods
    }


def test_every_fault_of_the_client_is_documented() -> None:
    documented = {coded(row[0])[0] for row in rows("api.md", columns=2)}
    assert documented == {fault.__name__ for fault in SandboxFault.__subclasses__()}


def test_every_setting_is_documented_with_its_default_and_its_meaning() -> None:
    documented = {coded(row[0])[0]: (row[1].strip("`—"), row[2]) for row in rows("settings.md")}
    said = {
        f"SANDBOX_{name.upper()}": ("" if field.default is None else str(field.default), field.description)
        for name, field in Settings.model_fields.items()
    }
    assert documented == said


def test_every_kind_of_event_is_documented_with_exactly_its_facts() -> None:
    documented = {coded(row[0])[0]: frozenset(coded(row[2])) for row in rows("audit-log.md")}
    assert documented == {kind.value: FACTS[kind] for kind in EventKind}


EVERYWHERE = {"--as", "--home", "--passphrase-file"}


def said_by(command: Any, name: str) -> dict[str, set[str]]:
    """Every command below `command`, by its full name, with its own options."""
    if isinstance(command, TyperGroup):
        below = (said_by(child, f"{name} {word}") for word, child in command.commands.items())
        return {name: options for commands in below for name, options in commands.items()}
    options = {param.opts[0] for param in command.params if isinstance(param, TyperOption)}
    return {name: options - EVERYWHERE}


def test_every_command_is_documented_with_its_options() -> None:
    documented = {coded(row[0])[0]: set(coded(row[2])) for row in rows("cli.md")}
    assert documented == said_by(typer.main.get_command(app), "sandbox")


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    phony = set(re.search(r"^\.PHONY: (.*)$", makefile, re.M)[1].split())  # type: ignore[index]
    alone = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(["make", "help"], cwd=ROOT, env=alone, capture_output=True, text=True, check=True)
    listed = {line.split()[1] for line in done.stdout.splitlines()}
    assert listed == phony == set(re.findall(r"^([a-z-]+):", makefile, re.M))


@pytest.mark.parametrize("document", ["README.md", "README.zh-CN.md"])
def test_the_readme_names_the_two_commands(document: str) -> None:
    text = (ROOT / document).read_text("utf-8")
    assert "make demo" in text
    assert "make test" in text
