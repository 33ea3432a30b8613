"""Who may do what, by the role of the token."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sandbox.audit.event import Event, EventKind
from sandbox.identity import Role, operator_of_this_machine
from sandbox.service import operator, tokens
from tests.api.instance import COUNT, Served
from tests.api.test_errors import check

QUESTION = {"sql": COUNT, "grant": "plenty"}


@pytest.mark.parametrize(
    ("person", "role"), [("zhao", Role.AUDITOR), ("wang", Role.STEWARD), ("sun", Role.AUDITOR)]
)
@pytest.mark.parametrize("path", ["questions", "estimates"])
def test_only_an_opc_asks(empty: Served, person: str, role: Role, path: str) -> None:
    with empty.http(person, role) as http:
        reply = http.post(f"/v1/{path}", json=QUESTION)
    assert reply.status_code == 403
    assert reply.json()["code"] in ("role-refused", "grant-refused", "policy-refused")


@pytest.mark.parametrize(("person", "role"), [("li", Role.OPC), ("wang", Role.STEWARD), ("sun", Role.OPC)])
def test_only_an_auditor_reads_the_log(empty: Served, person: str, role: Role) -> None:
    with empty.http(person, role) as http:
        check(http.get("/v1/log"), 403, "role-refused")


def test_a_token_carries_one_role_also_of_a_person_with_two(empty: Served) -> None:
    with empty.http("sun", Role.AUDITOR) as http:
        assert http.get("/v1/log").status_code == 200
    with empty.http("sun", Role.OPC) as http:
        assert http.post("/v1/estimates", json=QUESTION).status_code == 200


def test_the_reading_of_the_log_is_in_the_log(empty: Served) -> None:
    with empty.http("zhao", Role.AUDITOR) as http:
        entries = http.get("/v1/log?kind=log.read&person=zhao&limit=1").json()["entries"]
    assert [(entry["kind"], entry["person"], entry["via"]) for entry in entries] == [
        ("log.read", "zhao", "api")
    ]


def test_an_opc_without_a_grant_sees_nothing_of_others(empty: Served) -> None:
    with empty.http("wu") as http:
        check(http.post("/v1/questions", json=QUESTION), 403, "grant-refused")
        check(http.get("/v1/budgets/plenty"), 403, "grant-refused")
        assert [card["grants"] for card in http.get("/v1/datasets").json()["datasets"]] == [[]]


def test_a_grant_of_another_is_no_grant(empty: Served) -> None:
    with empty.http("li") as http:
        check(http.post("/v1/questions", json={"sql": COUNT, "grant": "suns"}), 403, "grant-refused")
        check(http.post("/v1/questions", json={"sql": COUNT, "grant": "nothing"}), 404, "grant-unknown")
        check(http.get("/v1/budgets/nothing"), 404, "grant-unknown")


def test_a_revoked_token_opens_nothing(empty: Served) -> None:
    me = operator_of_this_machine()
    token = operator.create_token(empty.home, me, "li", Role.OPC, 1)
    with empty.http() as http:
        http.headers["Authorization"] = f"Bearer {token.secret}"
        assert http.get("/v1/datasets").status_code == 200
        operator.revoke_token(empty.home, me, token.id)
        check(http.get("/v1/datasets"), 401, "token-invalid")


def test_an_expired_token_opens_nothing(empty: Served) -> None:
    now = datetime.now(UTC)
    token = tokens.draw("li", Role.OPC, now - timedelta(seconds=1))
    facts = {"token": token.id, "person": "li", "role": "opc", "expires": token.expires.isoformat()}
    made = Event(EventKind.TOKEN_CREATED, operator_of_this_machine(), facts)
    with empty.home.store.write(made) as written:
        tokens.keep(written.connection, token, now - timedelta(days=1))
    with empty.http() as http:
        http.headers["Authorization"] = f"Bearer {token.secret}"
        check(http.get("/v1/datasets"), 401, "token-invalid")
