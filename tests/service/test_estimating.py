"""A draft with privately estimated bounds: paid like a question, told in the draft, and never for an OPC."""

from __future__ import annotations

import datetime as dt
import random
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sandbox.audit.verify import Verdict, verify_bundle
from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.lint import lint_path
from sandbox.policy.read import read_draft
from sandbox.policy.types import ColumnPolicy, Policy, Use
from sandbox.query import pipeline
from sandbox.query.value_bounds import bounds_question
from sandbox.service import auditor, estimating, loading, opc, steward
from sandbox.service import home as homes
from sandbox.service.home import Home
from sandbox.service.reports import BoundsRequest, DraftReport, DraftRequest, LoadRequest
from sandbox.vault.engine import question_failed
from tests.service.instance import GRANT, OPERATOR, PEOPLE, POLICY, UNITS, acting, settings

EPSILON = Decimal(2)
RESIDENTS = 1000
ROWS_EACH = 4
# Half of all rows are 2,000 and half are 8,000, so an end is wrong only if noise moves a rank by 2,000 rows.
# Its 95 % half-width is about 100, and it has exponential tails: less than one run in 10^20.
INCOMES = (2000, 8000)
TOWN = POLICY.replace("rows_per_unit: 1", f"rows_per_unit: {ROWS_EACH}").replace(
    "secret: {type: text, use: hidden}",
    "secret: {type: text, use: hidden}\n"
    "      income: {type: integer, use: hidden}\n"
    "      share: {type: decimal, digits: 9, decimals: 2, use: hidden}",
)
BOUNDS_GRANT = (
    GRANT.replace("town-2026", "town-bounds").replace("census", "stewardship").replace("[li]", "[wang, li]")
)
INCOME = BoundsRequest("residents", "income", "0", "100000")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("estimates")
    (folder / "grants").mkdir()
    (folder / "codelists").mkdir()
    r = random.Random(7)
    lines = [
        f"{unit},{r.randint(20, 70)},{r.choice(['east', 'west'])},s,{INCOMES[row % 2]},{r.randint(1, 99)}.25"
        for unit in range(RESIDENTS)
        for row in range(ROWS_EACH)
    ]
    (folder / "residents.csv").write_text("id,age,district,secret,income,share\n" + "\n".join(lines) + "\n")
    papers = {
        "people.yaml": PEOPLE, "units.yaml": UNITS, "town.policy.yaml": TOWN,
        "grants/town-bounds.yaml": BOUNDS_GRANT,
    }  # fmt: skip
    home = _open(folder, init=True)
    for name, text in papers.items():
        (folder / name).write_text(text, "utf-8")
        steward.publish(home, OPERATOR if name == "people.yaml" else acting(home, "wang"), folder / name)
    loading.load(home, OPERATOR, LoadRequest(str(folder / "residents.csv"), "town", "residents"))
    homes.close(home)
    return folder


def _open(folder: Path, *, init: bool = False) -> Home:
    if init:
        homes.init(settings(folder / "home"))
    return homes.open_home(settings(folder / "home"))


@pytest.fixture
def home(made: Path) -> Iterator[Home]:
    opened = _open(made)
    yield opened
    homes.close(opened)


def draft(home: Home, *wanted: BoundsRequest, person: str = "wang", **said: Any) -> DraftReport:
    folder = home.folder.parent
    tables = {"residents": str(folder / "residents.csv")}
    request = DraftRequest(
        "town", tables, "person", "wang", folder / "codelists", unit_columns={"residents": "id"}
    )
    named = {"grant": "town-bounds", "epsilon": EPSILON} | said
    return estimating.draft_with_estimates(home, acting(home, person), request, wanted, **named)


def columns(report: DraftReport, folder: Path) -> dict[str, ColumnPolicy]:
    folder.mkdir()
    (folder / "units.yaml").write_text(UNITS)
    (folder / "people.yaml").write_text(PEOPLE)
    path = folder / "town.policy.yaml"
    path.write_text(report.text, "utf-8")
    assert lint_path(folder, dt.date(2026, 1, 1)) == ()
    model = read_draft(path).model
    assert isinstance(model, Policy)
    return dict(model.tables["residents"].columns)


def spent(home: Home) -> dict[str, Decimal]:
    states = opc.budget(home, acting(home, "wang"), "town-bounds")
    return {state.account: state.epsilon_spent for state in states}


def test_bounds_are_estimated_charged_and_said(home: Home, tmp_path: Path) -> None:
    before = spent(home)
    report = draft(home, INCOME)
    income = columns(report, tmp_path / "draft")["income"]
    assert income.use is Use.SUM_MEAN
    assert income.between is not None
    low, high = (int(str(end)) for end in income.between)
    assert 1900 <= low <= 2000
    assert 8000 <= high <= 8200
    assert income.because.startswith("Nothing suspicious was seen. Bounds estimated privately within 0")
    assert "estimated privately within 0 and 100000, which the steward stated" in income.because
    assert "epsilon 2, paid by the grant town-bounds" in income.because
    after = spent(home)
    assert {name: after[name] - before[name] for name in after} == dict.fromkeys(before, EPSILON)
    assert len(after) == 3, "grant, project and dataset"
    again = columns(draft(home, INCOME), tmp_path / "again")["income"]
    assert again.between == income.between
    assert "an earlier, equal estimate" in again.because
    assert spent(home) == after, "the same estimate again is free"
    assert (
        opc.budget(home, acting(home, "li"), "town-bounds")[0].epsilon_spent
        == after["grant-dataset:town-bounds/town"]
    )


def test_the_log_says_what_was_estimated_and_proves_the_charge(home: Home, tmp_path: Path) -> None:
    draft(home, INCOME)
    intended = list(home.store.entries(kinds=["question.intended"]))
    assert intended[0].facts["estimates"] == "residents.income"
    assert intended[0].facts["grant"] == "town-bounds"
    auditor.export_log(home, acting(home, "zhao"), tmp_path / "log")
    assert verify_bundle(tmp_path / "log").verdict is Verdict.CLEAN
    for value in INCOMES:
        assert all(str(value) not in entry.leaf.decode() for entry in home.store.entries())


def test_decimals_have_decimal_bounds(home: Home, tmp_path: Path) -> None:
    share = BoundsRequest("residents", "share", "0", "1000")
    found = columns(draft(home, share, epsilon=Decimal("0.5")), tmp_path / "draft")["share"]
    assert found.between is not None
    low, high = found.between
    assert 0 <= Decimal(str(low)) < Decimal(str(high)) <= 1000


def test_what_is_doubtful_stays_hidden(home: Home, tmp_path: Path) -> None:
    age = BoundsRequest("residents", "age", "0", "200")
    found = columns(draft(home, age, epsilon=Decimal("0.5")), tmp_path / "draft")["age"]
    assert found.use is Use.HIDDEN
    assert found.between is None
    assert found.because.startswith("May single somebody out")
    assert re.search(r"Bounds \d+ to \d+ estimated privately within 0 and 200", found.because)


@pytest.mark.parametrize(
    ("wanted", "said", "code"),
    [
        ((INCOME,), {"person": "li"}, ErrorCode.ROLE_REFUSED),
        ((INCOME,), {"grant": "none"}, ErrorCode.GRANT_UNKNOWN),
        ((INCOME,), {"epsilon": Decimal(3)}, ErrorCode.EPSILON_INVALID),
        ((BoundsRequest("residents", "nobody", "0", "1"),), {}, ErrorCode.ARGUMENT),
        ((BoundsRequest("districts", "area", "0", "1"),), {}, ErrorCode.ARGUMENT),
        ((BoundsRequest("residents", "id", "0", "1"),), {}, ErrorCode.ARGUMENT),
        ((BoundsRequest("residents", "secret", "0", "1"),), {}, ErrorCode.ARGUMENT),
        ((BoundsRequest("residents", "income", "9", "1"),), {}, ErrorCode.ARGUMENT),
        ((BoundsRequest("residents", "income", "0", "1.5"),), {}, ErrorCode.ARGUMENT),
        ((BoundsRequest("residents", "income", "0", "1); DROP"),), {}, ErrorCode.ARGUMENT),
        # The second of two is refused before the first is charged.
        ((INCOME, BoundsRequest("residents", "secret", "0", "1")), {}, ErrorCode.ARGUMENT),
    ],
)  # fmt: skip
def test_what_is_refused_costs_nothing(home: Home, wanted: Any, said: Any, code: ErrorCode) -> None:
    before = spent(home)
    with pytest.raises(SandboxError) as caught:
        draft(home, *wanted, **said)
    assert caught.value.code is code
    assert spent(home) == before


def test_a_steward_of_another_dataset_and_a_grant_of_others(home: Home) -> None:
    papers = home.folder.parent
    (papers / "people.yaml").write_text(
        PEOPLE.replace("zhao:", "sun: {organisation: X, roles: [steward]}\n  zhao:")
    )
    steward.publish(home, OPERATOR, papers / "people.yaml")
    with pytest.raises(SandboxError) as caught:
        draft(home, INCOME, person="sun")
    assert caught.value.code is ErrorCode.POLICY_REFUSED
    (papers / "grants" / "town-2026.yaml").write_text(GRANT)
    steward.publish(home, acting(home, "wang"), papers / "grants" / "town-2026.yaml")
    with pytest.raises(SandboxError) as caught:
        draft(home, INCOME, grant="town-2026")
    assert caught.value.code is ErrorCode.GRANT_REFUSED


def test_the_column_stays_hidden_from_analysts_who_share_the_grant(home: Home) -> None:
    draft(home, INCOME)
    sql = bounds_question("town", "residents", "income")
    for person in ("li", "wang"):
        with pytest.raises(SandboxError) as caught:
            opc.ask(home, acting(home, person), sql, "town-bounds", EPSILON)
        assert caught.value.code in (
            ErrorCode.SQL_NAME_UNKNOWN,
            ErrorCode.ROLE_REFUSED,
            ErrorCode.POLICY_REFUSED,
        )


def test_an_estimate_that_fails_stays_charged(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise question_failed()

    monkeypatch.setattr(pipeline, "execute", failing)
    before = spent(home)
    with pytest.raises(SandboxError) as caught:
        draft(home, BoundsRequest("residents", "income", "0", "50000"), epsilon=Decimal("0.25"))
    assert caught.value.code is ErrorCode.QUESTION_FAILED
    assert spent(home) == {name: value + Decimal("0.25") for name, value in before.items()}
