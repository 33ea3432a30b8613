"""The ledger on the real store: all or none, never refunded, never overspent."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.audit.store import Store
from sandbox.errors import ErrorCode, SandboxError
from sandbox.privacy.accountant import Odometer, pure_to_rho, within
from sandbox.privacy.ledger import Intent, Ledger, accounts_table, charged_table, charges_table
from sandbox.privacy.loss import AccountKind, Loss
from tests.privacy.ledgers import account, create, intended, pure, reopen, settled


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = create(tmp_path / "store.db")
    yield made
    made.close()


@pytest.fixture
def ledger(store: Store) -> Ledger:
    return Ledger(store)


GRANT = account("g/d", "1")
PROJECT = account("p/patient", "2", kind=AccountKind.PROJECT_UNIT)
DATASET = account("d", "20", "1e-5", kind=AccountKind.DATASET)
ALL = (GRANT, PROJECT, DATASET)


def log_size(store: Store) -> int:
    return sum(1 for _ in store.entries())


def refused(ledger: Ledger, *arguments: object) -> SandboxError:
    with pytest.raises(SandboxError) as caught:
        ledger.reserve(*arguments)  # type: ignore[arg-type]
    assert caught.value.code is ErrorCode.BUDGET_EXCEEDED
    return caught.value


def test_a_reservation_charges_every_account_and_logs_the_intent(store: Store, ledger: Ledger) -> None:
    reservation = ledger.reserve("q1", ALL, pure("0.25"), intended("q1"))
    for one in ALL:
        assert ledger.state(one) == Odometer(Decimal("0.25"), Decimal("0.03125"), Decimal(0))
    entries = list(store.entries())
    assert reservation.leaf == len(entries) - 1
    assert ledger.open_intents() == (
        Intent("q1", tuple(sorted(a.id for a in ALL)), pure("0.25"), reservation.leaf),
    )


def test_settling_refunds_nothing(ledger: Ledger) -> None:
    ledger.reserve("q1", ALL, pure("0.5"), intended("q1"))
    ledger.reserve("q2", ALL, pure("0.25"), intended("q2"))
    ledger.settle("q1", "failed", settled("q1", "failed"))
    ledger.settle("q2", "answered", settled("q2"))
    assert ledger.open_intents() == ()
    assert ledger.state(GRANT).pure == Decimal("0.75")


def test_a_refusal_charges_no_account_and_leaves_no_trace(store: Store, ledger: Ledger) -> None:
    ledger.reserve("q1", ALL, pure("0.9"), intended("q1"))
    size = log_size(store)
    error = refused(ledger, "q2", (DATASET, PROJECT, GRANT), pure("0.2"), intended("q2"))
    assert "g/d" in error.message
    assert "0.9 of 1" in error.message
    assert "1.1" in error.message
    assert "up to 0.1 " in error.hint
    assert log_size(store) == size
    for one in ALL:
        assert ledger.state(one).pure == Decimal("0.9")
    assert [i.question for i in ledger.open_intents()] == ["q1"]
    ledger.reserve("q2", ALL, pure("0.1"), intended("q2"))


def test_exactly_the_limit_passes_and_one_step_more_does_not(ledger: Ledger) -> None:
    ledger.reserve("q1", [GRANT], pure("0.999999999999"), intended("q1"))
    refused(ledger, "q2", [GRANT], pure("0.000000000002"), intended("q2"))
    ledger.reserve("q2", [GRANT], pure("0.000000000001"), intended("q2"))
    error = refused(ledger, "q3", [GRANT], pure("0.000000000001"), intended("q3"))
    assert "steward" in error.hint


def test_a_lowered_limit_counts_at_once_and_a_new_one_never_resets(ledger: Ledger) -> None:
    ledger.reserve("q1", [account("g/d", "2")], pure("1"), intended("q1"))
    refused(ledger, "q2", [account("g/d", "1")], pure("0.1"), intended("q2"))
    refused(ledger, "q2", [account("g/d", "0.5")], pure("0.000000000001"), intended("q2"))
    ledger.reserve("q2", [account("g/d", "1.5")], pure("0.5"), intended("q2"))
    assert ledger.state(account("g/d", "99")).pure == Decimal("1.5")


def test_selection_is_refused_by_name_when_its_half_is_spent(ledger: Ledger) -> None:
    small = account("g/d", "10", "1e-6")
    loss = Loss(Decimal("0.1"), pure_to_rho(Decimal("0.1")), Decimal("4e-7"))
    ledger.reserve("q1", [small], loss, intended("q1"))
    error = refused(ledger, "q2", [small], loss, intended("q2"))
    assert "4e-7 is spent" in error.message
    assert "5e-7" in error.message
    ledger.reserve("q2", [small], pure("0.1"), intended("q2"))


def test_gaussian_without_delta_is_refused(ledger: Ledger) -> None:
    error = refused(ledger, "q1", [GRANT], Loss(None, Decimal("0.001"), Decimal(0)), intended("q1"))
    assert "without limit" in error.message


def test_an_estimate_names_the_first_account_without_room_and_charges_nothing(ledger: Ledger) -> None:
    assert ledger.would_accept(ALL, pure("1")) is None
    assert ledger.would_accept(ALL, pure("1.5")) == GRANT
    assert ledger.would_accept((DATASET, PROJECT), pure("2.5")) == PROJECT
    assert ledger.state(GRANT) == Odometer()


def test_an_account_named_twice_is_charged_once_and_keeps_both_limits(ledger: Ledger) -> None:
    ledger.reserve("q1", [GRANT, GRANT], pure("0.6"), intended("q1"))
    assert ledger.state(GRANT).pure == Decimal("0.6")
    refused(ledger, "q2", [account("g/d", "9"), account("g/d", "1")], pure("0.6"), intended("q2"))


def test_wrong_use_is_an_error_and_changes_nothing(store: Store, ledger: Ledger) -> None:
    ledger.reserve("q1", ALL, pure("0.1"), intended("q1"))
    size = log_size(store)
    with pytest.raises(ValueError, match="without an account"):
        ledger.reserve("q2", [], pure("0.1"), intended("q2"))
    with pytest.raises(ValueError, match="reserved before"):
        ledger.reserve("q1", ALL, pure("0.1"), intended("q1"))
    with pytest.raises(ValueError, match="not open"):
        ledger.settle("q9", "answered", settled("q9"))
    ledger.settle("q1", "answered", settled("q1"))
    with pytest.raises(ValueError, match="not open"):
        ledger.settle("q1", "failed", settled("q1", "failed"))
    assert log_size(store) == size + 1
    assert ledger.state(GRANT).pure == Decimal("0.1")


def test_what_is_done_with_a_settlement_stands_or_falls_with_it(store: Store, ledger: Ledger) -> None:
    ledger.reserve("q1", ALL, pure("0.1"), intended("q1"))
    size = log_size(store)

    def fail(connection: sa.Connection) -> None:
        connection.execute(accounts_table.update().values(rho=0))
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        ledger.settle("q1", "answered", settled("q1"), fail)
    assert log_size(store) == size
    assert ledger.state(GRANT).rho == Decimal("0.005")
    assert len(ledger.open_intents()) == 1


def test_amounts_are_kept_exactly(store: Store, ledger: Ledger) -> None:
    wide = account("g/d", "1000", "0.5")
    loss = Loss(Decimal("999.999999999999"), Decimal("499999.999999999999"), Decimal("0.123456789012345678"))
    ledger.reserve("q1", [wide], loss, intended("q1"))
    assert ledger.state(wide) == Odometer(loss.epsilon, loss.rho, loss.delta)
    with store.read() as connection:
        types = connection.exec_driver_sql(
            "SELECT DISTINCT typeof(pure), typeof(rho), typeof(delta) FROM privacy_account"
        )
        assert types.all() == [("integer", "integer", "integer")]


amounts = st.decimals("0.000000000001", "0.4", places=12)


@settings(max_examples=12, deadline=None)
@given(
    st.lists(
        st.tuples(amounts, st.booleans(), st.integers(0, 3), st.sets(st.integers(0, 2), min_size=1)),
        max_size=12,
    )
)
def test_the_ledger_is_the_filter(
    tmp_path_factory: pytest.TempPathFactory, questions: list[tuple[Decimal, bool, int, set[int]]]
) -> None:
    store = create(tmp_path_factory.mktemp("ledger") / "store.db")
    ledger = Ledger(store)
    accounts = [account("a", "1"), account("b", "0.5", "1e-6"), account("c", "2", "1e-5")]
    model = {a.id: Odometer() for a in accounts}
    for n, (amount, is_pure, names, chosen) in enumerate(questions):
        loss = Loss(amount if is_pure else None, pure_to_rho(amount), Decimal(names).scaleb(-7))
        asked = [accounts[i] for i in sorted(chosen)]
        refusing = [a for a in asked if not within(model[a.id].after(loss), a.limit)]
        assert ledger.would_accept(asked, loss) == (refusing[0] if refusing else None)
        if refusing:
            refused(ledger, f"q{n}", asked, loss, intended(f"q{n}"))
        else:
            ledger.reserve(f"q{n}", asked, loss, intended(f"q{n}"))
            model |= {a.id: model[a.id].after(loss) for a in asked}
        assert {a.id: ledger.state(a) for a in accounts} == model
    store.close()


def spent_is_what_was_charged(store: Store) -> int:
    """Check every account against its charges; the number of charges."""
    with store.read() as connection:
        for row in connection.execute(sa.select(accounts_table)).all():
            charges = connection.execute(
                sa.select(charges_table)
                .join(charged_table, charged_table.c.question == charges_table.c.question)
                .where(charged_table.c.account == row.id)
            ).all()
            assert row.rho == sum(c.rho for c in charges)
            assert row.delta == sum(c.delta for c in charges)
            assert row.pure == (
                None if any(c.pure is None for c in charges) else sum(c.pure for c in charges)
            )
        return len(connection.execute(sa.select(charges_table)).all())


def test_a_hundred_threads_and_room_for_ten(store: Store, ledger: Ledger) -> None:
    outcomes: list[bool] = []
    ready = threading.Barrier(20)

    def ask(worker: int) -> None:
        ready.wait()
        for n in range(5):
            question = f"q{worker}-{n}"
            try:
                ledger.reserve(question, ALL, pure("0.1"), intended(question))
                outcomes.append(True)
            except SandboxError as error:
                assert error.code is ErrorCode.BUDGET_EXCEEDED  # noqa: PT017
                outcomes.append(False)

    threads = [threading.Thread(target=ask, args=(w,)) for w in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 100
    assert sum(outcomes) == 10
    assert ledger.state(GRANT).pure == Decimal(1)
    assert spent_is_what_was_charged(store) == 10
    assert log_size(store) == 10


def _ask(path: Path, worker: int, passed: multiprocessing.Queue[int]) -> None:
    store = reopen(path)
    ledger = Ledger(store)
    count = 0
    for n in range(25):
        question = f"q{worker}-{n}"
        try:
            ledger.reserve(question, ALL, pure("0.1"), intended(question))
        except SandboxError as error:
            assert error.code is ErrorCode.BUDGET_EXCEEDED  # noqa: PT017
        else:
            count += 1
    store.close()
    passed.put(count)


def test_four_processes_a_hundred_questions_and_room_for_ten(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    create(path).close()
    context = multiprocessing.get_context("fork")
    passed = context.Queue()
    workers = [context.Process(target=_ask, args=(path, w, passed)) for w in range(4)]
    for worker in workers:
        worker.start()
    counts = [passed.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert sum(counts) == 10
    store = reopen(path)
    assert Ledger(store).state(GRANT).pure == Decimal(1)
    assert spent_is_what_was_charged(store) == 10
    assert log_size(store) == 10
    store.close()
