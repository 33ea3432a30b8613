"""Every lint rule: a file that breaks it, and the place it names. The examples break none."""

# ruff: noqa: E501 - one case a line
from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from sandbox.policy.diagnostic import Severity
from sandbox.policy.lint import Surroundings, lint, lint_path
from sandbox.policy.read import FileKind, draft_of
from sandbox.policy.rules import LINT
from sandbox.policy.types import People, Units
from tests.policy.files import FOLDER, LIVER, NAFLD, PEOPLE, TODAY, UNITS, around, edited

AGE = "age: {type: integer, use: open, between: [18, 100], nullable: false}"
WEIGHT = "weight: {type: decimal, digits: 6, decimals: 1, use: open, between: [30, 200]}"
MALE = "male: {type: integer, use: open, between: [0, 1], values: [0, 1], nullable: false}"
UNIT = "    unit: {name: patient, column: id, when_null: drop}\n"
LABS = "    title: {en: Measurements, zh: 检验}\n"
EVENT = "event: {type: text, use: group_by, nullable: false,"
LINK = "{name: patient, through: {column: id, references: people.id}, when_null: drop}"

# rule, edits of the example policy, and the text at the place that the finding names
POLICY = [
    ("unit-missing", [(UNIT, "")], "people:"),
    ("bounds-missing", [("    bounds: {rows_per_unit: 1}\n", "")], "people:"),
    ("open-unit", [("    unit:", "    protection: open\n    unit:"), ("    bounds: {rows_per_unit: 1}\n", "")], "unit:"),
    ("open-unit", [(UNIT, "    protection: open\n")], "bounds:"),
    ("unit-unknown", [("name: patient", "name: patent")], "patent,"),
    ("unit-column", [("column: id", "column: idd")], "idd,"),
    ("unit-column", [("id: {type: integer,", "id: {type: boolean,")], "id, when_null"),
    ("unit-use", [("use: join_only", "use: filter")], "filter,"),
    ("through", [("{name: patient, column: id, when_null: drop}", LINK.replace("column: id", "column: idd"))], "idd,"),
    ("through", [("{name: patient, column: id, when_null: drop}", LINK.replace("people.id", "persons.id"))], "persons.id"),
    ("through", [("{name: patient, column: id, when_null: drop}", LINK.replace("people.id", "people"))], "people}"),
    ("bounds-order", [("groups_per_unit: 4", "groups_per_unit: 101")], "101,"),
    ("bounds-order", [("rows_per_group: 25", "rows_per_group: 101")], "101}"),
    ("totals-narrow", [("rows_per_group: 5}", "rows_per_group: 7, totals: found_privately}"), ("use: sum_mean, between: [-20000, 8000]", "use: filter")], "found_privately}"),
    ("budget-order", [("question: {epsilon: 2", "question: {epsilon: 8.1")], "8.1,"),
    ("budget-order", [("project: {epsilon: 8, delta: 1e-6", "project: {epsilon: 8, delta: 1e-4")], "1e-4}"),
    ("delta-zero", [("epsilon: 2, delta: 1e-7", "epsilon: 2")], "event:"),
    ("delta-large", [("epsilon: 20, delta: 1e-5", "epsilon: 20, delta: 2e-4")], "2e-4}"),
    ("between-missing", [(AGE, AGE.replace(" between: [18, 100],", ""))], "age:"),
    ("between-missing", [("use: sum_mean, between: [-4000, 8000]", "use: sum_mean")], "days:"),
    ("between-type", [(EVENT, EVENT + " between: [a, b],")], "between: [a"),
    ("between-order", [("between: [18, 100]", "between: [100, 18]")], "between: [100"),
    ("between-order", [("between: [18, 100]", "between: [18, 18]")], "between: [18"),
    ("value-fit", [("between: [30, 200]", "between: [30.05, 200]")], "30.05"),
    ("value-fit", [("between: [30, 200]", "between: [30, 100000]")], "100000]"),
    ("values-empty", [("values: [chol, dbp, fib4, hdl, sbp, smoke]", "values: []")], "values: []"),
    ("values-twice", [("values: [chol, dbp,", "values: [chol, chol,")], "chol, fib4"),
    ("values-outside", [("values: [0, 1]", "values: [0, 2]")], "2]"),
    ("double-keys", [(MALE, "male: {type: double, use: group_by, decimals: 1}")], "group_by,"),
    ("double-keys", [(MALE, "male: {type: double, use: filter, values: [0.5]}")], "values: [0.5]"),
    ("double-decimals", [(WEIGHT, "weight: {type: double, use: open, between: [30, 200]}")], "weight:"),
    ("use-type", [(EVENT, EVENT.replace("group_by", "sum_mean"))], "sum_mean,"),
    ("digits-type", [(AGE, AGE.replace("use: open", "use: open, digits: 4"))], "4, between"),
    ("digits-type", [(EVENT, EVENT + " decimals: 1,")], "1, because"),
    ("digits-order", [("digits: 6, decimals: 1, use: open, between: [30, 200]", "digits: 1, decimals: 2, use: filter")], "2, use"),
    ("overflow", [("type: integer, use: sum_mean, between: [-4000, 8000]", "type: integer, use: sum_mean, between: [0, 92233720368547759]")], "between: [0, 9223"),
    ("overflow", [("type: decimal, digits: 12, decimals: 3, use: sum_mean, between: [0, 500]", "type: double, decimals: 9, use: sum_mean, between: [-100000000, 0]")], "between: [-1000"),
    ("mask-type", [(EVENT, EVENT + " shown_as: {band: 5},")], "shown_as:"),
    ("mask-type", [(AGE, AGE[:-1] + ", shown_as: {band: 2.5}}")], "shown_as:"),
    ("mask-type", [(AGE, AGE[:-1] + ", shown_as: {truncate: year}}")], "shown_as:"),
    ("mask-type", [(WEIGHT, WEIGHT[:-1] + ", shown_as: {prefix: 2}}")], "shown_as:"),
    ("mask-type", [(MALE, "male: {type: date, use: group_by, shown_as: {truncate: day}}")], "shown_as:"),
    ("mask-fit", [(WEIGHT, WEIGHT[:-1] + ", shown_as: {band: 0.25}}")], "0.25}"),
    ("mask-fit", [(AGE, "age: {type: integer, use: filter, between: [-9223372036854775808, 0], shown_as: {band: 3}}")], "shown_as:"),
    ("mask-fit", [("digits: 6, decimals: 1, use: open, between: [30, 200]}", "digits: 3, decimals: 1, use: open, between: [-99.9, 50], shown_as: {band: 50}}")], "shown_as:"),
    ("hidden-declared", [("use: hidden,", "use: hidden, between: [1, 2],")], "between: [1, 2]"),
    ("row-rule-type", [(LABS, LABS + "    rows: [{column: test, at_least: a}]\n")], "a}]"),
    ("row-rule-type", [(LABS, LABS + "    rows: [{column: test, one_of: []}]\n")], "one_of:"),
    ("never-together", [(LABS, LABS + "    never_together: [[test, vale]]\n")], "vale]"),
    ("never-together", [(LABS, LABS + "    never_together: [[test, test]]\n")], "[test, test]"),
    ("checks", [(LABS, LABS + "    checks: {unique: [[id, tset]]}\n")], "tset]"),
    ("checks", [(LABS, LABS + "    checks: {unique: [[id, id]]}\n")], "[id, id]"),
    ("checks", [(LABS, LABS + "    checks: {references: {id: people.idd}}\n")], "people.idd}"),
    ("checks", [(LABS, LABS + "    checks: {references: {id: labs.id}}\n")], "labs.id}"),
    ("checks", [(LABS, LABS + "    checks: {only_declared: [id]}\n")], "id]"),
    ("never-together-hidden", [("    title: {en: Patients", "    never_together: [[age, case.id]]\n    title: {en: Patients")], "case.id]"),
    ("name-case", [(MALE, MALE + "\n      Male: {type: integer}")], "Male:"),
    ("name-case", [("  events:\n", "  Labs:\n")], "Labs:"),
    ("name-reserved", [(MALE, MALE + "\n      __unit: {type: integer}")], "__unit:"),
    ("name-form", [(MALE, MALE + "\n      e\u0301tat: {type: integer}")], "e\u0301tat:"),
    ("name-form", [(MALE, MALE + "\n      'a \"b': {type: integer}")], "'a \"b'"),
    ("name-form", [("  events:\n", "  ev.ents:\n")], "ev.ents:"),
    ("people-empty", [("people: [opc]", "people: []")], "people:"),
    ("purposes-empty", [("purposes: [research]", "purposes: []")], "purposes:"),
    ("settings-empty", [("settings: [query]\n", "")], "dataset:"),
    ("steward-unknown", [("stewards: [wang]", "stewards: [wang, li]")], "li]"),
    ("file-name", [("dataset: nafld", "dataset: nafld2")], "nafld2"),
]  # fmt: skip

GRANT = [
    ("grant-dataset", [("datasets: [nafld]", "datasets: [naflt]")], "naflt]"),
    ("grant-purpose", [("purpose: research", "purpose: marketing")], "marketing"),
    ("grant-setting", [("settings: [query]", "settings: [query, train]")], "train]"),
    ("grant-budget", [("epsilon: 4", "epsilon: 9")], "9,"),
    ("grant-budget", [("delta: 1e-6", "delta: 1e-5")], "1e-5}"),
    ("grant-people", [("people: [li]", "people: [lee]")], "lee]"),
    ("grant-people", [("people: [li]", "people: [li, zhao]")], "zhao]"),
    ("window-past", [("last: 2030-12-31", "last: 2026-05-31")], "2026-05-31}"),
    ("file-name", [("grant: liver-2026", "grant: liver-2027")], "liver-2027"),
]

OTHER = [
    ("unit-in-use", "units.yaml", UNITS, [("  patient:", "  person:")], "units:"),
    ("steward-unknown", "people.yaml", PEOPLE, [("roles: [steward]", "roles: [auditor]")], "people:"),
]

CASES = [
    *((rule, "nafld.policy.yaml", NAFLD, edits, at) for rule, edits, at in POLICY),
    *((rule, "grants/liver-2026.yaml", LIVER, edits, at) for rule, edits, at in GRANT),
    *OTHER,
]


@pytest.mark.parametrize(("rule", "file", "text", "edits", "at"), CASES)
def test_broken_at_its_place(rule: str, file: str, text: str, edits: list[tuple[str, str]], at: str) -> None:
    text = edited(text, *edits)
    kind = {"nafld": FileKind.POLICY, "grant": FileKind.GRANT, "units": FileKind.UNITS}.get(
        file[:5], FileKind.PEOPLE
    )
    found = lint(draft_of(kind, text.encode(), file), around())
    assert {item.rule for item in found} == {rule}
    for item in found:
        assert item.severity is LINT.get(rule, (Severity.ERROR, ""))[0]
        assert item.place is not None
        assert item.place.file == file
    places = [item.place for item in found if item.place is not None]
    lines = text.splitlines()
    assert any(lines[place.line - 1][place.column - 1 :].startswith(at) for place in places), found


def test_privacy_missing() -> None:
    start, end = NAFLD.index("privacy:"), NAFLD.index("tables:")
    text = NAFLD[:start] + NAFLD[end:]
    found = lint(draft_of(FileKind.POLICY, text.encode(), "nafld.policy.yaml"), around())
    assert [item.rule for item in found] == ["privacy-missing"]


@pytest.mark.parametrize("turn", [("labs.id", "labs"), ("people.id", "people")])
def test_foreign_keys_in_a_circle(turn: tuple[str, str]) -> None:
    link = "{name: patient, through: {column: id, references: %s}, when_null: drop}"
    own = "{name: patient, column: id, when_null: drop}"
    text = edited(NAFLD, (own, link % turn[0]), (own, link % "people.id"))
    found = lint(draft_of(FileKind.POLICY, text.encode(), "nafld.policy.yaml"), around())
    assert "through-cycle" in {item.rule for item in found}


OWN = "{name: patient, column: id, when_null: drop}"


@pytest.mark.parametrize(
    ("rule", "edit"),
    [
        ("through", (f"    unit: {OWN}\n    bounds: {{rows_per_unit: 1}}\n", "    protection: open\n")),
        ("through", ("id: {type: integer", "id: {type: text")),
        ("unit-use", ("use: join_only, nullable: false, because: Identifies a person.}\n      days", "use: filter}\n      days")),
    ],
)  # fmt: skip
def test_a_foreign_key_needs_a_protected_table_of_the_same_unit(rule: str, edit: tuple[str, str]) -> None:
    linked = edited(NAFLD, (OWN, "X"), (OWN, LINK), ("X", OWN))
    assert not lint(draft_of(FileKind.POLICY, linked.encode(), "nafld.policy.yaml"), around())
    found = lint(draft_of(FileKind.POLICY, edited(linked, edit).encode(), "nafld.policy.yaml"), around())
    assert {item.rule for item in found} == {rule}


def test_every_rule_is_broken_by_a_test() -> None:
    here = {case[0] for case in CASES} | {"privacy-missing", "through-cycle"}
    assert set(LINT) - here == set()


def test_the_examples_are_clean() -> None:
    assert lint_path(FOLDER, TODAY) == ()
    assert lint_path(FOLDER / "grants", TODAY) == ()
    assert lint_path(FOLDER / "nafld.policy.yaml", TODAY) == ()


def test_a_folder_is_linted_whole(tmp_path: Path) -> None:
    (tmp_path / "grants").mkdir()
    (tmp_path / "nafld.policy.yaml").write_text(NAFLD.replace("join_only", "joinonly"), encoding="utf-8")
    (tmp_path / "units.yaml").write_text(UNITS, encoding="utf-8")
    (tmp_path / "grants" / "liver-2026.yaml").write_text(LIVER, encoding="utf-8")
    found = lint_path(tmp_path, date(2031, 1, 1))
    assert [item.rule for item in found] == ["word", "word", "word", "grant-dataset", "window-past"]
    assert lint_path(tmp_path / "units.yaml") == ()
    assert [item.rule for item in lint_path(tmp_path / "nothing.policy.yaml")] == ["file"]
    assert [item.rule for item in lint_path(tmp_path / "notes.txt")] == ["file-kind"]
    (tmp_path / "empty").mkdir()
    assert [item.rule for item in lint_path(tmp_path / "empty")] == ["file"]


def test_checks_without_surroundings_are_left_out() -> None:
    assert lint(draft_of(FileKind.POLICY, NAFLD.encode(), "nafld.policy.yaml"), Surroundings()) == ()
    units = Units.model_validate({"units": {"house": {"title": {}}}})
    found = lint(draft_of(FileKind.POLICY, NAFLD.encode(), ""), Surroundings(units=units))
    assert {item.rule for item in found} == {"unit-unknown"}


def test_people_are_checked_only_when_known() -> None:
    nobody = People.model_validate({"people": {"x": {"organisation": "", "roles": ("opc",)}}})
    found = lint(
        draft_of(FileKind.GRANT, LIVER.encode(), "grants/liver-2026.yaml"), replace(around(), people=nobody)
    )
    assert {item.rule for item in found} == {"grant-people"}


def test_wide_numbers_are_compared_exactly() -> None:
    bound = "30." + "0" * 30 + "1"
    text = edited(NAFLD, ("between: [30, 200]", f"between: [{bound}, 200]"))
    found = lint(draft_of(FileKind.POLICY, text.encode(), "nafld.policy.yaml"), around())
    assert [item.rule for item in found] == ["value-fit"]
    assert str(Decimal(bound)) in found[0].message
