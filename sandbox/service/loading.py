"""What an operator does with data: load, look at what was set aside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from sandbox.audit.event import Event, EventKind, Fact
from sandbox.catalog.model import TableVersion
from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Actor, Role
from sandbox.ingest.connect import open_source
from sandbox.ingest.increment import AFTER, Increment, next_increment
from sandbox.ingest.load import load_table
from sandbox.ingest.quarantine import read_quarantine
from sandbox.ingest.report import LoadLimits, LoadReport
from sandbox.ingest.source import BadRecord, Option, Source
from sandbox.policy.published import Version
from sandbox.policy.types import Policy, TablePolicy
from sandbox.service.home import Home, need
from sandbox.service.reports import LoadRequest

Steps = Callable[[int, int | None], None]
"""Called with bytes read, and bytes of the source (None: unknown)."""


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
        increment = opened(home, request)
        return load_table(
            home.folder,
            home.keyring,
            home.catalog,
            actor,
            increment.source,
            version.content,
            request.table,
            policy_digest=version.digest,
            mode="append" if request.append or increment.base is not None else "replace",
            increment_of=increment.base,
            limits=LoadLimits(max_bad_rows=request.max_bad_rows, accept_drift=request.accept_drift),
            progress=None if steps is None else lambda _, done, total: steps(done, total),
        )
    except SandboxError as refusal:
        with home.store.write(Event(EventKind.LOAD_REFUSED, actor, _refused(home, request, refusal))):
            pass
        raise


def opened(home: Home, request: LoadRequest) -> Increment:
    """The source that a request means: whole, or from where the current version has read it to.

    Raises:
        SandboxError: ARGUMENT, SOURCE_UNREADABLE; LOAD_REFUSED when no watermark says where to begin.

    """

    def opening(more: Mapping[str, Option]) -> Source:
        return open_source(request.location, {**request.options, **more}, connector=request.connector)

    if not request.incremental:
        if request.since is not None:
            raise _not_together("since says where an increment begins.", "Add --incremental.")
        return Increment(opening({}), None)
    if request.append or AFTER in request.options:
        raise _not_together(
            "An incremental load appends, and knows where it begins.",
            "Leave --append and the option after away; --since VALUE goes before what the sandbox remembers.",
        )
    return next_increment(home.catalog, request.dataset, request.table, opening, request.since)


def _not_together(message: str, hint: str) -> SandboxError:
    return SandboxError(ErrorCode.ARGUMENT, message, hint)


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
