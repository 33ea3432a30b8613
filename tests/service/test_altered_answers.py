"""A stored answer is given again as it was paid for, of its own question, to whom it belongs; else not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from sandbox.audit.event import Event, EventKind, Fact
from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Actor
from sandbox.query import settle
from sandbox.query.answer import Answer
from sandbox.service import home as homes
from sandbox.service import opc
from tests.service.altering import alterations, lines_of, run
from tests.service.instance import acting, copied, settings

GROUPS = "SELECT district, COUNT(*) AS n FROM residents GROUP BY district"
OTHER = "SELECT district, SUM(age) AS years FROM residents GROUP BY district"
ONE = "SELECT COUNT(*) AS n FROM residents WHERE district = 'east'"
KEPT = {"line", "cells"}
TABLES = ("question_answer", "question_cube")


@pytest.fixture(scope="module")
def used(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two stored answers, and cells from which a third one follows."""
    home = copied(template, tmp_path_factory.mktemp("used") / "home")
    for sql, epsilon in ((GROUPS, "1"), (OTHER, "0.5")):
        assert not asked(home, sql, epsilon).repeated
    return home


@pytest.fixture
def home(used: Path, tmp_path: Path) -> Path:
    return copied(used, tmp_path / "home")


def asked(home: Path, sql: str, epsilon: str) -> Answer:
    instance = homes.open_home(settings(home))
    try:
        return opc.ask(instance, acting(instance, "li"), sql, "town-2026", Decimal(epsilon))
    finally:
        homes.close(instance)


def given(home: Path, sql: str) -> tuple[str, list[object], list[object], bool] | ErrorCode | None:
    """What is given for free, or why not; None where it was paid for anew."""
    try:
        answer = asked(home, sql, "0.1")
    except SandboxError as error:
        return error.code
    if not answer.repeated:
        assert answer.cost is not None
        return None
    return answer.question, answer.table.to_pylist(), answer.errors.to_pylist(), answer.derived


def swaps(table: str) -> Iterator[str]:
    """Each column of one line in the place of the other's, and whole lines under each other's names."""
    columns = {"question_answer": ["key", "epsilon", "mechanism", "body"], "question_cube": ["base", "cube"]}
    columns["question_cube"] += ["widths", "cells"]
    both = [[name] for name in columns[table]] + [columns[table], columns[table][:-1], columns[table][1:]]
    for names in both:
        sets = ", ".join(
            f'"{name}" = (SELECT o."{name}" FROM "{table}" o WHERE o.question <> "{table}".question)'
            for name in names
        )
        yield f'UPDATE "{table}" SET {sets}'


@pytest.mark.parametrize("table", TABLES)
def test_every_alteration_is_noticed_or_costs_again(home: Path, table: str) -> None:
    store = home / "store.sqlite"
    paid = {sql: given(home, sql) for sql in (GROUPS, ONE)}
    whole = store.read_bytes()
    assert all(isinstance(free, tuple) for free in paid.values())
    assert [free[3] for free in paid.values() if isinstance(free, tuple)] == [False, True]
    mark = (home / "store.sqlite.mark").read_bytes()
    outcomes = set()
    wrong = []
    for statement in [*alterations(home, table), *swaps(table)]:
        for sql, free in paid.items():
            store.write_bytes(whole)
            (home / "store.sqlite.mark").write_bytes(mark)
            before = lines_of(home, table)
            run(home, statement)
            if lines_of(home, table) == before:
                continue
            found = given(home, sql)
            outcomes.add(found if isinstance(found, ErrorCode) else type(found))
            if found not in (free, None, ErrorCode.STORAGE_CORRUPT):
                wrong.append((statement, sql, found))
    assert not wrong
    assert {type(None), ErrorCode.STORAGE_CORRUPT} <= outcomes


def test_an_altered_answer_is_not_given_again(home: Path) -> None:
    """One byte of its numbers."""
    other = "CASE substr(body, -9, 1) WHEN x'00' THEN x'01' ELSE x'00' END"
    blob = f"CAST(substr(body, 1, length(body) - 9) || {other} || substr(body, -8) AS BLOB)"
    assert run(home, f"UPDATE question_answer SET body = {blob}") == 2
    assert given(home, GROUPS) is ErrorCode.STORAGE_CORRUPT


def test_an_answer_of_another_question_is_not_given(home: Path) -> None:
    """Its own numbers and digest, under the key of what is asked, or under its own with another price."""
    key = f"SELECT key FROM question_answer WHERE epsilon = {10**12}"
    other = f"epsilon = {10**12 // 2}"
    assert run(home, f"UPDATE question_answer SET key = ({key}), epsilon = {2 * 10**12} WHERE {other}") == 1
    assert given(home, GROUPS) is ErrorCode.STORAGE_CORRUPT


def test_what_an_older_release_kept_costs_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its entries say the digest of the answer, and do not vouch for the rest."""

    def older(kind: EventKind, actor: Actor, facts: Mapping[str, Fact]) -> Event:
        return Event(kind, actor, {name: fact for name, fact in facts.items() if name not in KEPT})

    question = "SELECT AVG(age) AS years FROM residents"
    monkeypatch.setattr(settle, "Event", older)
    assert not asked(home, question, "0.5").repeated
    monkeypatch.undo()
    first = asked(home, question, "0.5")
    assert not first.repeated
    again = asked(home, question, "0.5")
    assert again.repeated
    assert again.question == first.question
