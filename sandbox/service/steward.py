"""What a steward does: draft a file, check it, publish it, see what is published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Actor
from sandbox.ingest.classify import Classified
from sandbox.ingest.connect import open_source
from sandbox.ingest.drafting import draft_table
from sandbox.ingest.header_check import check_header
from sandbox.policy.diagnostic import Diagnostic
from sandbox.policy.draft import DraftPolicy, DraftTable, Estimated, policy_text
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


def draft(request: DraftRequest) -> DraftReport:
    """A first policy file, from the heads of its tables' sources. Needs no home; stores and logs nothing.

    Raises:
        SandboxError: SOURCE_UNREADABLE; ARGUMENT for a location or a column that is not there.

    """
    return draft_report(request, draft_tables(request), {})


def draft_tables(request: DraftRequest) -> Mapping[str, tuple[DraftTable, tuple[Classified, ...]]]:
    """The tables of a first policy by name, each from the head of its source, with the evidence for it.

    Raises:
        SandboxError: as `draft`.

    """
    tables = {}
    lists = {path.stem: _keys(path) for path in sorted(request.codelists.glob("*.txt"))}
    for name, location in request.tables.items():
        source = open_source(location, request.options)
        check_header(source)
        chosen = request.unit_columns.get(name)
        if chosen is not None and chosen not in source.columns():
            raise SandboxError(
                ErrorCode.ARGUMENT,
                f"{name} has no column {chosen}.",
                f"It has: {', '.join(source.columns())}.",
            )
        tables[name] = draft_table(source, lists, chosen)
    return tables


def draft_report(
    request: DraftRequest,
    drafted: Mapping[str, tuple[DraftTable, tuple[Classified, ...]]],
    estimated: Mapping[tuple[str, str], Estimated],
) -> DraftReport:
    """The policy file of drafted tables.

    Args:
        request: what it is drafted from.
        drafted: of `draft_tables`.
        estimated: table and column to the bounds that were estimated of it.

    """
    tables = {}
    for name, (table, evidence) in drafted.items():
        doubtful = {found.column for found in evidence if found.kind is not None}
        said = {
            column: one.applied(old, doubtful=column in doubtful)
            if (one := estimated.get((name, column)))
            else old
            for column, old in table.columns.items()
        }
        tables[name] = replace(table, columns=said)
    whole = DraftPolicy(
        request.dataset, request.publisher, request.licence, request.steward, request.unit, tables
    )
    return DraftReport(policy_text(whole), {name: evidence for name, (_, evidence) in drafted.items()})


def _keys(path: Path) -> frozenset[str]:
    return frozenset(path.read_text("utf-8").split("\n")) - {""}
