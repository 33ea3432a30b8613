"""`__unit` and `__rank`."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter, defaultdict
from decimal import Decimal
from math import comb
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.catalog.model import RANK_COLUMN, UNIT_COLUMN
from sandbox.errors import ErrorCode, SandboxError
from sandbox.ingest.canonical import canonical
from sandbox.ingest.cluster import clustered
from sandbox.ingest.spill import Spill
from sandbox.ingest.units import NO_UNIT, RowUnits, UnitHash
from tests.ingest.conftest import refusal

KEY = b"k" * 32


def of(values, kind=None, key=KEY):
    return UnitHash(key).of(pa.array(values, kind)).tolist()


def test_the_value_is_keyed_blake2b():
    digest = hashlib.blake2b(b"17850", digest_size=8, key=KEY).digest()
    assert of([17850]) == [int.from_bytes(digest, "little") & (2**63 - 1)]


def test_one_identifier_has_one_unit_in_every_type():
    same = {
        *of([17850], pa.int64()),
        *of([Decimal("17850.00")], pa.decimal128(9, 2)),
        *of([17850.0], pa.float64()),
        *of(["17850", " 17850\t", "17850.0", "17850.00"]),
    }
    assert len(same) == 1
    assert of([10**15], pa.int64()) == of([1e15], pa.float64())
    assert of([dt.date(2020, 1, 5)]) == of(["2020-01-05"])


def test_other_identifiers_are_other_units():
    texts = [
        "17850",
        "017850",
        "17850.5",
        "-17850",
        "A1",
        "a1",
        "\uff21",
        "\u00e9",
        "e\u0301",
        "1 1",
        "0",
        "00",
    ]
    assert len(set(of(texts))) == len(texts)
    assert canonical(pa.array([Decimal("1.50"), Decimal("100.00"), Decimal("0.00")])).to_pylist() == [
        "1.5",
        "100",
        "0",
    ]


def test_keys_separate_unit_spaces_and_null_has_no_unit():
    assert of([1, 2]) != of([1, 2], key=b"l" * 32)
    assert of([None, 1, None])[::2] == [NO_UNIT, NO_UNIT]
    assert of(["", "  ", None, "x"])[:3] == [NO_UNIT] * 3
    assert of([], pa.int64()) == []


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), max_size=30))
def test_batches_do_not_matter(numbers):
    together = of(numbers, pa.int64())
    one_hash = UnitHash(KEY)
    assert together == [int(one_hash.of(pa.array([number], pa.int64()))[0]) for number in numbers]
    assert together == of([None if number is None else str(number) for number in numbers], pa.string())
    assert all(unit > 0 for unit, number in zip(together, numbers, strict=True) if number is not None)


def test_more_units_than_are_remembered(monkeypatch):
    monkeypatch.setattr("sandbox.ingest.units._KNOWN", 10)
    one_hash = UnitHash(KEY)
    for _ in range(3):
        assert one_hash.of(pa.array(range(35))).tolist() == of(range(35))


def test_row_units_are_negative_distinct_and_spread():
    units = RowUnits()
    got = np.concatenate([units.next(100_000), units.next(1), units.next(100_000)])
    assert len(np.unique(got)) == 200_001
    assert got.max() < 0
    assert got.min() >= -(2**62)
    assert set(got.tolist()).isdisjoint(RowUnits().next(100_000).tolist())
    assert np.bincount((-1 - got) >> 56, minlength=64).min() > 1000


def cluster(tmp_path, units, memory, batch_rows=1000):
    rows = pa.table(
        {"row": np.arange(len(units)), "text": [f"t{n}" for n in range(len(units))], UNIT_COLUMN: units}
    )
    batches = list(clustered(iter(rows.to_batches(batch_rows)), tmp_path, memory))
    return pa.Table.from_batches(batches)


@pytest.mark.parametrize("memory", [1 << 30, 100_000, 3000])
def test_clustered_rows_are_whole_sorted_and_ranked(tmp_path, memory):
    random = np.random.default_rng(7)
    units = np.concatenate(
        [random.integers(1, 2**63 - 1, 3000), np.full(4000, 77), random.integers(-(2**62), 0, 500)]
    )
    units = np.concatenate([units, units[:2000], np.array([-(2**63), 2**63 - 1, 0])])
    random.shuffle(units)
    got = cluster(tmp_path, units, memory)
    got_units = got[UNIT_COLUMN].to_numpy()
    assert got_units.tolist() == sorted(units.tolist())
    assert sorted(got["row"].to_pylist()) == list(range(len(units)))
    assert units[got["row"].to_numpy()].tolist() == got_units.tolist()
    assert got["text"].to_pylist() == [f"t{n}" for n in got["row"].to_pylist()]
    ranks = defaultdict(list)
    for unit, rank in zip(got_units.tolist(), got[RANK_COLUMN].to_pylist(), strict=True):
        ranks[unit].append(rank)
    assert all(rank == list(range(len(rank))) for rank in ranks.values())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("memory", [1 << 30, 100_000])
def test_every_order_within_a_unit_is_as_likely(tmp_path, memory):
    """Exact two-sided binomial test for each of the 24 orders of four rows; false alarm at most 1e-6."""
    units = np.repeat(np.arange(1, 12_001), 4)
    got = cluster(tmp_path, units, memory)
    orders = Counter(map(tuple, (got["row"].to_numpy() % 4).reshape(-1, 4).tolist()))
    assert len(orders) == 24
    n, p = 12_000, 1 / 24
    for count in orders.values():
        # Hoeffding's bound for one order, times 24 orders, two sides and two memories.
        assert abs(count - n * p) < (n * np.log(24 * 2 * 2 / 1e-6) / 2) ** 0.5


def test_a_unit_larger_than_memory_is_shuffled_too(tmp_path):
    """The first of 300 rows of one unit: over 30 loads, none comes first more than 6 times."""
    firsts = Counter(cluster(tmp_path, np.full(300, 5), 3000, 50)["row"][0].as_py() for _ in range(30))
    # Union bound over rows of P(Binomial(30, 1/300) >= 7) <= C(30, 7) / 300^7.
    assert 300 * comb(30, 7) / 300.0**7 < 1e-6
    assert max(firsts.values()) <= 6
    assert len(firsts) > 1


def test_a_spill_has_no_name_and_no_plaintext(tmp_path):
    rows = pa.record_batch({"x": ["MARKERMARKER"] * 100})
    with Spill(tmp_path) as spill:
        spill.append(3, [rows, rows])
        spill.append(4, [rows])
        assert list(tmp_path.iterdir()) == []
        stored = Path(f"/proc/self/fd/{spill._file.fileno()}").read_bytes()
        assert len(stored) > 3 * rows.nbytes
        assert b"MARKER" not in stored
        assert sum(batch.num_rows for batch in spill.read(3)) == 200
        assert list(spill.read(9)) == []


def test_a_full_disk_is_said(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    rows = pa.record_batch({"x": [1]})
    with Spill(tmp_path) as spill:
        file = spill._file

        class Full:
            write = staticmethod(full)
            close = staticmethod(file.close)

        monkeypatch.setattr(spill, "_file", Full())
        refusal(ErrorCode.STORAGE_FULL, lambda: spill.append(0, [rows]))
    with pytest.raises(SandboxError):
        Spill(tmp_path / "nowhere")
