"""Dirty properties of real public datasets that only a whole load, or several tables, can show.

Those of single files are in tests/connectors/test_dirty.py. The rows here are made in the manner of the
datasets that are named; the datasets do not ship.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.errors import ErrorCode
from sandbox.ingest.quarantine import read_quarantine
from tests.ingest.conftest import refusal
from tests.ingest.instance import Instance, blocks, policy, protected


@pytest.fixture
def it(tmp_path: Path) -> Iterator[Instance]:
    made = Instance.create(tmp_path / "home")
    yield made
    made.store.close()


def test_a_value_that_is_capped_at_the_source_stays_as_it_came(it, put):
    """us_california_housing: 500,001 means "more than 500,000". `between` clamps in arithmetic, not here."""
    house = {"type": "double", "between": [0, 500_000]}
    data = put("housing.csv", b"id,value\n1,452600.0\n2,500001.0\n3,500001\n")
    report = it.load(data, policy(t=protected(id="integer", value=house)))
    assert sorted(it.rows()["value"].to_pylist()) == [452600.0, 500001.0, 500001.0]
    assert (report.version.rows, report.version.quarantined) == (3, 0)
    strict = policy(t={**protected(id="integer", value=house), "checks": {"only_declared": ["value"]}})
    version = it.load(data, strict, max_bad_rows=2).version
    assert [bad.reason for bad in read_quarantine(it.home, it.keyring, version)] == [
        "outside the declared bounds",
        "outside the declared bounds",
    ], "whoever declares that nothing may lie outside has it set aside"


def test_two_sources_that_disagree_on_codes(it, put):
    """cn_admin_divisions: towns of one source name areas that the other does not have, or has renamed."""
    towns = {
        "protection": "open",
        "columns": blocks({"code": "text", "area": "text"}),
        "checks": {"references": {"area": "areas.code"}},
    }
    areas = {"protection": "open", "columns": blocks({"code": "text", "name": "text"})}
    rules = policy(areas=areas, t=towns)
    it.load(put("areas.csv", "code,name\n110101,东城区\n110102,西城区\n".encode()), rules, "areas")
    lines = ["code,area", *(f"1101010{n:02d},110101" for n in range(20)), "110103001,110103"]
    version = it.load(put("towns.csv", "\n".join(lines).encode()), rules).version
    assert version.rows == 20
    (bad,) = read_quarantine(it.home, it.keyring, version)
    assert (bad.record, bad.column, bad.reason) == (22, "area", "refers to no areas.code")
    newer = put("newer.csv", "code,name\n110101,东城区（新）\n".encode())
    it.load(newer, rules, "areas")
    assert it.rows("areas")["name"].to_pylist() == ["东城区（新）"], (
        "the newest load is right; the older is history"
    )
    assert [one.version for one in it.catalog.history("d", "areas")] == [1, 2]


def test_one_code_with_two_names_in_one_load_is_nobodys_to_choose(it, put):
    rules = policy(
        t={
            "protection": "open",
            "columns": blocks({"code": "text", "name": "text"}),
            "checks": {"unique": [["code"]]},
        }
    )
    data = put("areas.csv", "code,name\n110101,东城区\n110101,东城\n".encode())
    error = refusal(ErrorCode.LOAD_REFUSED, lambda: it.load(data, rules))
    assert "record 2 and areas.csv, record 3" in error.hint
    assert it.current() is None


def test_spellings_of_one_supplier_are_as_many_units(it, put):
    """kosovo_procurement: nothing is folded, so a firm that is spelt in two ways is bounded twice."""
    rules = policy(t=protected("firm", firm="text", sum="integer"))
    data = put("contracts.csv", 'firm,sum\n“Bartja”,1\n"""Bartja""",2\nBARTJA,3\n“Bartja”,4\n'.encode())
    it.load(data, rules)
    assert len(set(it.rows()["__unit"].to_pylist())) == 3


def test_one_unit_with_thousands_of_rows_is_ranked_like_any_other(it, put):
    """online_retail: 7,983 rows of one customer beside customers with one; a quarter has none."""
    rows = [
        "who,quantity",
        *(f"1,{n}" for n in range(8000)),
        *(f"{n},-1" for n in range(2, 102)),
        *[",5"] * 20,
    ]
    data = put("retail.csv", "\n".join(rows).encode())
    report = it.load(data, policy(t=protected("who", who="integer", quantity="integer")))
    assert report.dropped == 20
    stored = it.rows()
    ranks: dict[int, list[int]] = {}
    for unit, rank in zip(stored["__unit"].to_pylist(), stored["__rank"].to_pylist(), strict=True):
        ranks.setdefault(unit, []).append(rank)
    assert all(found == list(range(len(found))) for found in ranks.values())
    assert sorted(map(len, ranks.values())) == [1] * 100 + [8000]
