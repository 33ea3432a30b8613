"""Real requests and replies, for the description of the API (`/openapi.json`)."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

EXPLANATION_BODY: dict[str, Any] = {
    "sql": "SELECT male, count(*) AS patients, avg(age) AS mean_age "
    "FROM nafld.people GROUP BY male ORDER BY male",
    "grant": "liver-2026",
}
QUESTION_BODY: dict[str, Any] = EXPLANATION_BODY | {"epsilon": "0.4"}

_replies: dict[str, dict[str, Any]] = json.loads(
    files("sandbox.api").joinpath("examples.json").read_text("utf-8")
)
ANSWER = _replies["ANSWER"]
ESTIMATE = _replies["ESTIMATE"]
EXPLANATION = _replies["EXPLANATION"]
DATASETS = _replies["DATASETS"]
PROGRESS: dict[str, Any] = {"questions": [{"step": "noise", "done": 503808, "total": 1000000}]}
DUMMY: dict[str, Any] = {"columns": ["id", "age", "male"], "rows": [[3, 61, 0], [1, 24, 1], [2, 97, 1]]}
BUDGETS = _replies["BUDGETS"]
LOG = _replies["LOG"]
PROBLEM = _replies["PROBLEM"]


def reply(example: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    """A JSON reply with an example."""
    return {200: {"content": {"application/json": {"example": example}}}}


def rows(arrow: str) -> dict[int | str, dict[str, Any]]:
    """Plain rows, in JSON with an example or in Arrow."""
    described = reply(DUMMY)
    described[200]["description"] = "The rows; with `Accept: " + arrow + "` as one Arrow IPC stream."
    described[200]["content"][arrow] = {"schema": {"type": "string", "format": "binary"}}
    return described


def answer(arrow: str) -> dict[int | str, dict[str, Any]]:
    """The reply to a question, in JSON with an example or in Arrow."""
    described = reply(ANSWER)
    described[200]["description"] = "The answer; with `Accept: " + arrow + "` as one Arrow IPC stream."
    described[200]["content"][arrow] = {"schema": {"type": "string", "format": "binary"}}
    return described
