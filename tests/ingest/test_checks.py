"""What `checks` ask of a load: keys, foreign keys, declared values; and loads that follow others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from sandbox.errors import ErrorCode
from sandbox.ingest import unique
from sandbox.ingest.quarantine import read_quarantine
from sandbox.ingest.unique import UniqueKeys
from tests.ingest.conftest import refusal
from tests.ingest.instance import Instance, blocks, policy, protected

REFUSED = ErrorCode.LOAD_REFUSED


@pytest.fixture
def it(tmp_path: Path) -> Iterator[Instance]:
    made = Instance.create(tmp_path / "home")
    yield made
    made.store.close()


def checked(checks: dict[str, Any], **columns: Any) -> Any:
    return policy(t={**protected(**columns), "checks": checks})


def test_two_rows_with_one_key_refuse_the_load(it, put):
    rules = checked({"unique": [["id", "day"]]}, id="integer", day="date", x="boolean")
    good = put(
        "good.csv", b"id,day,x\n1,2026-01-01,true\n1,2026-01-02,true\n2,2026-01-01,false\n,2026-01-01,\n"
    )
    assert it.load(good, rules).version.rows == 3
    bad = put("bad.csv", b"id,day,x\n3,2026-01-01,true\n4,2026-01-01,true\n3,2026-01-01,false\n")
    error = refusal(REFUSED, lambda: it.load(bad, rules))
    assert "(id, day)" in error.message
    assert "bad.csv, record 2 and bad.csv, record 4" in error.hint
    assert "2026" not in str(error)
    assert it.current().version == 1
    again = put("again.csv", b"id,day,x\n2,2026-01-01,true\n")
    error = refusal(REFUSED, lambda: it.load(again, rules, mode="append"))
    assert "d.t@1, record" in error.hint
    assert "again.csv, record 2" in error.hint
    assert it.current().version == 1
    assert len(it.folders()) == 1


@pytest.mark.parametrize(
    "kind", ["text", "boolean", "double", "timestamp", {"type": "decimal", "decimals": 2}]
)
def test_any_type_can_be_a_key(it, put, kind):
    cells = {"text": "a", "boolean": "true", "double": "1.5", "timestamp": "2026-01-01 00:00:00"}
    cell = cells.get(kind if isinstance(kind, str) else "", "7.10")
    rules = checked({"unique": [["x"]]}, id="integer", x=kind)
    refusal(REFUSED, lambda: it.load(put("a.csv", f"id,x\n1,{cell}\n2,{cell}\n".encode()), rules))
    assert it.load(put("b.csv", f"id,x\n1,{cell}\n2,\n3,\n".encode()), rules).version.rows == 3


def test_keys_that_do_not_fit_into_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(unique, "_HELD_ROWS", 100)
    random = np.random.default_rng(5)
    ids = random.permutation(3000)
    for planted in ([], [(17, 2900), (40, 41)]):
        for one, other in planted:
            ids[other] = ids[one]
        with UniqueKeys(tmp_path, ["id"]) as keys:
            for start in range(0, 3000, 64):
                rows = pa.RecordBatch.from_pydict({"id": pa.array(ids[start : start + 64])})
                keys.add(rows, "a", np.arange(start, start + rows.num_rows, dtype=np.int64))
            if not planted:
                keys.check()
                continue
            error = refusal(REFUSED, keys.check)
            assert "2 rows repeat" in error.hint
            assert "a, record 17 and a, record 2900; a, record 40 and a, record 41" in error.hint


def test_a_reference_to_an_open_table_sets_aside_and_to_a_protected_one_refuses(it, put):
    rules = policy(
        wards={"protection": "open", "columns": blocks({"code": "text"})},
        people=protected(id="integer"),
        t={
            **protected(id="integer", ward="text", friend="integer"),
            "checks": {"references": {"ward": "wards.code", "friend": "people.id"}},
        },
    )
    data = put("t.csv", b"id,ward,friend\n" + b"1,A,2\n" * 20 + b"2,C,1\n3,,\n")
    error = refusal(REFUSED, lambda: it.load(data, rules))
    assert "not loaded" in error.message
    it.load(put("w.csv", b"code\nA\nB\n"), rules, "wards")
    it.load(put("p.csv", b"id\n1\n2\n"), rules, "people")
    version = it.load(data, rules).version
    assert (version.rows, version.quarantined) == (21, 1)
    (bad,) = read_quarantine(it.home, it.keyring, version)
    assert (bad.column, bad.reason, bad.record) == ("ward", "refers to no wards.code", 22)
    lost = put("l.csv", b"id,ward,friend\n1,A,2\n1,A,77\n")
    error = refusal(REFUSED, lambda: it.load(lost, rules))
    assert "record 3" in error.hint
    assert "77" not in str(error)
    assert it.current() == version


def test_only_declared_values(it, put):
    columns = {
        "id": "integer",
        "age": {"type": "integer", "between": [0, 120]},
        "kind": {"type": "text", "values": ["a", "b"]},
        "share": {"type": "decimal", "digits": 6, "decimals": 1, "between": [0, "0.95"]},
        "day": {"type": "date", "between": ["2026-01-01", "2026-12-31"]},
        "loose": {"type": "integer", "between": [0, 1]},
    }
    for name in ("share", "day"):
        columns[name]["between"] = typed(columns[name])
    rules = checked({"only_declared": ["age", "kind", "share", "day"]}, **columns)
    rows = [
        "1,120,a,0.9,2026-01-01,5",
        "1,,,,,",
        "1,121,a,0,2026-01-01,0",
        "1,0,c,0,2026-01-01,0",
        "1,0,a,1.0,2026-01-01,0",
        "1,0,a,0,2027-01-01,0",
    ]
    data = "id,age,kind,share,day,loose\n" + "\n".join(rows * 1) + "\n"
    version = it.load(put("a.csv", data.encode()), rules, max_bad_rows=4).version
    assert (version.rows, version.quarantined) == (2, 4)
    found = [(bad.column, bad.reason) for bad in read_quarantine(it.home, it.keyring, version)]
    outside, unlisted = "outside the declared bounds", "not among the declared values"
    assert sorted(found) == [("age", outside), ("day", outside), ("kind", unlisted), ("share", outside)]
    refusal(REFUSED, lambda: it.load(put("a.csv", data.encode()), rules, max_bad_rows=3))


def typed(column: dict[str, Any]) -> list[Any]:
    import datetime as dt  # noqa: PLC0415
    from decimal import Decimal  # noqa: PLC0415

    if column["type"] == "date":
        return [dt.date(2026, 1, 1), dt.date(2026, 12, 31)]
    return [Decimal(0), Decimal("0.95")]


def test_an_append_is_one_clustered_version(it, put):
    rules = policy(t=protected(id="integer", x="integer"))
    first = "id,x\n" + "".join(f"{n % 50},{n}\n" for n in range(1000))
    second = "id,x\n" + "".join(f"{n % 70},{n}\n" for n in range(1000, 1700))
    it.load(put("a.csv", first.encode()), rules, memory=4000)
    units = dict(zip(*it.rows().select(["id", "__unit"]).to_pydict().values(), strict=True))
    version = it.load(put("b.csv", second.encode()), rules, mode="append", memory=4000).version
    assert (version.version, version.rows, version.mode, version.base) == (2, 1700, "append", 1)
    rows = it.rows()
    assert sorted(rows["x"].to_pylist()) == list(range(1700))
    order = list(zip(rows["__unit"].to_pylist(), rows["__rank"].to_pylist(), strict=True))
    assert order == sorted(order)
    for number in range(70):
        mine = rows.filter(pa.compute.equal(rows["id"], number))
        assert len(set(mine["__unit"].to_pylist())) == 1
        assert mine["__unit"][0].as_py() == units.get(number, mine["__unit"][0].as_py())
        assert sorted(mine["__rank"].to_pylist()) == list(range(mine.num_rows))


def test_what_cannot_be_appended(it, put):
    rules = policy(t=protected(id="integer", x="integer"))
    data = put("a.csv", b"id,x\n1,\n")
    refusal(REFUSED, lambda: it.load(data, rules, mode="append"))
    version = it.load(data, rules).version
    for columns in (
        {"x": "text"},
        {"x": {"type": "integer", "nullable": False}},
        {"x": "integer", "y": "integer"},
        {},
    ):
        other = policy(t=protected(id="integer", **columns))
        more = put("b.csv", b"id,x,y\n2,5,6\n")
        refusal(REFUSED, lambda: it.load(more, other, mode="append", accept_drift=True))  # noqa: B023
    assert it.current() == version
    assert len(it.folders()) == 1


def test_the_same_source_is_not_appended_twice(it, put):
    rules = policy(t=protected(id="integer"))
    first = it.load(put("a.csv", b"id\n1\n"), rules).version
    assert first.source_digest is not None
    more = put("b.csv", b"id\n2\n")
    second = it.load(more, rules, mode="append").version
    assert second.source_digest not in (None, first.source_digest)
    for again in (more, put("c.csv", b"id\n1\n")):
        error = refusal(REFUSED, lambda: it.load(again, rules, mode="append"))  # noqa: B023
        assert "byte for byte" in error.message
    assert sorted(it.rows()["id"].to_pylist()) == [1, 2]
    assert it.load(put("a.csv", b"id\n1\n"), rules).version.source_digest == first.source_digest
    assert it.load(more, rules, mode="append").version.version == 4


def test_of_an_append_and_a_load_meanwhile_the_append_is_refused(it, put):
    rules = policy(t=protected(id="integer"))
    it.load(put("a.csv", b"id\n1\n"), rules)
    more, other = put("b.csv", b"id\n2\n"), put("c.csv", b"id\n3\n")

    def meanwhile(*_: object) -> None:
        if it.current().version == 1:
            it.load(other, rules)

    refusal(REFUSED, lambda: it.load(more, rules, mode="append", progress=meanwhile))
    assert it.rows()["id"].to_pylist() == [3]
