"""What a steward does: check a file, publish it, see what is published."""

from __future__ import annotations

from pathlib import Path

from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Actor
from sandbox.policy.diagnostic import Diagnostic
from sandbox.policy.lint import errors_of, lint_path
from sandbox.policy.registry import Publication
from sandbox.service.home import Home, today


def lint(path: Path) -> tuple[Diagnostic, ...]:
    """Every finding in a policy file, or in those of a folder, against the files around. Needs no home.

    Raises:
        SandboxError: ARGUMENT when there is nothing at `path`.

    """
    if not path.exists():
        raise SandboxError(
            ErrorCode.ARGUMENT, f"There is nothing at {path}.", "Name a policy file, or a folder of them."
        )
    return lint_path(path, today())


def refusing(found: tuple[Diagnostic, ...]) -> tuple[Diagnostic, ...]:
    """The findings that refuse a file; the others only tell."""
    return errors_of(found)


def publish(home: Home, actor: Actor, path: Path) -> Publication:
    """Make a file current: its exact bytes are stored by digest, and logged. It decides from now on.

    Raises:
        PolicyFileError: every problem of the file, with line and column.
        SandboxError: ROLE_REFUSED (operators publish people.yaml, stewards everything else),
            POLICY_REFUSED (not a steward of the dataset), and of the store.

    """
    return home.registry.publish(path, actor)
