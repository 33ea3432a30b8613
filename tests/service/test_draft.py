"""A drafted policy lints clean, opens nothing doubtful, and says nothing that was measured."""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path

import pytest

from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.lint import lint_path
from sandbox.policy.read import FileKind, read_draft
from sandbox.policy.types import Kind, Policy, Use
from sandbox.service import steward
from sandbox.service.reports import DraftReport, DraftRequest
from tests.ingest.records import values

SENTINEL = 7_654_321


def write(folder: Path, seed: int = 1, rows: int = 300) -> Path:
    r = random.Random(seed)
    (folder / "codelists").mkdir(exist_ok=True)
    (folder / "codelists" / "districts.txt").write_text("east\nnorth\nsouth\nwest\n", "utf-8")
    (folder / "units.yaml").write_text("units: {person: {title: {en: One person, zh: 一个人}}}\n", "utf-8")
    (folder / "people.yaml").write_text("people: {wang: {organisation: City, roles: [steward]}}\n", "utf-8")
    columns = {
        "姓名": values("person_name", rows, seed),
        "身份证号": values("resident_id", rows, seed, blank=0),
        "手机": values("mobile", rows, seed),
        "district": [r.choice(["east", "west", "south"]) for _ in range(rows)],
        "month": [str(r.randint(2, 11)) for _ in range(rows)],
        "age": [str(r.randint(19, 87)) for _ in range(rows)],
        "income": [str(r.choice([SENTINEL, r.randint(1, 9)])) for _ in range(rows)],
        "insured": [r.choice(["true", "false"]) for _ in range(rows)],
        "no: yes": ["x"] * rows,
        "__own": ["y"] * rows,
        ' "q"': ["z"] * rows,
    }
    header = ",".join(f'"{name.replace(chr(34), chr(34) * 2)}"' for name in columns)
    lines = (",".join(cell or "" for cell in row) for row in zip(*columns.values(), strict=True))
    file = folder / "people.csv"
    file.write_text("\n".join([header, *lines]) + "\n", "utf-8")
    return file


def drafted(folder: Path, file: Path, **said: object) -> DraftReport:
    request = DraftRequest("town", {"people": str(file)}, "person", "wang", folder / "codelists", **said)  # type: ignore[arg-type]
    return steward.draft(request)


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    report = drafted(tmp_path, write(tmp_path))
    (tmp_path / "town.policy.yaml").write_text(report.text, "utf-8")
    model = read_draft(tmp_path / "town.policy.yaml").model
    assert isinstance(model, Policy)
    return model


def test_it_lints_clean(policy: Policy, tmp_path: Path) -> None:
    assert policy.dataset == "town"
    assert lint_path(tmp_path, dt.date(2026, 1, 1)) == ()
    draft = read_draft(tmp_path / "town.policy.yaml")
    assert draft.kind is FileKind.POLICY


def test_everything_doubtful_is_hidden_and_every_choice_says_why(policy: Policy) -> None:
    columns = policy.tables["people"].columns
    assert {name: column.use for name, column in columns.items() if column.use is not Use.HIDDEN} == {
        "district": Use.GROUP_BY,
        "month": Use.SUM_MEAN,
        "insured": Use.GROUP_BY,
    }
    assert all(column.because for column in columns.values())
    assert columns["district"].codelist == "districts"
    assert columns["district"].values == ("east", "north", "south", "west")
    assert columns["month"].between == (1, 12), "what everybody knows, not what the data hold"
    assert columns["身份证号"].because.startswith("Looks like resident identity numbers")
    assert columns["age"].between is None
    assert columns["no: yes"].type is Kind.TEXT
    assert {"__own", ' "q"'} & set(columns) == set()
    assert policy.tables["people"].unit is not None
    assert policy.tables["people"].unit.column == "身份证号"
    assert policy.tables["people"].bounds is not None
    assert policy.tables["people"].bounds.rows_per_unit == 1


def test_nothing_measured_is_in_it(tmp_path: Path) -> None:
    texts = []
    for number, rows in enumerate((300, 700)):
        folder = tmp_path / str(number)
        folder.mkdir()
        texts.append(drafted(folder, write(folder, seed=number + 5, rows=rows)).text)
        assert str(SENTINEL) not in texts[-1]
    assert texts[0] == texts[1], "other rows of the same kinds, the same draft"


ODD = '某某某,???,12,Atlantis,NA,999.123456789,-1e-30,perhaps,"a ""long"" cell",0001-01-01,?'


def test_a_neighbouring_table_drafts_the_same_bytes(tmp_path: Path) -> None:
    """One person more, who is odd in every column, or one less: nothing in the draft tells of anybody."""
    file = write(tmp_path)
    header, *rows = file.read_text("utf-8").splitlines()
    whole = drafted(tmp_path, file).text
    neighbours = [[*rows, ODD], [ODD, *rows], *([*rows[:at], *rows[at + 1 :]] for at in range(0, 300, 12))]
    for neighbour in neighbours:
        file.write_text("\n".join([header, *neighbour]) + "\n", "utf-8")
        assert drafted(tmp_path, file).text == whole


def test_evidence_stays_beside_the_draft(tmp_path: Path) -> None:
    report = drafted(tmp_path, write(tmp_path))
    shares = {one.column: one.evidence for one in report.evidence["people"]}
    assert shares["身份证号"].fitting > 0.9
    assert "%" not in report.text


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SandboxError) as caught:
        drafted(tmp_path, write(tmp_path), unit_columns={"people": "nobody"})
    assert caught.value.code is ErrorCode.ARGUMENT
    assert "身份证号" in caught.value.hint
