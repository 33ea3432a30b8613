"""Load a table: source, check, unit, cluster, encrypt, commit. One new version, or nothing.

Rules
- Columns that the policy does not list are not stored; columns that it lists must be in the source.
- Until the catalog's transaction commits, nothing has happened: a load that fails or is killed leaves
  the version before it current and whole, and no plaintext on disk.
- The event names dataset, table, version, files and policy; it counts nothing.
- A source whose columns changed since the version before is refused until somebody accepts that.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

import pyarrow as pa

from sandbox.audit.event import Event, EventKind
from sandbox.catalog.model import NUMBER_COLUMN, RANK_COLUMN, UNIT_COLUMN, SourceColumn, TableVersion
from sandbox.catalog.store import Catalog
from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Actor
from sandbox.ingest.ahead import ahead
from sandbox.ingest.checks import Checks
from sandbox.ingest.cluster import RANK, UNIT, clustered
from sandbox.ingest.following import check_append, check_drift, check_not_twice, kept_rows
from sandbox.ingest.increment import check_follows, reached
from sandbox.ingest.quarantine import Quarantine
from sandbox.ingest.reading import Reading
from sandbox.ingest.report import LoadLimits, LoadReport, Progress
from sandbox.ingest.rows import UnitColumn
from sandbox.ingest.source import Source
from sandbox.policy.types import Policy, TablePolicy
from sandbox.vault.durable import writing
from sandbox.vault.keyring import Grade, Keyring
from sandbox.vault.lock import loading
from sandbox.vault.parquet import EncryptedWriter

_FEW = 5
_TEXT = ("string", "large_string", "string_view")


def load_table(
    home: Path,
    keyring: Keyring,
    catalog: Catalog,
    actor: Actor,
    source: Source,
    policy: Policy,
    table: str,
    *,
    policy_digest: str,
    mode: Literal["replace", "append"] = "replace",
    increment_of: int | None = None,
    limits: LoadLimits | None = None,
    progress: Progress | None = None,
) -> LoadReport:
    """Load `source` as the next version of a table.

    Args:
        home: folder of the instance.
        keyring: open keyring.
        catalog: of the same home.
        actor: who loads.
        source: what to load.
        policy: the dataset's published policy.
        table: name of one of its tables.
        policy_digest: `sha256:…` of the policy.
        mode: whether the source's rows replace those of the version before, or follow them.
        increment_of: number of the version whose watermark an append begins at; such a one may be empty.
        limits: memory, bad records, and whether the source's columns may have changed.
        progress: called after each batch that was read.

    Raises:
        SandboxError: POLICY_MISSING (no such table in the policy), SOURCE_UNREADABLE, LOAD_REFUSED,
            STORAGE_FULL, STORAGE_UNWRITABLE, SERVICE_BUSY, STORAGE_CORRUPT. Nothing was changed then.

    """
    started = time.monotonic()
    rules = _rules(policy, table)
    names = source.columns()
    left_out = check_columns(rules, names)
    limits = limits or LoadLimits()
    with ExitStack() as stack:
        stack.enter_context(loading(home))
        quarantine = stack.enter_context(Quarantine(home))
        number = catalog.next_version(policy.dataset, table)
        before = catalog.current(policy.dataset, table)
        check_drift(before, [SourceColumn(name) for name in names], limits.accept_drift)
        checks = stack.enter_context(Checks(home, keyring, catalog, policy, table))
        units = None
        if rules.protection == "protected":
            units = UnitColumn(home, keyring, catalog, policy, table)
        increment = increment_of is not None
        reading = Reading(source, rules, checks, units, quarantine, limits, progress, may_be_empty=increment)
        rows = reading.rows()
        base = None
        if mode == "append":
            base = check_append(before, rules, reading.schema, f"{policy.dataset}.{table}")
            if increment_of is not None:
                check_follows(base, increment_of)
            kept = kept_rows(home, keyring, base, rules, reading.schema)
            rows = _appended(_noted(kept, checks, units, base.id), rows)
        writer = EncryptedWriter(
            home,
            keyring,
            dataset=policy.dataset,
            table=table,
            version=number,
            schema=_stored_schema(reading.schema, units),
            grades=_grades(rules),
        )
        if units is not None:
            rows = clustered(rows, home, limits.memory)
        # What the disk says while a writer is given up has no code yet.
        with writing(f"{policy.dataset}.{table}"), writer, closing(ahead(rows, stop=reading.stop)) as ready:
            for batch in ready:
                writer.write(batch)
        found = [SourceColumn(name, _of_source(reading.types.get(name, ""))) for name in names]
        version = TableVersion(
            dataset=policy.dataset,
            table=table,
            version=number,
            columns=writer.columns,
            files=writer.files,
            rows=writer.rows,
            quarantined=quarantine.count,
            policy_digest=policy_digest,
            loaded_at=datetime.now(UTC),
            source=source.describe().uri,
            source_digest=reading.digest,
            source_columns=tuple(found),
            licence=policy.licence,
            mode=mode,
            base=None if before is None else before.version,
            unique=rules.checks.unique,
        )
        folder = (home / version.files[0].path).parent
        try:
            changed = check_drift(before, found, limits.accept_drift)
            if not increment:
                check_not_twice(catalog.history(policy.dataset, table), version)
            kept_aside = quarantine.keep(home, keyring, policy.dataset, folder)
            version = replace(version, quarantine=kept_aside)
            watermark = reached(catalog, source, base)
            catalog.commit(version, _event(actor, version), watermark)
        except SandboxError:
            # Any other end leaves the folder to the sweep, which knows whether it was committed.
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return LoadReport(
            version=version,
            reasons=quarantine.reasons(),
            dropped=units.dropped if units else 0,
            alone=units.alone if units else 0,
            rounded=reading.rounded(),
            left_out=left_out,
            drift=changed,
            seconds=time.monotonic() - started,
            watermark=watermark,
        )


def _appended(kept: Iterator[pa.RecordBatch], fresh: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    # A generator closes what it reads when it is closed; itertools.chain does not.
    yield from kept
    yield from fresh


def _noted(
    kept: Iterator[pa.RecordBatch], checks: Checks, units: UnitColumn | None, version: str
) -> Iterator[pa.RecordBatch]:
    """The rows that an append keeps, checked with the new ones, with `__unit` if the table is protected."""
    seen = 0
    for batch in kept:
        checks.stored(batch, version, seen + 1)
        seen += batch.num_rows
        yield batch if units is None else units.append(batch)


def _of_source(kind: str) -> str:
    return "" if kind in _TEXT else kind


def check_columns(table: TablePolicy, found: tuple[str, ...]) -> tuple[str, ...]:
    """The columns of a source that a table does not list, and so does not store.

    Raises:
        SandboxError: LOAD_REFUSED naming the columns that the source lacks; reserved names.

    """
    ours = (UNIT_COLUMN, RANK_COLUMN, NUMBER_COLUMN)
    reserved = [name for name in table.columns if name.casefold() in ours]
    if reserved:
        raise SandboxError(
            ErrorCode.LOAD_REFUSED,
            f"The policy lists {', '.join(reserved)}, a name that the sandbox keeps for itself.",
            "Rename the column at the source and in the policy.",
        )
    missing = [name for name in table.columns if name not in found]
    if not missing:
        return tuple(name for name in found if name not in table.columns)
    raise SandboxError(
        ErrorCode.LOAD_REFUSED,
        f"The source lacks columns that the policy lists: {', '.join(missing)}.",
        _about_missing(missing, found, tuple(name for name in found if name not in table.columns)),
    )


def _about_missing(missing: list[str], found: tuple[str, ...], unlisted: tuple[str, ...]) -> str:
    if len(found) == 1 and len(missing) > 1:
        return f"The source has the one column {found[0]!r}: check the delimiter."
    near = [close[0] for name in missing if (close := get_close_matches(name, found, n=1))]
    if near:
        return f"The source has {', '.join(near)}: correct the name in the policy, or at the source."
    if 0 < len(unlisted) <= _FEW:
        return (
            f"The policy does not list {', '.join(unlisted)}: if a column was renamed, name it so in the "
            "policy; else check that this is the right file."
        )
    return "Check that this is the right file, and that its header is where the options say."


def _rules(policy: Policy, table: str) -> TablePolicy:
    rules = policy.tables.get(table)
    if rules is None:
        near = get_close_matches(table, policy.tables, n=1)
        raise SandboxError(
            ErrorCode.POLICY_MISSING,
            f"The policy of {policy.dataset} has no table {table}.",
            f"Did you mean {near[0]}?" if near else f"It has: {', '.join(policy.tables)}.",
        )
    return rules


def _stored_schema(checked: pa.Schema, units: UnitColumn | None) -> pa.Schema:
    return checked if units is None else checked.append(UNIT).append(RANK)


def _grades(rules: TablePolicy) -> Mapping[str, Grade]:
    """Of the columns; unit and rank, which bound every answer, are open as soon as one column is."""
    grades = {name: column.grade for name, column in rules.columns.items()}
    own: Grade = "open" if "open" in grades.values() else "restricted"
    return {**grades, UNIT_COLUMN: own, RANK_COLUMN: own}


def _event(actor: Actor, version: TableVersion) -> Event:
    return Event(
        EventKind.DATASET_LOADED,
        actor,
        {
            "dataset": version.dataset,
            "table": version.table,
            "version": version.version,
            "files": [{"path": file.path, "sha256": file.digest} for file in version.all_files],
            "policy": version.policy_digest,
            "mode": version.mode,
            "base": version.base,
        },
    )
