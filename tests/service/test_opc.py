"""Questions through the service: charged once, refused without a trace of data, safe among threads."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from sandbox.errors import ErrorCode, SandboxError
from sandbox.service import opc
from sandbox.service.home import Home
from tests.service.instance import acting

GRANT = "town-2026"


def outcome(home: Home, sql: str, epsilon: str) -> str:
    try:
        opc.ask(home, acting(home, "li"), sql, GRANT, Decimal(epsilon))
    except SandboxError as error:
        return error.code.value
    return "answered"


def test_parallel_questions_never_overspend(town: Home) -> None:
    """Budget 4, forty different questions of 0.4 at once: exactly ten answers."""
    asked = [f"SELECT COUNT(*) FROM town.residents WHERE age > {age}" for age in range(40)]
    with ThreadPoolExecutor(8) as threads:
        outcomes = Counter(threads.map(lambda sql: outcome(town, sql, "0.4"), asked))
    assert outcomes == {"answered": 10, "budget-exceeded": 30}
    spent = {state.account: state.epsilon_spent for state in opc.budget(town, acting(town, "li"), GRANT)}
    assert spent[f"grant-dataset:{GRANT}/town"] == 4
    kinds = Counter(entry.kind for entry in town.store.entries())
    assert kinds["question.intended"] == kinds["question.settled"] == 10
    assert kinds["question.refused"] == 30


def test_the_same_question_at_once_is_answered_alike(town: Home) -> None:
    sql = "SELECT district, COUNT(*) AS n FROM town.residents GROUP BY district"
    first = opc.ask(town, acting(town, "li"), sql, GRANT, Decimal("0.4"))
    with ThreadPoolExecutor(8) as threads:
        again = list(
            threads.map(
                lambda _: opc.ask(town, acting(town, "li"), sql, GRANT, Decimal("0.4")).table, range(16)
            )
        )
    assert all(table.equals(first.table) for table in again)
    spent = {state.epsilon_spent for state in opc.budget(town, acting(town, "li"), GRANT)}
    assert spent == {Decimal("0.4")}


def test_open_tables_are_exact_and_free(town: Home) -> None:
    answer = opc.ask(town, acting(town, "li"), "SELECT name, area FROM town.districts ORDER BY name", GRANT)
    assert answer.table.to_pydict() == {"name": ["east", "west"], "area": [12, 30]}
    assert answer.cost is None
    assert not any(column.noisy for column in answer.columns)


def test_a_refusal_is_logged_without_what_was_typed(town: Home) -> None:
    li = acting(town, "li")
    secret = "zhang san"
    asked = {
        f"SELECT secret FROM town.residents WHERE district = '{secret}'": "sql-name-unknown",
        f'SELECT age FROM town.residents AS "{secret}"': "raw-rows",
        f"SELECT '{secret}": "sql-syntax",
    }
    for sql, code in asked.items():
        with pytest.raises(SandboxError) as caught:
            opc.ask(town, li, sql, GRANT)
        assert caught.value.code.value == code
        *_, entry = town.store.entries(kinds=("question.refused",))
        assert entry.facts["code"] == code
        assert secret.encode() not in entry.leaf
        assert entry.facts["grant"] == GRANT
        assert town.store.disclose(entry.index) == sql, "the text itself can be disclosed"


def test_a_grant_that_nobody_published_is_not_named_in_the_log(town: Home) -> None:
    with pytest.raises(SandboxError) as caught:
        opc.ask(town, acting(town, "li"), "SELECT COUNT(*) FROM town.residents", "13800001111")
    assert caught.value.code is ErrorCode.GRANT_UNKNOWN
    *_, entry = town.store.entries(kinds=("question.refused",))
    assert b"13800001111" not in entry.leaf


def test_too_much_sql_is_refused_and_not_kept(town: Home) -> None:
    with pytest.raises(SandboxError) as caught:
        opc.ask(town, acting(town, "li"), "SELECT 1 -- " + "x" * 1_000_000, GRANT)
    assert caught.value.code is ErrorCode.SQL_TOO_LARGE
    *_, entry = town.store.entries(kinds=("question.refused",))
    assert entry.commitment is None
    assert (town.folder / "store.sqlite").stat().st_size < 1_000_000


def test_estimates_and_reasons_leave_no_trace(town: Home) -> None:
    li, before = acting(town, "li"), town.store.checkpoint()
    sql = "SELECT AVG(age) AS age FROM town.residents"
    estimate = opc.estimate(town, li, sql, GRANT, Decimal("0.5"))
    assert estimate.affordable
    assert estimate.cost.epsilon == Decimal("0.5")
    assert opc.explain(town, li, sql, GRANT).allowed
    assert not opc.explain(town, li, "SELECT SUM(id) FROM town.residents", GRANT).allowed
    assert town.store.checkpoint() == before
    assert town.hot.held_bytes() == 0, "no data was touched"
