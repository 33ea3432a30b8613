"""`/openapi.json` says what the service does, with examples that are true."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter

from sandbox.api import examples, forms, problems
from sandbox.api.negotiation import ARROW
from sandbox.policy.decide import Decision
from sandbox.query.answer import Estimate
from tests.api.instance import Served

PATHS = {
    "/v1/questions": "post",
    "/v1/progress": "get",
    "/v1/estimates": "post",
    "/v1/explanations": "post",
    "/v1/datasets": "get",
    "/v1/dummy/{dataset}/{table}": "get",
    "/v1/budgets/{grant}": "get",
    "/v1/log": "get",
    "/v1/health": "get",
}


@pytest.fixture(scope="module")
def described(empty: Served) -> dict[str, Any]:
    """What the service says of itself, to anybody."""
    reply = httpx.get(f"{empty.url}/openapi.json")
    assert reply.status_code == 200
    found: dict[str, Any] = reply.json()
    return found


def test_every_path_is_described_and_nothing_else(described: dict[str, Any]) -> None:
    assert {path: next(iter(acts)) for path, acts in described["paths"].items()} == PATHS
    for path, acts in described["paths"].items():
        for act in acts.values():
            assert act["summary"]
            assert act["description"]
            assert problems.PROBLEM_TYPE in act["responses"]["default"]["content"]
            assert ("security" in act) == (path != "/v1/health")
            assert "422" not in act["responses"]
    answer = described["paths"]["/v1/questions"]["post"]["responses"]["200"]["content"]
    assert set(answer) == {"application/json", ARROW}
    assert "fastapi" not in str(described).lower()


@pytest.mark.parametrize(
    ("form", "example"),
    [
        (forms.AnswerReply, examples.ANSWER),
        (Estimate, examples.ESTIMATE),
        (Decision, examples.EXPLANATION),
        (forms.ProgressReply, examples.PROGRESS),
        (forms.DatasetsReply, examples.DATASETS),
        (forms.DummyReply, examples.DUMMY),
        (forms.BudgetsReply, examples.BUDGETS),
        (forms.LogReply, examples.LOG),
        (forms.Problem, examples.PROBLEM),
    ],
)
def test_every_example_has_the_form_that_is_described(form: Any, example: dict[str, Any]) -> None:
    adapter = TypeAdapter(form)
    found = adapter.validate_python(example)
    assert set(example) == set(adapter.dump_python(found)) - (
        {"instance"} if form is forms.Problem else set()
    )


def test_the_examples_are_what_the_service_says_today(served: Served) -> None:
    question = examples.QUESTION_BODY | {"grant": "plenty"}
    explanation = examples.EXPLANATION_BODY | {"grant": "plenty"}
    refused = question | {"sql": "SELECT avg(id) AS x FROM nafld.people"}
    with served.http() as http:
        answer = http.post("/v1/questions", json=question).json()
        assert set(answer) == set(examples.ANSWER)
        assert answer["columns"] == examples.ANSWER["columns"]
        assert answer["cost"] == examples.ANSWER["cost"]
        assert answer["attribution"] == examples.ANSWER["attribution"]
        assert set(answer["receipt"]) == set(examples.ANSWER["receipt"])
        estimate = http.post("/v1/estimates", json=question).json()
        assert estimate["columns"] == examples.ESTIMATE["columns"]
        assert estimate["cost"] == examples.ESTIMATE["cost"]
        decision = http.post("/v1/explanations", json=explanation).json()
        assert len(decision["reasons"]) == len(examples.EXPLANATION["reasons"])
        assert http.post("/v1/questions", json=refused).json() == examples.PROBLEM
        datasets = http.get("/v1/datasets").json()["datasets"]
        assert [set(card) for card in datasets] == [set(card) for card in examples.DATASETS["datasets"]]
