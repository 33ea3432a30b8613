"""Which version a load follows: the rows that an append keeps, and what changed at the source since.

An append is a new, whole version: the rows of the current one and those of the source, ranked and clustered
together. So every version is compact and bounded in the same way, however it grew. Units come from keyed
hashes of identifiers, and are what they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from sandbox.catalog.drift import Drift, drift
from sandbox.catalog.model import RANK_COLUMN, UNIT_COLUMN, SourceColumn, TableVersion
from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.types import TablePolicy
from sandbox.vault.keyring import Keyring
from sandbox.vault.parquet import read_batches


def check_drift(before: TableVersion | None, now: Sequence[SourceColumn], accepted: bool) -> Drift:
    """What changed at the source since the version before.

    Raises:
        SandboxError: LOAD_REFUSED when something did and nobody accepted it.

    """
    if before is None or not before.source_columns:
        return Drift()
    found = drift(before.source_columns, now)
    if found and not accepted:
        raise SandboxError(
            ErrorCode.LOAD_REFUSED,
            f"The columns of the source changed since {before.id}: {found}.",
            "If that is right, load again with --accept-drift; a column is stored once the policy lists it.",
        )
    return found


def check_append(
    before: TableVersion | None, rules: TablePolicy, schema: pa.Schema, name: str
) -> TableVersion:
    """The version that an append follows.

    Raises:
        SandboxError: LOAD_REFUSED when there is none, or its columns are not those of the policy.

    """
    if before is None:
        raise SandboxError(
            ErrorCode.LOAD_REFUSED,
            f"{name} holds no rows that could be appended to.",
            "Load it whole first, without --append.",
        )
    own = (UNIT_COLUMN, RANK_COLUMN) if rules.protection == "protected" else ()
    stored = {column.name: column.arrow_type for column in before.columns if column.name not in own}
    declared = {field.name: str(field.type) for field in schema}
    if stored != declared:
        changed = drift(
            [SourceColumn(*one) for one in stored.items()], [SourceColumn(*one) for one in declared.items()]
        )
        raise SandboxError(
            ErrorCode.LOAD_REFUSED,
            f"{before.id} was stored with other columns than the policy lists now: {changed}.",
            "Load the table whole, without --append.",
        )
    return before


def check_not_twice(history: Sequence[TableVersion], version: TableVersion) -> None:
    """An append whose source the version before holds already is most likely a mistake.

    Raises:
        SandboxError: LOAD_REFUSED.

    """
    numbered = {one.version: one for one in history}
    held = numbered.get(version.base or 0) if version.mode == "append" and version.source_digest else None
    while held is not None:
        if held.source_digest == version.source_digest:
            raise SandboxError(
                ErrorCode.LOAD_REFUSED,
                f"The same source, byte for byte, is in {held.id} already.",
                "Nothing needs to be done; or load the table whole, without --append.",
            )
        held = numbered.get(held.base or 0) if held.mode == "append" else None


def kept_rows(
    home: Path, keyring: Keyring, version: TableVersion, rules: TablePolicy, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """The rows of a version, as the policy's columns, without unit and rank.

    Raises:
        SandboxError: LOAD_REFUSED when they hold a null that the policy does not allow any more;
            STORAGE_CORRUPT.

    """
    never = [name for name, column in rules.columns.items() if not column.nullable]
    for batch in read_batches(home, keyring, version, schema.names):
        if broken := [name for name in never if batch.column(name).null_count]:
            raise SandboxError(
                ErrorCode.LOAD_REFUSED,
                f"Rows of {version.id} have no value in {', '.join(broken)}, which the policy demands now.",
                "Load the table whole, without --append, so that such rows are set aside.",
            )
        yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)
