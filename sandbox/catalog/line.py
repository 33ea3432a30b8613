"""What the catalog says of a version, as the log commits to it.

The lines of a version are true counts, a source, its digest: nothing for the log. So the log gets a salted
commitment to all of them, and the salt and what was committed to lie encrypted in the store, where whoever
opens the home compares them. A watermark counts with its ciphertext: without it, rows would be read again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

import sqlalchemy as sa

from sandbox.audit.store import Store, metadata
from sandbox.catalog.model import TableVersion
from sandbox.catalog.numbered import number_columns, sealed_by_version

lines = sa.Table(
    "catalog_line",
    metadata,
    *number_columns(),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
)
"""Versions that older releases made have none, and their entries name none."""


def line_of(version: TableVersion, watermark: bytes | None) -> str:
    """Everything that the catalog keeps of a version, as canonical text."""
    said = {
        **asdict(version),
        "loaded_at": version.loaded_at.isoformat(),
        "watermark": None if watermark is None else watermark.hex(),
    }
    return json.dumps(said, sort_keys=True)


def commitments(store: Store, texts: Mapping[int, str], dataset: str, table: str) -> dict[int, str]:
    """The commitment to each version's line, as the log should say it; empty where the line is another now.

    Args:
        store: of the catalog.
        texts: `line_of` each version of the table, by number.
        dataset: name of the dataset.
        table: name of the table.

    Raises:
        SandboxError: STORAGE_CORRUPT when what was sealed does not open.

    """
    return {
        number: store.commitment(sealed) if store.unseal(sealed) == texts.get(number) else ""
        for number, sealed in sealed_by_version(store, lines, dataset, table).items()
    }
