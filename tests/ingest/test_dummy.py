"""Dummy rows: what a policy declares and nothing else, the same every time, and they join."""

# ruff: noqa: E501 - one column a line

from __future__ import annotations

import datetime as dt
from collections import Counter
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from sandbox.ingest.dummy import dummy_rows
from sandbox.ingest.schema import arrow_type
from sandbox.policy.types import Policy, Use
from tests.ingest.instance import policy

COLUMNS: dict[str, Any] = {
    "id": {"type": "integer", "use": 2, "nullable": False},
    "age": {"type": "integer", "use": 6, "between": [18, 100], "nullable": False},
    "band": {"type": "integer", "use": 4, "between": [18, 100], "shown_as": {"band": Decimal(10)}, "nullable": False},
    "sex": {"type": "text", "use": 4, "values": ["f", "m"], "null_share": Decimal("0.5")},
    "pay": {"type": "decimal", "digits": 9, "decimals": 2, "use": 6, "between": [0, 1000], "null_share": Decimal(0)},
    "ratio": {"type": "double", "decimals": 3, "use": 6, "between": [0, 1], "nullable": False},
    "seen": {"type": "date", "use": 4, "between": [dt.date(2026, 1, 1), dt.date(2026, 3, 1)], "nullable": False},
    "month": {
        "type": "date", "use": 4, "between": [dt.date(2026, 1, 1), dt.date(2026, 3, 1)],
        "shown_as": {"truncate": "month"}, "nullable": False,
    },
    "at": {"type": "timestamp", "use": 3},
    "ok": {"type": "boolean", "use": 4},
    "note": {"type": "text", "use": 1, "nullable": False},
    "code": {"type": "text", "use": 3, "shown_as": {"prefix": 2}, "values": ["aab", "aac", "bbb"], "nullable": False},
    "secret": {"type": "text", "use": 0},
}  # fmt: skip
UNIT = {"name": "person", "column": "id", "when_null": "drop"}
LABS: dict[str, Any] = {
    "id": {"type": "integer", "use": 2, "nullable": False},
    "sample": {"type": "text", "use": 2, "nullable": False},
    "ward": {"type": "text", "use": 4, "nullable": False},
    "value": {"type": "integer", "use": 6, "between": [0, 9], "nullable": False},
    "kind": {"type": "text", "use": 4, "values": ["x", "y", "z"], "nullable": False},
}
MODEL: Policy = policy(
    people={"unit": UNIT, "bounds": {"rows_per_unit": 1}, "columns": COLUMNS},
    labs={
        "unit": UNIT,
        "bounds": {"rows_per_unit": 3},
        "columns": LABS,
        "rows": [{"column": "value", "at_most": 7}, {"column": "kind", "one_of": ["x", "y"]}],
        "checks": {"unique": [["sample"], ["id", "value"]], "references": {"ward": "wards.code"}},
    },
    tests={
        "unit": {"name": "person", "through": {"column": "sample", "references": "labs.sample"}, "when_null": "drop"},
        "columns": {"sample": {"type": "text", "use": 2}, "n": {"type": "integer", "use": 3}},
    },
    wards={"protection": "open", "columns": {"code": {"type": "text", "use": 6, "values": ["A", "B"]}}},
)  # fmt: skip


def test_it_is_what_the_policy_declares() -> None:
    rows = dummy_rows(MODEL, "people", 1000)
    shown = {
        name: said for name, said in MODEL.tables["people"].columns.items() if said.use is not Use.HIDDEN
    }
    assert rows.schema == pa.schema([pa.field(name, arrow_type(said)) for name, said in shown.items()])
    cells = rows.to_pydict()
    assert sorted(cells["id"]) == list(range(1, 1001))
    assert {min(cells["age"]), max(cells["age"])} == {18, 100}
    assert set(cells["band"]) <= set(range(10, 110, 10))
    assert set(cells["sex"]) == {"f", "m", None}
    assert 400 < cells["sex"].count(None) < 600
    assert None not in cells["pay"]
    assert all(0 <= one <= 1000 for one in cells["pay"])
    assert all(0 <= one <= 1 and round(one, 3) == one for one in cells["ratio"])
    assert min(cells["seen"]) >= dt.date(2026, 1, 1)
    assert set(cells["month"]) == {dt.date(2026, month, 1) for month in (1, 2, 3)}
    assert set(cells["code"]) == {"aa", "bb"}
    assert 20 < cells["ok"].count(None) < 100, "one in twenty, as nothing is declared"
    assert {column.null_count for column in rows.select(["id", "age", "note"]).columns} == {0}


def test_the_same_seed_the_same_rows() -> None:
    for table in MODEL.tables:
        assert dummy_rows(MODEL, table, 50, 7).equals(dummy_rows(MODEL, table, 50, 7))
    assert not dummy_rows(MODEL, "people", 50, 7).equals(dummy_rows(MODEL, "people", 50, 8))


def test_tables_join() -> None:
    people, labs, tests, wards = (dummy_rows(MODEL, table, 500, 3) for table in MODEL.tables)
    assert set(labs["id"].to_pylist()) <= set(people["id"].to_pylist())
    assert max(Counter(labs["id"].to_pylist()).values()) in (2, 3)
    made = set(labs["sample"].to_pylist())
    assert len(made) == labs.num_rows
    known = [one for one in tests["sample"].to_pylist() if one is not None]
    assert len(set(known) & made) > 100
    assert set(labs["ward"].to_pylist()) <= set(wards["code"].to_pylist())


def test_rules_and_keys_hold() -> None:
    labs = dummy_rows(MODEL, "labs", 500, 3)
    assert max(labs["value"].to_pylist()) == 7
    assert set(labs["kind"].to_pylist()) == {"x", "y"}
    keys = list(zip(labs["id"].to_pylist(), labs["value"].to_pylist(), strict=True))
    assert len(set(keys)) == len(keys) > 300


@pytest.mark.parametrize("count", [1, 2, 100_000])
def test_any_count(count: int) -> None:
    assert dummy_rows(MODEL, "wards", count).num_rows == count
