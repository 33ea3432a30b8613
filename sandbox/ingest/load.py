"""Load a table: source, check, unit, cluster, encrypt, commit. One new version, or nothing.

Rules
- Columns that the policy does not list are not stored; columns that it lists must be in the source.
- Until the catalog's transaction commits, nothing has happened: a load that fails or is killed leaves
  the version before it current and whole, and no plaintext on disk.
- The event names dataset, table, version, files and policy; it counts nothing.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path

import pyarrow as pa

from sandbox.audit.event import Event, EventKind
from sandbox.catalog.model import RANK_COLUMN, UNIT_COLUMN, TableVersion
from sandbox.catalog.store import Catalog
from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Actor
from sandbox.ingest.ahead import ahead
from sandbox.ingest.cluster import RANK, UNIT, clustered
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
        limits: memory and bad records.
        progress: called after each batch that was read.

    Raises:
        SandboxError: POLICY_MISSING (no such table in the policy), SOURCE_UNREADABLE, LOAD_REFUSED,
            STORAGE_FULL, STORAGE_UNWRITABLE, SERVICE_BUSY, STORAGE_CORRUPT. Nothing was changed then.

    """
    started = time.monotonic()
    rules = _rules(policy, table)
    left_out = check_columns(rules, source.columns())
    with loading(home), Quarantine(home) as quarantine:
        number = catalog.next_version(policy.dataset, table)
        units = None
        if rules.protection == "protected":
            units = UnitColumn(home, keyring, catalog, policy, table)
        reading = Reading(source, rules.columns, units, quarantine, limits or LoadLimits(), progress)
        writer = EncryptedWriter(
            home,
            keyring,
            dataset=policy.dataset,
            table=table,
            version=number,
            schema=_stored_schema(reading.schema, units),
            grades=_grades(rules),
        )
        rows = reading.rows()
        if units is not None:
            rows = clustered(rows, home, reading.limits.memory)
        # What the disk says while a writer is given up has no code yet.
        with writing(f"{policy.dataset}.{table}"), writer, closing(ahead(rows, stop=reading.stop)) as ready:
            for batch in ready:
                writer.write(batch)
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
        )
        folder = (home / version.files[0].path).parent
        try:
            quarantine.keep(home, keyring, policy.dataset, folder)
            catalog.commit(version, _event(actor, version))
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
            seconds=time.monotonic() - started,
        )


def check_columns(table: TablePolicy, found: tuple[str, ...]) -> tuple[str, ...]:
    """The columns of a source that a table does not list, and so does not store.

    Raises:
        SandboxError: LOAD_REFUSED naming the columns that the source lacks; reserved names.

    """
    reserved = [name for name in table.columns if name.casefold() in (UNIT_COLUMN, RANK_COLUMN)]
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
        _about_missing(missing, found),
    )


def _about_missing(missing: list[str], found: tuple[str, ...]) -> str:
    if len(found) == 1 and len(missing) > 1:
        return f"The source has the one column {found[0]!r}: check the delimiter."
    near = [close[0] for name in missing if (close := get_close_matches(name, found, n=1))]
    if near:
        return f"The source has {', '.join(near)}: correct the name in the policy, or at the source."
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
    return {name: column.grade for name, column in rules.columns.items()}


def _event(actor: Actor, version: TableVersion) -> Event:
    return Event(
        EventKind.DATASET_LOADED,
        actor,
        {
            "dataset": version.dataset,
            "table": version.table,
            "version": version.version,
            "files": [{"path": file.path, "sha256": file.digest} for file in version.files],
            "policy": version.policy_digest,
        },
    )
