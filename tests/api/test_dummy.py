"""Dummy rows over HTTP and in the client: the same as from the command line, from a home without data."""

from __future__ import annotations

import io

import pyarrow as pa
import pytest
from pydantic import TypeAdapter

from sandbox.api import forms
from sandbox.api.negotiation import ARROW
from sandbox.client import SandboxRefused
from tests.api.instance import Served


def test_a_notebook_tries_its_code_before_anything_is_loaded(empty: Served) -> None:
    sandbox = empty.sandbox()
    people = sandbox.dummy("nafld.people", n=200, seed=4)
    labs = sandbox.dummy("nafld.labs", n=500, seed=4)
    assert people.num_rows == 200
    assert labs.num_rows == 500
    assert "case.id" not in people.column_names, "hidden"
    assert people.equals(sandbox.dummy("nafld.people", n=200, seed=4))
    joined = sandbox.dummy("nafld.labs", n=200, seed=4).to_pandas().merge(people.to_pandas(), on="id")
    assert len(joined) == 200
    assert set(labs["test"].to_pylist()) == {"chol", "dbp", "fib4", "hdl", "sbp", "smoke"}
    budget = sandbox.budget()
    assert all(state.epsilon_spent == 0 for state in budget)


def test_json_and_arrow_hold_the_same(empty: Served) -> None:
    with empty.http() as http:
        plain = http.get("/v1/dummy/nafld/people?rows=7&seed=1")
        TypeAdapter(forms.DummyReply).validate_json(plain.content)
        arrow = http.get("/v1/dummy/nafld/people?rows=7&seed=1", headers={"Accept": ARROW})
    table = pa.ipc.open_stream(io.BytesIO(arrow.content)).read_all()
    assert plain.json()["columns"] == table.column_names
    assert [row[0] for row in plain.json()["rows"]] == table["id"].to_pylist()


def test_what_is_not_there_is_refused(empty: Served) -> None:
    for table in ("nafld.nothing", "nothing.people"):
        with pytest.raises(SandboxRefused, match="No published policy names this table"):
            empty.sandbox().dummy(table)
    with pytest.raises(ValueError, match=r"dataset\.table"):
        empty.sandbox().dummy("nafld")
    with pytest.raises(SandboxRefused):
        empty.sandbox().dummy("nafld.people", n=10**9)
