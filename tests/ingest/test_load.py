"""Loads, end to end, on a real home."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sandbox.audit.event import EventKind
from sandbox.errors import ErrorCode, SandboxError
from sandbox.ingest.quarantine import read_quarantine
from sandbox.vault.rotate import rotate_keys
from sandbox.vault.sweep import sweep
from tests.ingest.conftest import refusal
from tests.ingest.instance import DIGEST, PASSPHRASE, Instance, blocks, policy, protected, through

REFUSED = ErrorCode.LOAD_REFUSED
MARKER = "机密-MARKER-0042"


@pytest.fixture
def it(tmp_path: Path) -> Iterator[Instance]:
    made = Instance.create(tmp_path / "home")
    yield made
    made.store.close()


def people(rows: int) -> bytes:
    lines = [f"{n % (rows // 3 + 1)},{n},{MARKER if n % 50 == 7 else f'名{n}'},{n / 8}" for n in range(rows)]
    return ("id,case.id,姓名 全称,x\n" + "\n".join(lines) + "\n").encode()


PEOPLE = policy(
    t=protected(
        **{
            "id": "integer",
            "case.id": "integer",
            "姓名 全称": "text",
            "x": {"type": "decimal", "digits": 12, "decimals": 3, "grade": "open"},
        }
    )
)


@pytest.mark.parametrize("memory", [128 << 20, 20_000], ids=["in memory", "spilled"])
def test_a_load(it: Instance, put: Callable[[str, bytes], str], memory: int):
    seen: list[tuple[int, int, int | None]] = []
    report = it.load(
        put("people.csv", people(2000)), PEOPLE, memory=memory, progress=lambda *at: seen.append(at)
    )
    version = report.version
    assert version == it.current()
    assert (version.version, version.rows, version.quarantined, report.left_out) == (1, 2000, 0, ())
    assert [(column.name, column.arrow_type, column.grade) for column in version.columns] == [
        ("id", "int64", "restricted"),
        ("case.id", "int64", "restricted"),
        ("姓名 全称", "string", "restricted"),
        ("x", "decimal128(12, 3)", "open"),
        ("__unit", "int64", "open"),
        ("__rank", "int32", "open"),
    ]
    rows = it.rows()
    assert sorted(rows["case.id"].to_pylist()) == list(range(2000))
    assert all(row["x"] == Decimal(row["case.id"]) / 8 for row in rows.to_pylist())
    order = list(zip(rows["__unit"].to_pylist(), rows["__rank"].to_pylist(), strict=True))
    assert order == sorted(order)
    assert len(set(order)) == 2000
    assert len({*zip(rows["id"].to_pylist(), rows["__unit"].to_pylist(), strict=True)}) == 667
    size = len(people(2000))
    assert seen[-1] == (2000, size, size)
    assert it.files_with(MARKER.encode()) == []


def test_the_event_counts_nothing(it, put):
    report = it.load(put("people.csv", people(50) + b"bad\n"), PEOPLE)
    entry = next(iter(it.store.entries(kinds=[EventKind.DATASET_LOADED.value])))
    facts = dict(entry.facts)
    line = facts.pop("line")
    assert facts == {
        "dataset": "d",
        "table": "t",
        "version": 1,
        "files": [{"path": file.path, "sha256": file.digest} for file in report.version.all_files],
        "policy": DIGEST,
        "mode": "replace",
        "base": None,
    }
    again = it.load(put("people.csv", people(50) + b"bad\n"), PEOPLE)
    assert again.version.rows == report.version.rows
    entries = list(it.store.entries(kinds=[EventKind.DATASET_LOADED.value]))
    assert line not in [one.facts["line"] for one in entries[1:]], "salted: it confirms no guess of a count"


def test_the_same_file_twice_gives_the_same_rows(it, put):
    path = put("people.csv", people(1000))
    names = ["id", "case.id", "姓名 全称", "x", "__unit"]
    found = []
    for number in (1, 2):
        assert it.load(path, PEOPLE).version.version == number
        found.append(it.rows().select(names).sort_by("case.id"))
    assert found[0].equals(found[1])
    assert len(it.folders()) == 2


def test_one_unit_over_tables_and_types(it, put):
    rules = policy(
        a=protected(id="integer"),
        b=protected(id={"type": "decimal", "decimals": 1}),
        c=protected(id="text"),
        e=protected(id="text", space="firm"),
    )
    for table, cell in {"a": b"17850", "b": b"17850.0", "c": b"17850", "e": b"17850"}.items():
        it.load(put(f"{table}.csv", b"id\n" + cell + b"\n"), rules, table)
    units = [it.rows(table)["__unit"][0].as_py() for table in "abce"]
    assert units[0] == units[1] == units[2] != units[3]


def test_units_through_foreign_keys(it, put):
    rules = policy(
        customers=protected(id="integer"),
        orders=through("customer", "customers.id", order="text", customer="integer"),
        items=through("order", "orders.order", order="text"),
        notes=through("order", "orders.order", "row_is_unit", order="text"),
    )
    orders = put("o.csv", b"order,customer\nA,1\nB,2\nC,1\nD,9\nE,\n")
    items = put("i.csv", b'order\nA\nC\nB\nD\nF\n""\n')
    error = refusal(REFUSED, lambda: it.load(orders, rules, "orders"))
    assert "d.customers" in error.message
    it.load(put("c.csv", b"id\n1\n2\n"), rules, "customers")
    report = it.load(orders, rules, "orders")
    assert (report.version.rows, report.dropped) == (3, 2)
    assert it.load(items, rules, "items").dropped == 3
    unit = dict(zip(*it.rows("customers").select(["id", "__unit"]).to_pydict().values(), strict=True))
    found = dict(zip(*it.rows("items").select(["order", "__unit"]).to_pydict().values(), strict=True))
    assert found == {"A": unit[1], "C": unit[1], "B": unit[2]}
    notes = it.load(items, rules, "notes")
    assert (notes.version.rows, notes.dropped, notes.alone) == (6, 0, 3)
    units = it.rows("notes")["__unit"].to_pylist()
    assert len(set(units)) == 5
    assert sum(unit < 0 for unit in units) == 3


def test_a_key_of_two_units_leads_to_none(it, put):
    rules = policy(
        visits=protected(id="integer", ward="text"),
        wards=through("ward", "visits.ward", ward="text", beds="integer"),
    )
    it.load(put("v.csv", b"id,ward\n1,x\n2,x\n"), rules, "visits")
    error = refusal(REFUSED, lambda: it.load(put("w.csv", b"ward,beds\nx,1\n"), rules, "wards"))
    assert "several units" in error.message


def test_rows_without_a_unit(it, put):
    data = put("a.csv", b"id,x\n1,1\n,2\n,3\n1,4\n")
    rules = {
        way: policy(t=protected(when_null=way, id="text", x="integer")) for way in ("drop", "row_is_unit")
    }
    dropped = it.load(data, rules["drop"])
    assert (dropped.version.rows, dropped.dropped, dropped.version.quarantined) == (2, 2, 0)
    alone = it.load(data, rules["row_is_unit"])
    assert (alone.version.rows, alone.alone) == (4, 2)
    assert len(set(it.rows()["__unit"].to_pylist())) == 3
    nobody = put("b.csv", b"id,x\n,1\n")
    assert "unit" in refusal(REFUSED, lambda: it.load(nobody, rules["drop"])).message
    assert it.current() == alone.version


def test_an_open_table_keeps_its_order(it, put):
    rules = policy(t={"protection": "open", "columns": blocks({"x": "integer"})})
    it.load(put("a.csv", b"x,y\n3,a\n1,b\n2,c\n"), rules)
    assert it.rows().to_pydict() == {"x": [3, 1, 2]}


def test_unlisted_columns_are_not_stored(it, put):
    report = it.load(put("a.csv", b"id,secret,x\n1,MARKER,2\n"), policy(t=protected(id="integer")))
    assert report.left_out == ("secret", "x")
    assert it.rows().column_names == ["id", "__unit", "__rank"]


def test_quarantine(it, put):
    data = "id,x\n" + "".join(f"{n},{n}\n" for n in range(100)) + f'7\n8,"1,5"\n,9\n9,{MARKER}\n'
    rules = policy(t=protected(id={"type": "integer", "nullable": False}, x="integer"))
    report = it.load(put("a.csv", data.encode()), rules)
    assert (report.version.rows, report.version.quarantined) == (100, 4)
    assert [(reason.column, reason.count) for reason in report.reasons] == [("x", 2), ("", 1), ("id", 1)]
    assert it.files_with(MARKER.encode()) == []
    expected = [(102, "", "7"), (105, "x", f"9,{MARKER}"), (103, "x", '8,"1,5"'), (104, "id", ",9")]
    for _ in range(2):
        found = list(read_quarantine(it.home, it.keyring, report.version))
        assert sorted((bad.record, bad.column, bad.raw) for bad in found) == sorted(expected)
        assert {bad.part for bad in found} == {"a.csv"}
        rotate_keys(it.home, it.keyring, PASSPHRASE + "2")
    sweep(it.home, it.catalog.committed_paths)
    file = (it.home / report.version.files[0].path).with_name("quarantine.parquet")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))
    refusal(ErrorCode.STORAGE_CORRUPT, lambda: list(read_quarantine(it.home, it.keyring, report.version)))
    file.unlink()
    refusal(ErrorCode.STORAGE_CORRUPT, lambda: list(read_quarantine(it.home, it.keyring, report.version)))


ID = policy(t=protected(id="integer"))


@pytest.mark.parametrize(
    ("data", "limit", "says"),
    [
        (b"id\n" + b"1\n" * 80 + b"x\n" * 20, None, "a tenth"),
        (b"id\n" + b"1\n" * 98 + b"x\n" * 2, 1, "More than 1 record"),
        (b"id\nx\ny\n", 10, "No record"),
        (b"id\n", None, "no records"),
        (b"name\nx\n", None, "lacks columns that the policy lists: id"),
        (b"id;x\n1;2\n", None, "lacks"),
    ],
)
def test_refused_loads_change_nothing(it, put, data, limit, says):
    before = it.load(put("good.csv", b"id\n1\n2\n"), ID).version
    error = refusal(REFUSED, lambda: it.load(put("bad.csv", data), ID, max_bad_rows=limit))
    assert says in error.message
    assert it.current() == before
    assert it.rows()["id"].to_pylist() in ([1, 2], [2, 1])
    assert len(it.folders()) == 1
    assert len(list(it.store.entries())) == 1
    assert [path for path in it.home.iterdir() if path.name.startswith("tmp")] == []


def test_hints(it, put):
    two = policy(t=protected(id="integer", other="text"))
    error = refusal(REFUSED, lambda: it.load(put("a.csv", b"id;other\n1;2\n"), two))
    assert "delimiter" in error.hint
    near = refusal(REFUSED, lambda: it.load(put("a.csv", b"id,othre\n1,2\n"), two))
    assert "othre" in near.hint
    renamed = refusal(REFUSED, lambda: it.load(put("a.csv", b"id,employees\n1,2\n"), two))
    assert "does not list employees: if a column was renamed" in renamed.hint
    bad = refusal(REFUSED, lambda: it.load(put("b.csv", b"id,other\nMARKER,x\n"), two))
    assert "id: not of type integer (1 times, first in b.csv, record 2)" in bad.hint
    assert "MARKER" not in str(bad)
    table = refusal(ErrorCode.POLICY_MISSING, lambda: it.load(put("a.csv", b"id\n1\n"), two, "tt"))
    assert "Did you mean t?" in table.hint
    reserved = policy(t=protected(id="integer", __Unit="integer"))
    refusal(REFUSED, lambda: it.load(put("a.csv", b"id,__Unit\n1,2\n"), reserved))
    nobody = policy(t={"columns": blocks({"id": "integer"})})
    refusal(REFUSED, lambda: it.load(put("a.csv", b"id\n1\n"), nobody))


def test_a_source_that_breaks_off(it, put):
    before = it.load(put("good.csv", b"id\n1\n"), ID).version
    broken = put("bad.csv", b"id\n" + b"1\n" * 3_000_000 + "王\n".encode("gbk"))
    refusal(ErrorCode.SOURCE_UNREADABLE, lambda: it.load(broken, ID))
    assert it.current() == before
    assert len(it.folders()) == 1


def test_an_interrupted_load(it, put):
    class Stop(BaseException):
        pass

    def stop(*_):
        raise Stop

    path = put("a.csv", people(100))
    with pytest.raises(Stop):
        it.load(path, PEOPLE, progress=stop)
    assert it.folders() == []
    assert not [thread for thread in threading.enumerate() if thread.name == "ahead"]
    assert it.load(path, PEOPLE).version.version == 1


def test_control_c_ends_a_load_soon(it, put):
    calls = []

    def interrupt(*_):
        calls.append(1)
        if len(calls) == 1:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            time.sleep(1.5)

    path = put("a.csv", people(200_000))
    with pytest.raises(KeyboardInterrupt):
        it.load(path, PEOPLE, progress=interrupt, longest_record=20_000)
    assert len(calls) < 10
    assert it.folders() == []


def test_of_two_loads_at_once_one_is_refused_whole(it, put):
    path = put("a.csv", people(100))

    def meanwhile(*_):
        if it.current() is None:
            it.load(path, PEOPLE)

    refusal(REFUSED, lambda: it.load(path, PEOPLE, progress=meanwhile))
    assert it.current().version == 1
    assert len(it.folders()) == 1
    assert it.rows().num_rows == 100


def test_parquet_doubles_and_rounding(it, tmp_path):
    rules = policy(t=protected(id="integer", x={"type": "decimal", "digits": 6, "decimals": 2}))
    table = pa.table({"id": [1.0, 2.0, 3.0, 4.0], "x": [2.675, 0.125, np.nan, 1.5]})
    pq.write_table(table, tmp_path / "a.parquet")
    report = it.load(tmp_path / "a.parquet", rules)
    assert report.rounded == {"x": 2}
    found = dict(zip(*it.rows().select(["id", "x"]).to_pydict().values(), strict=True))
    assert found == {1: Decimal("2.68"), 2: Decimal("0.12"), 3: None, 4: Decimal("1.50")}


def test_gbk_glob_with_chinese_names(it, tmp_path, put):
    rules = policy(t=protected("编号", **{"编号": "integer", "城市": "text"}))
    put("一月.csv", "编号,城市\n1,北京\n".encode("gbk"))
    put("二月.csv", "编号,城市\n1,上海\n2,广州\n".encode("gbk"))
    report = it.load(tmp_path / "*月.csv", rules, encoding="gbk")
    assert report.version.rows == 3
    assert sorted(it.rows()["城市"].to_pylist()) == sorted(["北京", "上海", "广州"])


def test_a_failing_commit_leaves_nothing(it, put, monkeypatch):
    def full(*_):
        raise SandboxError(ErrorCode.STORAGE_FULL, "full")

    monkeypatch.setattr(it.catalog, "commit", full)
    refusal(ErrorCode.STORAGE_FULL, lambda: it.load(put("a.csv", people(100) + b"bad\n"), PEOPLE))
    assert it.folders() == []
