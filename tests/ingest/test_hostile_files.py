"""Files that would exhaust or deceive a load: one coded error each, nothing half done, memory bounded."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.json_guard import LONGEST_NUMBER, GuardedJson
from sandbox.errors import ErrorCode
from sandbox.ingest.quarantine import read_quarantine
from sandbox.policy.diagnostic import PolicyFileError
from sandbox.policy.read import read_policy
from tests.connectors.file_subjects import shapes
from tests.connectors.subject import Published, growth
from tests.ingest.conftest import refusal
from tests.ingest.instance import Instance, policy

UNREADABLE = ErrorCode.SOURCE_UNREADABLE
GIGABYTE = 1 << 30
MOST_GROWTH = 250 << 20
OPEN = policy(t={"protection": "open", "columns": {"id": {"type": "text"}}})


@pytest.fixture
def it(tmp_path: Path) -> Instance:
    return Instance.create(tmp_path / "home")


def sparse(path: Path, head: bytes) -> Path:
    """A file of a gigabyte that takes no room on the disk."""
    with path.open("wb") as file:
        file.write(head)
        file.truncate(GIGABYTE)
    return path


def zipped(path: Path, name: str, data: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return path


def gzipped(path: Path, head: bytes) -> Path:
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb") as file:
        file.write(head)
        for _ in range(100):
            file.write(b"1\n" * (1 << 19))
    path.write_bytes(out.getvalue())
    return path


def shape_without_attributes(path: Path) -> Path:
    path.write_bytes(shapes(Published(("id",), (("1",),)))["shp"])
    return path


def parquet_bomb(path: Path) -> Path:
    """One value, a hundred million times: a few kilobytes that are a column of hundreds of megabytes."""
    column = pa.DictionaryArray.from_arrays(pa.nulls(0, pa.int32()), pa.array(["x" * 100]))
    with pq.ParquetWriter(path, pa.schema({"id": column.type}), compression="zstd") as writer:
        indices = pa.array([0] * 1_000_000, pa.int32())
        batch = pa.RecordBatch.from_arrays(
            [pa.DictionaryArray.from_arrays(indices, column.dictionary)], ["id"]
        )
        for _ in range(10):
            writer.write_batch(batch)
    return path


HOSTILE: dict[str, tuple[Callable[[Path], Path], ErrorCode]] = {
    "line.csv": (lambda path: sparse(path, b"id\n1\n"), UNREADABLE),
    "header.csv": (lambda path: sparse(path, b"id"), UNREADABLE),
    "quote.csv": (lambda path: sparse(path, b'id\n1\n"'), UNREADABLE),
    "line.ndjson": (lambda path: sparse(path, b'{"id": "1"}\n{"id": "'), UNREADABLE),
    "value.json": (lambda path: sparse(path, b'[{"id": "1"}, {"id": "'), UNREADABLE),
    "nested.json": (lambda path: write(path, b"[" * 5_000_000), UNREADABLE),
    "inside.json": (lambda path: write(path, b'[{"id": ' + b'{"a": ' * 200_000), UNREADABLE),
    # These end the process, raise what nobody catches, and become a question mark, in the parser alone.
    "digits.json": (lambda path: write(path, b'[{"id": 1' + b"0" * 5000 + b"}]"), UNREADABLE),
    "exponent.json": (lambda path: write(path, b'[{"id": 1e99999999999999999999}]'), UNREADABLE),
    "half.json": (lambda path: write(path, b'[{"id": "x\\ud800"}]'), UNREADABLE),
    "none.xlsx": (lambda path: sparse(path, b"PK\x03\x04"), UNREADABLE),
    "bomb.xlsx": (
        lambda path: zipped(path, "xl/worksheets/sheet1.xml", b" " * 200_000_000), UNREADABLE,
    ),
    "bomb.zip": (lambda path: zipped(path, "a.csv", b"id\n" + b"1\n" * 100_000_000), UNREADABLE),
    "bomb.csv.gz": (lambda path: gzipped(path, b"id\n"), UNREADABLE),
    "alone.shp": (shape_without_attributes, UNREADABLE),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_refused_whole_in_bounded_memory(it, tmp_path, name):
    made, code = HOSTILE[name]
    path = made(tmp_path / name)
    it.load(write(tmp_path / "before.csv", b"id\n7\n"), OPEN)

    def load() -> None:
        refusal(code, lambda: it.load(path, OPEN, accept_drift=True))

    assert growth(load) < MOST_GROWTH
    assert it.rows().column("id").to_pylist() == ["7"]
    assert len(it.folders()) == 1


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_brackets_in_strings_are_no_nesting(it, tmp_path):
    """Also where a quote, or what a backslash escapes, lies on both sides of two readings."""
    cell = "[{" * 500 + '\\"' + "\\" * 7
    rows = [{"id": cell + "x" * (n % 13)} for n in range(4000)]
    it.load(write(tmp_path / "a.json", json.dumps(rows).encode()), OPEN)
    assert it.rows().column("id").to_pylist() == [row["id"] for row in rows]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 11, 64, 1 << 20])
def test_numbers_and_escapes_over_any_pieces(size):
    """However the bytes come in pieces, the same is refused and the same is let through."""
    digits = "1" * LONGEST_NUMBER
    sound = [
        '[{"a": "\\ud83d\\ude00", "b": "\\\\ud800", "c": "\\u00e9\\ud83d\\ude00"}]',
        f'[{digits}, {digits}, "{digits * 3}", "\\"{digits * 3}"]',
        "[1.5e-7, -3, true, null]",
    ]
    unsound = [
        '[{"a": "\\ud83d"}]',
        '[{"a": "\\ud83d\\u0041"}]',
        '[{"a": "\\\\\\ud83dx"}]',
        '["\\uD83D\\uD83D\\uDE00"]',
        f'["{digits}", 1{digits}]',
        f"[-{digits}e5]",
    ]
    for text in sound:
        assert guarded(text, size) == text.encode()
        json.loads(text)
    for text in unsound:
        refusal(ErrorCode.SOURCE_UNREADABLE, lambda text=text: guarded(text, size))


def guarded(text: str, size: int) -> bytes:
    stream, out = GuardedJson(io.BytesIO(text.encode()), "a.json"), b""  # type: ignore[arg-type]
    while piece := stream.read(size):
        out += piece
    return out


def test_a_parquet_file_that_expands_is_read_in_bounded_memory(it, tmp_path):
    path = parquet_bomb(tmp_path / "bomb.parquet")
    assert path.stat().st_size < 1_000_000

    def load() -> None:
        assert it.load(path, OPEN, memory=16 << 20).version.rows == 10_000_000

    # A gigabyte of cells came out of it; the reader, the hasher and the writer hold a few batches each.
    assert growth(load) < 700 << 20


def test_wide_decimals_and_nested_columns_of_parquet(it, tmp_path):
    wide = [Decimal("12345678901234567890123456789.012345678"), Decimal("1.250000000"), None]
    table = pa.table(
        {
            "id": pa.array(["a", "b", "c"]),
            "x": pa.array(wide, pa.decimal128(38, 9)),
            "deep": pa.array([{"y": [1]}, None, {"y": []}]),
            "many": pa.array([[1], [], None], pa.list_(pa.int64())),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    columns = {"id": {"type": "text"}, "x": {"type": "decimal", "digits": 9, "decimals": 2}}
    rules = policy(t={"protection": "open", "columns": columns})
    report = it.load(tmp_path / "a.parquet", rules, max_bad_rows=1)
    assert it.rows().to_pylist() == [{"id": "b", "x": Decimal("1.25")}, {"id": "c", "x": None}]
    (bad,) = read_quarantine(it.home, it.keyring, report.version)
    assert (bad.column, bad.record) == ("x", 1)
    assert "12345678901234567890123456789.012345678" in bad.raw
    assert set(report.left_out) == {"deep", "many"}
    for name in ("deep", "many"):
        nested = policy(t={"protection": "open", "columns": columns | {name: {"type": "text"}}})
        error = refusal(ErrorCode.LOAD_REFUSED, lambda nested=nested: it.load(tmp_path / "a.parquet", nested))
        assert name in error.message
    assert len(it.folders()) == 1


def test_a_key_that_is_named_twice_sets_its_record_aside(it, tmp_path):
    """Which of the two would count depends on the reader: neither does."""
    lines = '{"id": "1"}\n{"id": "2", "id": "3"}\n{"id": "4", "\\u0069d": "5"}\n'
    report = it.load(write(tmp_path / "a.ndjson", lines.encode()), OPEN, max_bad_rows=2)
    assert it.rows().column("id").to_pylist() == ["1"]
    assert [bad.record for bad in read_quarantine(it.home, it.keyring, report.version)] == [2, 3]


LAUGHS = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 20))


@pytest.mark.parametrize(
    "text",
    [
        "a0: &a0 [x]\n" + LAUGHS,
        "a: &a {b: *a}\n",
        "a: " + "[" * 100_000,
        "{" * 100_000,
        "a: " + "x" * 20_000_000,
    ],
)
def test_a_policy_or_source_file_that_would_grow_is_refused(it, tmp_path, text):
    source = write(tmp_path / "a.source.yaml", text.encode())

    def refused() -> None:
        refusal(ErrorCode.POLICY_FILE, lambda: it.load(source, OPEN))
        with pytest.raises(PolicyFileError):
            read_policy(text, "d.policy.yaml")

    assert growth(refused) < MOST_GROWTH
    assert it.folders() == []
