"""How far a version has read a source: the greatest value of its key, from which the next increment goes on.

A watermark is a value of the data, so it lies encrypted in the store, bound to its version; it is in no log.
It commits with its version, and is current when that is: a roll-back takes it back.
"""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass

import sqlalchemy as sa

from sandbox.audit.store import Store, Transaction, metadata
from sandbox.catalog.model import TableVersion
from sandbox.catalog.numbered import number_columns, numbered, of_version, sealed_by_version
from sandbox.errors import ErrorCode, SandboxError

watermarks = sa.Table(
    "catalog_watermark",
    metadata,
    *number_columns(),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Watermark:
    """The greatest value (as text) of the column `key` that was read of `source` (a URI)."""

    source: str
    key: str
    value: str


def sealed_watermark(store: Store, version: TableVersion, mark: Watermark) -> bytes:
    """The watermark as it is kept, bound to its version."""
    return store.seal(json.dumps([version.id, *astuple(mark)]))


def keep_watermark(transaction: Transaction, version: TableVersion, sealed: bytes) -> None:
    """Commit the watermark with its version."""
    transaction.connection.execute(watermarks.insert().values(**numbered(version), sealed=sealed))


def sealed_watermarks(store: Store, dataset: str, table: str) -> dict[int, bytes]:
    """The watermarks of a table as they are kept, by version."""
    return sealed_by_version(store, watermarks, dataset, table)


def watermark_of(store: Store, version: TableVersion) -> Watermark | None:
    """The watermark of a version; None when its source was not read in the order of a key.

    Raises:
        SandboxError: STORAGE_CORRUPT when it is not what was committed with this version.

    """
    query = sa.select(watermarks.c.sealed).where(of_version(watermarks, version))
    with store.read() as connection:
        sealed = connection.execute(query).scalar_one_or_none()
    if sealed is None:
        return None
    owner, *mark = json.loads(store.unseal(sealed))
    if owner != version.id:
        raise SandboxError(
            ErrorCode.STORAGE_CORRUPT,
            f"The watermark of {version.id} belongs to another version.",
            "Restore a backup, or load the table whole.",
        )
    return Watermark(*mark)
