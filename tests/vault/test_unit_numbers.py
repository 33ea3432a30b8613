from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from sandbox.errors import ErrorCode, SandboxError
from sandbox.vault import hot_table
from sandbox.vault.hot import HotStore
from sandbox.vault.keyring import Keyring
from tests.vault.support import write

SECONDS = 30.0


def _table(units: list[int]) -> pa.Table:
    return pa.table({"__unit": pa.array(units, pa.int64()), "x": pa.array(np.arange(len(units)))})


def _sorted(count: int) -> list[int]:
    """Units from far below 0 to far above, most of several rows."""
    made = np.random.default_rng(5)
    return sorted(np.repeat(made.integers(-(2**62), 2**62, count), made.integers(1, 9, count)).tolist())


def test_units_are_numbered_in_stored_order_over_batches_and_files(
    home: Path, keys: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.vault.parquet.ROWS_PER_GROUP", 700)
    monkeypatch.setattr(hot_table, "ROWS_PER_CHUNK", 900)
    units = _sorted(2000)
    version = write(home, keys, _table(units), grades={}, rows_per_file=2000)
    store = HotStore(home, keys, 32, 256, 2)
    expected = np.unique(units, return_inverse=True)[1].tolist()
    with store.lease({version: frozenset({"x"})}) as lease:
        assert lease.units(version.id) == 0
    for columns in ({"__number"}, {"x", "__number"}, {"__unit"}):  # alone, held already, beside others
        with store.lease({version: frozenset(columns)}) as lease:
            assert lease.units(version.id) == len(set(units))
            answer = lease.run(f"SELECT __number AS n FROM {lease.relation(version.id)}", SECONDS)
        assert answer.column("n").to_pylist() == expected
    store.close()


def test_an_empty_table_has_no_units(home: Path, keys: Keyring) -> None:
    version = write(home, keys, _table([]), grades={})
    store = HotStore(home, keys, 32, 256, 2)
    with store.lease({version: frozenset({"__number"})}) as lease:
        assert lease.units(version.id) == 0
        answer = lease.run(f"SELECT COUNT(__number) AS n FROM {lease.relation(version.id)}", SECONDS)
    assert answer.to_pydict() == {"n": [0]}
    store.close()


@pytest.mark.parametrize("units", [[1, 2, 1], [5] * 1000 + [4] * 1000])
def test_rows_that_are_not_clustered_are_not_numbered(
    home: Path, keys: Keyring, monkeypatch: pytest.MonkeyPatch, units: list[int]
) -> None:
    """Two numbers for one unit would let it count twice."""
    monkeypatch.setattr("sandbox.vault.parquet.ROWS_PER_GROUP", 1000)
    version = write(home, keys, _table(units), grades={})
    store = HotStore(home, keys, 32, 256, 2)
    with pytest.raises(SandboxError) as caught, store.lease({version: frozenset({"__number"})}):
        pass
    assert caught.value.code is ErrorCode.STORAGE_CORRUPT
    assert store.held_bytes() == 0
    store.close()


def test_a_table_without_units_has_no_numbers(home: Path, keys: Keyring) -> None:
    version = write(home, keys, pa.table({"x": [1, 2]}), grades={})
    store = HotStore(home, keys, 32, 256, 2)
    with pytest.raises(KeyError), store.lease({version: frozenset({"__number"})}):
        pass
    store.close()
