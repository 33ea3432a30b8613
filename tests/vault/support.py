"""Real data, written and read for real."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa

from sandbox.catalog.model import TableVersion
from sandbox.vault.keyring import KEYRING_FILE, Grade, Keyring
from sandbox.vault.parquet import EncryptedWriter

PASSPHRASE = "correct horse 电池 staple"
SECRET_CELL = "机密-canary-cell-0042"
COLUMNS: Mapping[str, Grade] = {
    "__unit": "restricted",
    "case.id": "restricted",
    "姓名, 全称": "restricted",
    "region": "open",
    "amount;yuan": "open",
    "born": "restricted",
    "seen": "open",
    "ratio": "open",
}

__all__ = ["COLUMNS", "PASSPHRASE", "SECRET_CELL", "keyring", "people", "write"]


def keyring(home: Path) -> Keyring:
    return Keyring.create(home / KEYRING_FILE, PASSPHRASE)


def people(rows: int, seed: int = 7) -> pa.Table:
    """Every kind of value, awkward names, nulls; `__unit` counts up, so order can be checked."""
    random = np.random.default_rng(seed)
    day = dt.date(1950, 1, 1)
    return pa.table(
        {
            "__unit": pa.array(np.arange(rows), pa.int64()),
            "case.id": pa.array(random.integers(0, 10**9, rows), pa.int64()),
            "姓名, 全称": pa.array([SECRET_CELL if i % 97 == 5 else f"姓名{i}" for i in range(rows)]),
            "region": pa.array([f"R{k}" for k in random.integers(0, 9, rows)]),
            "amount;yuan": pa.array(
                [None if i % 11 == 3 else Decimal(i).scaleb(-2) for i in range(rows)], pa.decimal128(12, 2)
            ),
            "born": pa.array([day + dt.timedelta(days=int(k)) for k in random.integers(0, 20000, rows)]),
            "seen": pa.array(random.integers(0, 2, rows) == 1),
            "ratio": pa.array(random.random(rows)),
        }
    )


def write(
    home: Path,
    keys: Keyring,
    table: pa.Table,
    *,
    dataset: str = "nafld",
    name: str = "people",
    version: int = 1,
    grades: Mapping[str, Grade] = COLUMNS,
    rows_per_file: int = 10**9,
    batch_rows: int = 1000,
) -> TableVersion:
    with EncryptedWriter(
        home,
        keys,
        dataset=dataset,
        table=name,
        version=version,
        schema=table.schema,
        grades=grades,
        rows_per_file=rows_per_file,
    ) as writer:
        for batch in table.to_batches(batch_rows):
            writer.write(batch)
    return TableVersion(
        dataset=dataset,
        table=name,
        version=version,
        columns=writer.columns,
        files=writer.files,
        rows=writer.rows,
        quarantined=0,
        policy_digest="sha256:0",
        loaded_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        source="people.csv",
    )
