"""What a steward does: draft a file, check it, publish it, see what is published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Actor
from sandbox.ingest.connect import open_source
from sandbox.ingest.drafting import draft_table
from sandbox.policy.diagnostic import Diagnostic
from sandbox.policy.draft import DraftPolicy, Estimated, policy_text
from sandbox.policy.lint import errors_of, lint_path
from sandbox.policy.registry import Publication
from sandbox.service.home import Home, today
from sandbox.service.reports import DraftReport, DraftRequest


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


def draft(request: DraftRequest, estimated: Mapping[tuple[str, str], Estimated] | None = None) -> DraftReport:
    """A first policy file, from the heads of its tables' sources. Needs no home; stores and logs nothing.

    Args:
        request: what it is drafted from.
        estimated: table and column to the bounds that were estimated of it.

    Raises:
        SandboxError: SOURCE_UNREADABLE; ARGUMENT for a location or a column that is not there.

    """
    tables, evidence = {}, {}
    lists = {path.stem: _keys(path) for path in sorted(request.codelists.glob("*.txt"))}
    for name, location in request.tables.items():
        source = open_source(location, request.options)
        chosen = request.unit_columns.get(name)
        if chosen is not None and chosen not in source.columns():
            raise SandboxError(
                ErrorCode.ARGUMENT,
                f"{name} has no column {chosen}.",
                f"It has: {', '.join(source.columns())}.",
            )
        table, evidence[name] = draft_table(source, lists, chosen)
        doubtful = {found.column for found in evidence[name] if found.kind is not None}
        said = {
            column: one.applied(old, doubtful=column in doubtful)
            if (one := (estimated or {}).get((name, column)))
            else old
            for column, old in table.columns.items()
        }
        tables[name] = replace(table, columns=said)
    whole = DraftPolicy(
        request.dataset, request.publisher, request.licence, request.steward, request.unit, tables
    )
    return DraftReport(policy_text(whole), evidence)


def _keys(path: Path) -> frozenset[str]:
    return frozenset(path.read_text("utf-8").split("\n")) - {""}
