"""Questions through the pipeline on a real instance: paid once, free again, never past the budget."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sandbox.audit.bundle import export_bundle
from sandbox.audit.unbundle import read_entries
from sandbox.audit.verify import verify_bundle
from sandbox.errors import ErrorCode, SandboxError
from sandbox.privacy.accountant import Odometer
from sandbox.privacy.loss import Account, AccountKind, Budget, Loss
from sandbox.query import inflight, pipeline
from sandbox.query.answer import Answer
from sandbox.query.execute import Executed
from sandbox.service import home as homes
from sandbox.service.home import Home
from sandbox.vault.engine import question_failed
from tests.query.instance import context, li, load, make, open_instance
from tests.query.world import GRANT

TEN = GRANT.replace("epsilon: 20", "epsilon: 10")
ACCOUNT = Account(AccountKind.GRANT_DATASET, "g/w", Budget(Decimal(10), Decimal("1e-5")))
UNITS = 400


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    make(folder, TEN, units=UNITS)
    return folder


@pytest.fixture
def home(prepared: Path, tmp_path: Path) -> Iterator[Home]:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    opened = open_instance(tmp_path)
    yield opened
    homes.close(opened)


def ask(home: Home, sql: str, epsilon: str = "1") -> Answer:
    return pipeline.ask(pipeline.Question(sql, "g", li(home), Decimal(epsilon)), context(home))


def spent(home: Home) -> Decimal:
    """What the grant has spent; shares are rounded down, so a question may cost a few 1e-12 less."""
    pure = home.ledger.state(ACCOUNT).pure
    assert pure is not None
    return round(pure, 9)


QUESTION = "SELECT grp AS g, COUNT(*) AS n, AVG(age) AS a FROM people WHERE age > 30 GROUP BY grp ORDER BY n"
SAME = [
    QUESTION,
    "select  GRP as g,\n count( * ) as n /* how many */, avg(AGE) as a from W.People"
    " where AGE > 30.0 group by 1 order by 2 -- so",
    "SELECT p.grp AS g, COUNT(*) AS n, AVG(p.age) AS a FROM people AS p"
    " WHERE (p.age > 3e1) GROUP BY p.grp ORDER BY n",
    'SELECT grp AS "Gruppe", COUNT(*) AS total, AVG(age) AS mean FROM people'
    " WHERE age > 30 GROUP BY grp ORDER BY total",
    "WITH x AS (SELECT * FROM people) SELECT x.grp AS g, COUNT(*) AS n, AVG(x.age) AS a FROM people AS x"
    " WHERE x.age > 30 GROUP BY ALL ORDER BY n",
]
OTHER = [
    "SELECT grp AS g, COUNT(*) AS n, AVG(age) AS a FROM people WHERE age > 31 GROUP BY grp ORDER BY n",
    "SELECT grp AS g, COUNT(*) AS n, AVG(age) AS a FROM people WHERE age >= 30 GROUP BY grp ORDER BY n",
    "SELECT grp AS g, COUNT(*) AS n, AVG(score) AS a FROM people WHERE age > 30 GROUP BY grp ORDER BY n",
    "SELECT grp AS g, COUNT(*) AS n, AVG(age) AS a FROM people WHERE age > 30 GROUP BY grp ORDER BY a",
    "SELECT grp AS g, AVG(age) AS a, COUNT(*) AS n FROM people WHERE age > 30 GROUP BY grp ORDER BY n",
]


def test_the_same_question_is_free_however_it_is_written(home: Home) -> None:
    first = ask(home, SAME[0])
    assert not first.repeated
    assert first.cost is not None
    assert first.table.column_names == ["g", "n", "a"]
    for sql in SAME:
        again = ask(home, sql)
        assert again.repeated
        assert again.cost is None
        assert again.question == first.question
        assert [c.to_pylist() for c in again.table.columns] == [c.to_pylist() for c in first.table.columns]
        assert [c.to_pylist() for c in again.errors.columns] == [c.to_pylist() for c in first.errors.columns]
    assert ask(home, SAME[3]).table.column_names == ["Gruppe", "total", "mean"]
    assert ask(home, SAME[3]).errors.column_names == ["total", "mean"]
    assert spent(home) == 1


def test_equal_questions_at_the_same_time_are_charged_once(home: Home) -> None:
    """All wait for the first, however they are written, and get its answer."""
    start, actor = context(home), li(home)
    begun, others = threading.Event(), threading.Event()
    execute = pipeline.execute

    def slowly(*args: Any) -> Executed:
        begun.set()
        assert others.wait(60)
        return execute(*args)

    def one(sql: str) -> Answer:
        return pipeline.ask(pipeline.Question(sql, "g", actor, Decimal(1)), start)

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(4) as pool:
        patch.setattr(pipeline, "execute", slowly)
        first = pool.submit(one, SAME[0])
        assert begun.wait(60)
        rest = [pool.submit(one, sql) for sql in SAME[1:4]]
        (key,) = inflight._turns
        while inflight.waiting(key) < 4:
            time.sleep(0.01)
        others.set()
        answers = [first.result(60), *(r.result(60) for r in rest)]
    assert [a.repeated for a in answers] == [False, True, True, True]
    assert len({str(a.table.to_pydict().values()) for a in answers}) == 1
    assert spent(home) == 1
    assert inflight.waiting(key) == 0


def test_who_waits_for_a_question_that_fails_is_charged_for_their_own(home: Home) -> None:
    start, actor = context(home), li(home)
    begun, others = threading.Event(), threading.Event()
    execute, calls = pipeline.execute, iter(range(9))

    def first_fails(*args: Any) -> Executed:
        if next(calls) == 0:
            begun.set()
            assert others.wait(60)
            raise question_failed()
        return execute(*args)

    def one() -> Answer:
        return pipeline.ask(pipeline.Question(QUESTION, "g", actor, Decimal(1)), start)

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setattr(pipeline, "execute", first_fails)
        first = pool.submit(one)
        assert begun.wait(60)
        second = pool.submit(one)
        (key,) = inflight._turns
        while inflight.waiting(key) < 2:
            time.sleep(0.01)
        others.set()
        with pytest.raises(SandboxError):
            first.result(60)
        assert not second.result(60).repeated
    assert spent(home) == 2


def test_another_question_is_charged(home: Home) -> None:
    for i, sql in enumerate(OTHER[:-1]):
        assert not ask(home, sql, "0.5").repeated
        assert spent(home) == Decimal("0.5") * (i + 1)
    paid = spent(home)
    assert ask(home, OTHER[-1], "0.5").derived, "the same groups and numbers as the one before"
    assert spent(home) == paid


def test_more_epsilon_is_charged_and_less_is_free(home: Home) -> None:
    first = ask(home, QUESTION, "1")
    better = ask(home, QUESTION, "2")
    assert not better.repeated
    assert spent(home) == 3
    for epsilon in ("0.1", "1", "2"):
        again = ask(home, QUESTION, epsilon)
        assert again.repeated
        assert again.question == better.question != first.question
        assert again.errors.equals(better.errors)
    assert spent(home) == 3


def test_a_new_version_of_the_data_is_another_question_and_no_new_budget(home: Home, tmp_path: Path) -> None:
    ask(home, QUESTION)
    load(home, tmp_path, UNITS)
    assert not ask(home, QUESTION).repeated
    assert spent(home) == 2
    assert ask(home, QUESTION).repeated


def test_the_log_replays_to_what_the_ledger_says_also_after_a_restart(home: Home, tmp_path: Path) -> None:
    """Pure, Gaussian, with a threshold, failed: every charge is in the log and adds up to the accounts."""
    ask(home, QUESTION, "0.5")
    ask(home, QUESTION, "0.5")
    ask(home, "SELECT place, COUNT(*) AS n FROM visits GROUP BY place", "0.25")

    def fail(*_: object) -> Executed:
        raise question_failed()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "execute", fail)
        with pytest.raises(SandboxError):
            ask(home, OTHER[0], "0.25")
    many = ", ".join(f"COUNT_IF(age > {i}) AS s{i}" for i in range(60))
    ask(home, f"SELECT {many} FROM people", "3")
    homes.close(home)
    again = open_instance(tmp_path)
    try:
        export_bundle(again.store, tmp_path / "log")
        assert verify_bundle(tmp_path / "log").exit_code == 0
        size = int((tmp_path / "log" / "checkpoint").read_text().splitlines()[1])
        replayed: dict[str, Odometer] = {}
        for leaf in read_entries(tmp_path / "log", size):
            entry = json.loads(leaf)
            if entry["kind"] != "question.intended":
                continue
            lost = entry["facts"]["loss"]
            pure = None if lost["epsilon"] is None else Decimal(lost["epsilon"])
            loss = Loss(pure, Decimal(lost["rho"]), Decimal(lost["delta"]))
            for account in entry["facts"]["accounts"]:
                replayed[account["id"]] = replayed.get(account["id"], Odometer()).after(loss)
        assert len(replayed) == 3
        for identity, odometer in replayed.items():
            kind, _, key = identity.partition(":")
            account_of = Account(AccountKind(kind), key, Budget(Decimal(1), Decimal(0)))
            assert again.ledger.state(account_of) == odometer
        assert replayed["grant-dataset:g/w"].pure is None, "one of them was Gaussian"
    finally:
        homes.close(again)


def test_what_was_answered_is_close_to_the_truth(home: Home) -> None:
    table = ask(
        home, "SELECT COUNT(*) AS n, AVG(age) AS a, SUM(days) AS d FROM people JOIN visits ON id = pid", "5"
    ).table
    row = table.to_pylist()[0]
    assert abs(row["n"] - 2 * UNITS) < 100
    assert abs(row["a"] - 49.5) < 5


def test_a_hundred_different_questions_on_a_budget_for_ten(home: Home, tmp_path: Path) -> None:
    start = context(home)
    actor = li(home)

    def one(i: int) -> str:
        sql = f"SELECT COUNT(*) AS n FROM people WHERE age <> {i}"
        try:
            return (
                "repeated"
                if pipeline.ask(pipeline.Question(sql, "g", actor, Decimal(1)), start).repeated
                else "paid"
            )
        except SandboxError as refused:
            return refused.code.value

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(one, range(100)))
    assert sorted(set(outcomes)) == ["budget-exceeded", "paid"]
    assert outcomes.count("paid") == 10
    assert spent(home) == 10
    export_bundle(home.store, tmp_path / "log")
    assert verify_bundle(tmp_path / "log").exit_code == 0


@pytest.mark.parametrize("step", ["execute", "noise", "post_process"])
def test_a_question_that_fails_stays_paid_and_says_one_thing(
    home: Home, tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Executed:
        raise question_failed(MemoryError("row 7 of Li"))

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, step, fail)
        with pytest.raises(SandboxError) as failed:
            ask(home, QUESTION)
    assert failed.value.code is ErrorCode.QUESTION_FAILED
    assert "Li" not in str(failed.value)
    assert spent(home) == 1
    assert home.ledger.open_intents() == ()
    assert not ask(home, QUESTION).repeated
    assert spent(home) == 2
    export_bundle(home.store, tmp_path / "log")
    assert verify_bundle(tmp_path / "log").exit_code == 0


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT COUNT(* FROM people", "sql-syntax"),
        ("SELECT * FROM people", "raw-rows"),
        ("SELECT COUNT(*) > 'x' AS x FROM people", "sql-type"),
        ("SELECT SUM(filter_only) AS s FROM people", "column-use"),
    ],
)
def test_what_is_refused_costs_nothing_and_ask_and_estimate_agree(home: Home, sql: str, code: str) -> None:
    said = []
    for way in (pipeline.ask, pipeline.estimate):
        with pytest.raises(SandboxError) as refused:
            way(pipeline.Question(sql, "g", li(home), Decimal(1)), context(home))
        said.append(str(refused.value))
        assert refused.value.code == code
    assert said[0] == said[1]
    assert spent(home) == 0


@pytest.mark.parametrize(("subqueries", "operators"), [(4, 35), (12, 20), (100, 1)])
def test_what_nests_too_deeply_is_refused(home: Home, subqueries: int, operators: int) -> None:
    """Each expression is short; written out in one another they are deeper than any step could follow."""
    value = f"{'(' * operators}x{' + 1)' * operators}"
    ctes = ["t0 AS (SELECT SUM(age) AS x FROM w.people)"]
    ctes += [f"t{i + 1} AS (SELECT {value} AS x FROM t{i})" for i in range(subqueries)]
    before = spent(home)
    with pytest.raises(SandboxError) as refused:
        ask(home, f"WITH {', '.join(ctes)} SELECT x FROM t{subqueries}")
    assert refused.value.code is ErrorCode.SQL_TOO_LARGE
    assert spent(home) == before


def test_an_estimate_spends_nothing_and_foretells_the_answer(home: Home) -> None:
    question = pipeline.Question(QUESTION, "g", li(home), Decimal(1))
    estimate = pipeline.estimate(question, context(home))
    assert spent(home) == 0
    answer = pipeline.ask(question, context(home))
    assert answer.cost == estimate.cost
    assert [c.name for c in answer.columns] == [c.name for c in estimate.columns]
    assert [c.half_width for c in answer.columns] == [c.half_width for c in estimate.columns]
    assert answer.errors.column("n").to_pylist()[0] == answer.columns[1].half_width
    assert answer.notes == estimate.notes


def test_open_tables_are_exact_free_and_logged(home: Home) -> None:
    answer = ask(home, "SELECT city, size * 2 AS twice FROM regions ORDER BY city")
    assert answer.table.to_pylist() == [{"city": "oslo", "twice": 6}, {"city": "rome", "twice": 10}]
    assert answer.cost is None
    assert not any(c.noisy for c in answer.columns)
    assert answer.errors.num_columns == 0
    assert spent(home) == 0
    assert "question.open" in repr(list(home.store.entries())[-1])
    assert ask(home, "SELECT 1 AS one").table.to_pylist() == [{"one": 1}]


def test_an_answer_carries_a_receipt_and_who_decided(home: Home) -> None:
    answer = ask(home, QUESTION)
    assert answer.receipt
    assert any(d.startswith("w@sha256:") for d in answer.decided_by)
    assert any(d.startswith("grant g@sha256:") for d in answer.decided_by)
    assert answer.attribution == ("World: tests. CC0-1.0",)
