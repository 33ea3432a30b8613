"""Reading: every problem at once with its place, code lists, digests, typed values."""

# ruff: noqa: E501 - one case a line
from __future__ import annotations

import hashlib
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from sandbox.policy.codelist import among
from sandbox.policy.diagnostic import PolicyFileError
from sandbox.policy.read import FileKind, draft_of, kind_of, read_any, read_draft, read_policy
from sandbox.policy.types import ColumnPolicy, Grant, Mask, People, Policy, RowRule, UnitBlock, Units, Use
from tests.policy.files import FOLDER, LIVER, NAFLD, edited

SMALL = """\
dataset: small
title: {en: Small, zh: 小}
publisher: somebody
licence: CC0-1.0
stewards: [wang]
tables:
  t:
    protection: open
    rows:
      - {column: day, at_least: 2020-01-01}
      - {column: name, one_of: [no, 0123, 'null']}
      - {column: ok, equals: true}
      - {column: price, not_equals: 5}
      - {column: name, is_null: false}
    columns:
      day: {type: date, use: open, between: [2020-01-01, 2026-12-31]}
      at: {type: timestamp, use: open, between: [2020-01-01T00:00:00, 2026-12-31 23:59:59.5]}
      name: {type: text, use: open, values: [no, 0123, 1:30, 1e-7, 2026-01-01, '', NO]}
      ok: {type: boolean, use: open, values: [true, false]}
      price: {type: decimal, digits: 9, decimals: 2, use: open, between: [0, 1e5]}
      ratio: {type: double, use: open, between: [-0, 0.5]}
      count: {type: integer, use: open, between: [-9223372036854775808, 9223372036854775807]}
"""


def test_values_have_the_one_type_of_their_column() -> None:
    table = read_policy(SMALL).tables["t"]
    columns = table.columns
    assert columns["day"].between == (date(2020, 1, 1), date(2026, 12, 31))
    assert columns["at"].between == (datetime(2020, 1, 1), datetime(2026, 12, 31, 23, 59, 59, 500_000))
    assert columns["name"].values == ("no", "0123", "1:30", "1e-7", "2026-01-01", "", "NO")
    assert columns["ok"].values == (True, False)
    assert columns["price"].between == (Decimal(0), Decimal("1e5"))
    assert columns["count"].between == (-(2**63), 2**63 - 1)
    for name, kind in (
        ("price", Decimal),
        ("ratio", Decimal),
        ("count", int),
        ("day", date),
        ("at", datetime),
    ):
        assert {type(bound) for bound in columns[name].between or ()} == {kind}
    assert str((columns["ratio"].between or ("",))[0]) == "0"
    operands = [rule.operands for rule in table.rows]
    assert operands == [(date(2020, 1, 1),), ("no", "0123", "null"), (True,), (Decimal(5),), ()]
    assert type(operands[3][0]) is Decimal


def test_every_problem_of_a_file_is_told() -> None:
    bad = edited(
        NAFLD,
        ("use: join_only", "use: joinonly"),
        ("between: [18, 100]", "between: [018, 1e2]"),
        ("licence", "license"),
        ("epsilon: 2, delta: 1e-7", "epsilon: 2, delta: 2"),
        ("rows_per_unit: 100", "rows_per_unit: 0"),
        ("when_null: drop", "when_nul: drop"),
        ("protection", "protection") if "protection" in NAFLD else ("minimum_group: 10", "minimum_group: -1"),
    )
    with pytest.raises(PolicyFileError) as caught:
        read_policy(bad, "policies/nafld.policy.yaml")
    found = caught.value.diagnostics
    assert [item.rule for item in found] == [
        "missing-key", "unknown-key", "value", "value", "missing-key", "unknown-key", "word", "type", "type", "value",
    ]  # fmt: skip
    assert all(item.place is not None and item.place.file == "policies/nafld.policy.yaml" for item in found)
    assert "Did you mean `licence`?" in str(found[1])
    assert "Did you mean `when_null`?" in str(found[5])
    assert "Did you mean `join_only`?" in str(found[6])
    assert caught.value.place == found[0].place
    assert "(and 9 more)" in str(caught.value)


BAD_VALUES = [
    ("epsilon: 20", "epsilon: 0", "greater than 0"),
    ("epsilon: 20", "epsilon: 1e-13", "12 decimal places"),
    ("epsilon: 20", "epsilon: 1001", "1000"),
    ("dataset: nafld", "dataset: NAFLD", "pattern"),
    ("stewards: [wang]", "stewards: []", "at least 1"),
    ("column: id, when_null", "column: id, through: {column: id, references: people.id}, when_null", "exactly one"),
    ("name: patient, column: id,", "name: patient,", "exactly one"),
    ("nullable: false}", "nullable: false, shown_as: {}}", "exactly one"),
    ("nullable: false}", "nullable: false, shown_as: {band: 5, prefix: 1}}", "exactly one"),
    ("    title: {en: Patients", "    rows: [{column: age}]\n    title: {en: Patients", "exactly one"),
    ("    title: {en: Patients", "    rows: [{column: age, equals: 1, is_null: true}]\n    title: {en: Patients", "exactly one"),
    ("    title: {en: Patients", "    rows: [{column: agee, equals: 1}]\n    title: {en: Patients", "no column"),
    ("values: [0, 1]", "values: [0, 1], codelist: sexes", "exclude"),
    ("values: [0, 1]", "codelist: sexes", "no code list"),
    ("values: [0, 1]", "codelist: ../../../etc/passwd", "pattern"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "word"), BAD_VALUES)
def test_values_within_their_limits(old: str, new: str, word: str) -> None:
    with pytest.raises(PolicyFileError) as caught:
        read_policy(edited(NAFLD, (old, new)), "nafld.policy.yaml")
    assert any(word in found.message for found in caught.value.diagnostics), caught.value.diagnostics


def test_a_window_that_ends_before_it_begins() -> None:
    with pytest.raises(PolicyFileError, match="before the first"):
        draft_of(FileKind.GRANT, edited(LIVER, ("2030", "2025")).encode(), "g.yaml")


def test_the_kind_is_told_by_the_name() -> None:
    assert kind_of("a/b.policy.yaml") is FileKind.POLICY
    assert kind_of("grants/x.yaml") is FileKind.GRANT
    assert kind_of("units.yaml") is FileKind.UNITS
    assert kind_of("people.yaml") is FileKind.PEOPLE
    for name in ("x.yaml", "grants/x.yml", "nafld.policy.yml", "nafld.cases.yaml", ""):
        with pytest.raises(PolicyFileError, match="kind"):
            kind_of(name)
    read = [type(read_any(FOLDER / name)) for name in ("nafld.policy.yaml", "units.yaml", "people.yaml")]
    assert [*read, type(read_any(FOLDER / "grants/liver-2026.yaml"))] == [Policy, Units, People, Grant]


def test_code_lists(tmp_path: Path) -> None:
    text = edited(NAFLD, ("values: [chol, dbp, fib4, hdl, sbp, smoke]", "codelist: tests"))
    (tmp_path / "codelists").mkdir()
    listed = tmp_path / "codelists" / "tests.txt"
    file = tmp_path / "nafld.policy.yaml"
    file.write_text(text, encoding="utf-8")
    listed.write_bytes(b"chol\r\ndbp\r\nno\r\n0123\r\n")
    draft = read_draft(file)
    assert isinstance(draft.model, Policy)
    column = draft.model.tables["labs"].columns["test"]
    assert column.values == ("chol", "dbp", "no", "0123")
    assert column.codelist == "tests"
    assert draft.codelists == {"tests": listed.read_bytes()}
    before = draft.digest
    listed.write_bytes(b"chol\ndbp\nno\n0123\n")
    assert read_draft(file).digest != before
    assert read_policy(text, str(file)) == draft.model


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"a\n\nb\n", 2),
        (b"a\n b\n", 2),
        (b"a\nb\na\n", 3),
        (b"", 1),
        (b"a\n\xff\n", 2),
        (b"a\tb\n", 1),
        (b"\n", 1),
    ],
)
def test_bad_code_lists(content: bytes, line: int) -> None:
    text = edited(NAFLD, ("values: [chol, dbp, fib4, hdl, sbp, smoke]", "codelist: tests")).encode()
    with pytest.raises(PolicyFileError) as caught:
        draft_of(FileKind.POLICY, text, "nafld.policy.yaml", among({"tests": content}))
    assert caught.value.place is not None
    assert (caught.value.place.file, caught.value.place.line) == ("codelists/tests.txt", line)


def test_a_code_list_is_typed_as_its_column() -> None:
    text = edited(NAFLD, ("values: [0, 1]", "codelist: sexes")).encode()
    draft = draft_of(FileKind.POLICY, text, "", among({"sexes": b"0\n1\n"}))
    assert isinstance(draft.model, Policy)
    assert draft.model.tables["people"].columns["male"].values == (0, 1)
    with pytest.raises(PolicyFileError, match="does not fit"):
        draft_of(FileKind.POLICY, text, "", among({"sexes": b"0\n01\n"}))


def test_the_digest_is_that_of_the_bytes() -> None:
    draft = read_draft(FOLDER / "nafld.policy.yaml")
    assert draft.digest == "sha256:" + hashlib.sha256(draft.content).hexdigest()
    assert draft.manifest is None


def test_a_million_unknown_keys_stay_cheap() -> None:
    text = "\n".join(f"k{n}: 1" for n in range(20_000))
    with pytest.raises(PolicyFileError) as caught:
        read_policy(text)
    assert len(caught.value.diagnostics) <= 101


def test_types_made_by_hand_are_exact_too() -> None:
    made = ColumnPolicy.model_validate({"type": "decimal", "between": (0, Decimal("1.5"))})
    assert [type(bound) for bound in made.between or ()] == [Decimal, Decimal]
    wrong: list[tuple[str, object]] = [
        ("integer", True), ("integer", Decimal(1)), ("integer", 2**63), ("text", 1), ("boolean", 0),
        ("date", datetime(2020, 1, 1)), ("timestamp", date(2020, 1, 1)), ("decimal", Decimal("NaN")),
    ]  # fmt: skip
    for kind, value in wrong:
        with pytest.raises(ValidationError):
            ColumnPolicy.model_validate({"type": kind, "values": (value,)})
    with pytest.raises(ValidationError):
        Mask()
    with pytest.raises(ValidationError):
        RowRule(column="x")
    with pytest.raises(ValidationError):
        UnitBlock(name="x", when_null="drop")
    assert ColumnPolicy.model_validate({"type": "text"}).use is Use.HIDDEN
