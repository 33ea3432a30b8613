"""What an operator does with data: plan a load, load, look at what was set aside."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sandbox.audit.event import Event, EventKind, Fact
from sandbox.catalog.model import TableVersion
from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Actor, Role
from sandbox.ingest.connect import open_source
from sandbox.ingest.infer import columns_block, infer
from sandbox.ingest.load import check_columns, load_table
from sandbox.ingest.quarantine import read_quarantine
from sandbox.ingest.report import LoadLimits, LoadReport
from sandbox.ingest.schema import type_name
from sandbox.ingest.source import BadRecord
from sandbox.policy.published import Version
from sandbox.policy.types import Policy, TablePolicy
from sandbox.service.home import Home, need
from sandbox.service.reports import LoadPlan, LoadRequest

Steps = Callable[[int, int | None], None]
"""Called with bytes read, and bytes of the source (None: unknown)."""


def plan(home: Home, actor: Actor, request: LoadRequest) -> LoadPlan:
    """What a load would do, or, for a table that no policy names, the columns that its policy might declare.

    Reads the head of the source, stores nothing.

    Raises:
        SandboxError: ROLE_REFUSED, SOURCE_UNREADABLE, ARGUMENT; LOAD_REFUSED when columns are missing.

    """
    need(actor, Role.OPERATOR, "Loading data")
    source = open_source(request.location, request.options, connector=request.connector)
    version = home.registry.snapshot().policies.get(request.dataset)
    rules = None if version is None else version.content.tables.get(request.table)
    if rules is None:
        suggested = infer(source)
        return LoadPlan(
            dataset=request.dataset,
            table=request.table,
            source=source.describe().uri,
            columns=tuple((name, type_name(column)) for name, column in suggested.items()),
            left_out=(),
            suggestion=columns_block(suggested),
        )
    return LoadPlan(
        dataset=request.dataset,
        table=request.table,
        source=source.describe().uri,
        left_out=check_columns(rules, source.columns()),
        columns=tuple((name, type_name(column)) for name, column in rules.columns.items()),
    )


def load(home: Home, actor: Actor, request: LoadRequest, steps: Steps | None = None) -> LoadReport:
    """Load a table as one new version, or not at all. A refusal is logged.

    Raises:
        SandboxError: ROLE_REFUSED, POLICY_MISSING, SOURCE_UNREADABLE, LOAD_REFUSED, ARGUMENT,
            STORAGE_FULL, STORAGE_UNWRITABLE, SERVICE_BUSY. The version before is whole then.

    """
    need(actor, Role.OPERATOR, "Loading data")
    try:
        version = _policy(home, request.dataset)
        _rules(version, request.table)
        return load_table(
            home.folder,
            home.keyring,
            home.catalog,
            actor,
            open_source(request.location, request.options, connector=request.connector),
            version.content,
            request.table,
            policy_digest=version.digest,
            mode="append" if request.append else "replace",
            limits=LoadLimits(max_bad_rows=request.max_bad_rows, accept_drift=request.accept_drift),
            progress=None if steps is None else lambda _, done, total: steps(done, total),
        )
    except SandboxError as refusal:
        with home.store.write(Event(EventKind.LOAD_REFUSED, actor, _refused(home, request, refusal))):
            pass
        raise


def quarantine(home: Home, actor: Actor, dataset: str, table: str) -> Iterator[BadRecord]:
    """What the newest load of a table set aside, with line and reason. The reading is logged first.

    Raises:
        SandboxError: ROLE_REFUSED; DATASET_UNKNOWN when the table was never loaded; STORAGE_CORRUPT.

    """
    need(actor, Role.OPERATOR, "Reading what was set aside")
    version = home.catalog.current(dataset, table)
    if version is None:
        raise SandboxError(
            ErrorCode.DATASET_UNKNOWN,
            "No table of this name was ever loaded.",
            "`sandbox datasets` lists the tables, and says which are loaded.",
        )
    facts: dict[str, Fact] = {"dataset": dataset, "table": table, "version": version.version}
    with home.store.write(Event(EventKind.QUARANTINE_READ, actor, facts)):
        pass
    return _set_aside(home, version)


def _set_aside(home: Home, version: TableVersion) -> Iterator[BadRecord]:
    yield from read_quarantine(home.folder, home.keyring, version)


def _policy(home: Home, dataset: str) -> Version[Policy]:
    version = home.registry.snapshot().policies.get(dataset)
    if version is None:
        raise SandboxError(
            ErrorCode.POLICY_MISSING,
            "No policy is published for this dataset; without one nothing is loaded.",
            "A steward publishes one: sandbox policy publish FILE --as STEWARD.",
        )
    return version


def _rules(version: Version[Policy], table: str) -> TablePolicy:
    rules = version.content.tables.get(table)
    if rules is None:
        raise SandboxError(
            ErrorCode.POLICY_MISSING,
            f"The policy of {version.content.dataset} names no such table.",
            f"It names: {', '.join(version.content.tables)}.",
        )
    return rules


def _refused(home: Home, request: LoadRequest, refusal: SandboxError) -> dict[str, Fact]:
    """Published names only: what was mistyped could be anything."""
    facts: dict[str, Fact] = {"code": refusal.code.value}
    version = home.registry.snapshot().policies.get(request.dataset)
    if version is not None:
        facts["dataset"] = request.dataset
        if request.table in version.content.tables:
            facts["table"] = request.table
    return facts
