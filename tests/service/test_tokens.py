"""Tokens: shown once, kept as a digest, one role, an end; logged when they come and go."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Role, Via
from sandbox.service import home as homes
from sandbox.service import operator, steward, tokens
from sandbox.service.home import Home
from tests.service.instance import OPERATOR, PEOPLE


def test_a_token_is_its_person_with_its_one_role(town: Home) -> None:
    token = operator.create_token(town, OPERATOR, "li", Role.OPC, days=3)
    actor = homes.authenticate(town, token.secret)
    assert actor.id == "li"
    assert actor.via is Via.API
    assert actor.person.roles == frozenset({Role.OPC})
    assert timedelta(days=2) < token.expires - datetime.now(UTC) <= timedelta(days=3)


def test_the_secret_is_kept_nowhere(town: Home) -> None:
    token = operator.create_token(town, OPERATOR, "li", Role.OPC)
    with sqlite3.connect(town.folder / "store.sqlite") as connection:
        dump = "\n".join(connection.iterdump())
    assert token.id in dump
    assert token.secret not in dump
    assert token.secret.removeprefix(tokens.PREFIX) not in dump
    assert token.secret not in repr(operator.list_tokens(town, OPERATOR))
    for path in town.folder.rglob("*"):
        if path.is_file():
            assert token.secret.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("bearer", ["", "sbx_", "sbx_x", "x" * 10_000, "sbx_\ud800", "é", "' OR 1=1 --"])
def test_a_made_up_token_opens_nothing(town: Home, bearer: str) -> None:
    with pytest.raises(SandboxError) as caught:
        homes.authenticate(town, bearer)
    assert caught.value.code is ErrorCode.TOKEN_INVALID


def test_a_revoked_token_opens_nothing_and_is_revoked_once(town: Home) -> None:
    token = operator.create_token(town, OPERATOR, "li", Role.OPC)
    assert operator.revoke_token(town, OPERATOR, token.id).state == "revoked"
    with pytest.raises(SandboxError) as caught:
        homes.authenticate(town, token.secret)
    assert caught.value.code is ErrorCode.TOKEN_INVALID
    for id_ in (token.id, "nothing"):
        with pytest.raises(SandboxError) as caught:
            operator.revoke_token(town, OPERATOR, id_)
        assert caught.value.code is ErrorCode.NOT_FOUND


def test_an_expired_token_opens_nothing(town: Home) -> None:
    token = operator.create_token(town, OPERATOR, "li", Role.OPC, days=1)
    with town.store.read() as connection:
        assert tokens.find(connection, token.secret, token.expires - timedelta(seconds=1)).id == token.id
        with pytest.raises(SandboxError) as caught:
            tokens.find(connection, token.secret, token.expires)
    assert caught.value.code is ErrorCode.TOKEN_INVALID


def test_a_token_ends_with_the_role_of_its_person(town: Home, tmp_path: Path) -> None:
    token = operator.create_token(town, OPERATOR, "mei", Role.OPC)
    people = tmp_path / "people.yaml"
    people.write_text(
        PEOPLE.replace(
            "mei: {organisation: Mei Studio, roles: [opc]}", "mei: {organisation: M, roles: [auditor]}"
        )
    )
    steward.publish(town, OPERATOR, people)
    with pytest.raises(SandboxError) as caught:
        homes.authenticate(town, token.secret)
    assert caught.value.code is ErrorCode.TOKEN_INVALID


@pytest.mark.parametrize(
    ("person", "role", "days", "code"),
    [
        ("li", Role.AUDITOR, 30, ErrorCode.ROLE_REFUSED),
        ("nobody", Role.OPC, 30, ErrorCode.PERSON_UNKNOWN),
        ("li", Role.OPC, 0, ErrorCode.ARGUMENT),
        ("li", Role.OPC, 10**9, ErrorCode.ARGUMENT),
    ],
)
def test_a_token_that_cannot_be_is_not_made(
    town: Home, person: str, role: Role, days: int, code: ErrorCode
) -> None:
    before = town.store.checkpoint()
    with pytest.raises(SandboxError) as caught:
        operator.create_token(town, OPERATOR, person, role, days)
    assert caught.value.code is code
    assert town.store.checkpoint() == before
    assert operator.list_tokens(town, OPERATOR) == ()


def test_coming_and_going_is_logged(town: Home) -> None:
    token = operator.create_token(town, OPERATOR, "li", Role.OPC)
    operator.revoke_token(town, OPERATOR, token.id)
    logged = list(town.store.entries(kinds=("token.created", "token.revoked")))
    assert [entry.kind for entry in logged] == ["token.created", "token.revoked"]
    assert all(entry.facts["token"] == token.id for entry in logged)
