"""The replay of the rules: what the ledger grants passes, what it must refuse is named."""

from __future__ import annotations

import json
import math
import struct
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.audit.bundle import export_bundle
from sandbox.audit.event import Event, EventKind
from sandbox.audit.rules import ACCOUNT_KINDS, KINDS, replay, zcdp_delta
from sandbox.audit.store import Store
from sandbox.audit.verify import Report, verify_bundle
from sandbox.privacy.accountant import Odometer, rho_to_epsilon, within
from sandbox.privacy.loss import AccountKind, Budget, Loss, spend_epsilon
from tests.audit.acts import LI, WANG, accounts, forge, intended, log, loss, published, refused, settled


def verified(store: Store, folder: Path) -> Report:
    export_bundle(store, folder)
    return verify_bundle(folder, str(store.key))


def broken(store: Store, folder: Path, *events: Event) -> list[str]:
    log(store, *events)
    report = verified(store, folder)
    assert report.exit_code == (3 if report.findings else 0)
    return [f"{finding.where}: {finding.what}" for finding in report.findings]


def leaf(index: int, kind: str, **facts: Any) -> bytes:
    actor = {"id": "li", "organisation": "o", "roles": ["opc"], "via": "api"}
    content: dict[str, Any] = {"v": 1, "seq": index, "time": "2026-01-01T00:00:00Z", "nonce": "00" * 16}
    return rfc8785.dumps({**content, "kind": kind, "actor": actor, "facts": facts})


def test_the_verifier_knows_every_kind() -> None:
    """It may not import the writer's list, so the two lists are compared here: change both."""
    assert {kind.value for kind in EventKind} == KINDS
    assert {kind.value for kind in AccountKind} == ACCOUNT_KINDS


def test_an_ordinary_day(store: Store, tmp_path: Path) -> None:
    repeated = {"question": "q1", "grant": "g", "answer_digest": "aa"}
    free = {"question": "o", "grant": "g", "datasets": ["nafld"], "shape": "SELECT 1", "decided_by": []}
    log(
        store,
        Event(EventKind.HOME_CREATED, WANG, {"format": 1, "log_key": str(store.key)}),
        published('企业\U0001f600\ue000\x07"\\'),
        refused(secret="SELECT * FROM t"),
        intended("q1", secret="SELECT COUNT(*) FROM t"),
        settled("q1"),
        Event(EventKind.QUESTION_REPEATED, LI, repeated),
        Event(EventKind.QUESTION_OPEN, LI, free),
        intended("q2"),
    )
    report = verified(store, tmp_path / "bundle")
    assert report.findings == []
    assert ["without an outcome: 1" in remark for remark in report.remarks] == [True]


def test_orders_that_may_not_be(store: Store, tmp_path: Path) -> None:
    assert broken(
        store,
        tmp_path / "bundle",
        settled("q0"),
        intended("q1"),
        intended("q1"),
        settled("q1"),
        settled("q1"),
        Event(EventKind.QUESTION_REPEATED, LI, {"question": "q1", "grant": "g", "answer_digest": "bb"}),
        Event(EventKind.QUESTION_REFUSED, LI, {"grant": "g"}),
    ) == [
        "entry 0: the entry settles question q0, which was never intended",
        "entry 2: the entry asks question q1 a second time",
        "entry 4: the entry settles question q1 a second time",
        "entry 5: the entry repeats an answer that was never settled, so never paid for",
        "entry 6: the entry lacks the text code",
    ]


def test_a_pure_budget_to_its_last_step_and_beyond(store: Store, tmp_path: Path) -> None:
    limits = accounts("1", "0")
    pure = loss("0.5", "0.125")
    fits = [intended(f"q{n}", loss=pure, accounts=limits) for n in range(2)]
    over = intended("q2", loss=loss("0.000000000001", "0.000000000001"), accounts=limits)
    assert broken(store, tmp_path / "a", *fits) == []
    assert broken(store, tmp_path / "b", over) == [
        f"entry 2: the entry takes the account {name} beyond its budget"
        for name in ("grant-dataset:g/nafld", "project-unit:p/patient", "dataset:nafld")
    ]


def test_one_account_among_three_is_over(store: Store, tmp_path: Path) -> None:
    limits = accounts("1", "0")
    limits[1] = {"id": "project-unit:p/patient", "epsilon": "0.05", "delta": "0"}
    found = broken(store, tmp_path / "a", intended("q", accounts=limits))
    assert found == ["entry 0: the entry takes the account project-unit:p/patient beyond its budget"]


def test_an_account_named_twice_is_charged_once_and_keeps_both_limits(store: Store, tmp_path: Path) -> None:
    limits = accounts("0.1", "0")
    assert broken(store, tmp_path / "a", intended("q", accounts=[*limits, limits[1]])) == []
    tight = {"id": "project-unit:p/patient", "epsilon": "0.19", "delta": "0"}
    found = broken(store, tmp_path / "b", intended("r", accounts=[*accounts("1", "0"), tight]))
    assert found == ["entry 1: the entry takes the account project-unit:p/patient beyond its budget"]


def test_a_gaussian_ends_the_pure_sum(store: Store, tmp_path: Path) -> None:
    limits = accounts("1", "1e-6")
    gaussian = intended("q0", loss=loss(None, "0.0001"), accounts=limits)
    large = intended("q1", loss=loss("0.9", "0.405"), accounts=limits)
    assert broken(store, tmp_path / "a", large) == []
    assert len(broken(store, tmp_path / "b", gaussian)) == 3


def test_many_small_questions_live_on_the_other_sum(store: Store, tmp_path: Path) -> None:
    """A hundred questions at 0.02: 2.0 by the pure sum, 0.98 by the zCDP sum at delta 1e-6."""
    small = loss("0.02", "0.0002")
    questions = [intended(f"q{n}", loss=small, accounts=accounts("1", "1e-6")) for n in range(100)]
    assert broken(store, tmp_path / "a", *questions) == []
    more = [intended(f"r{n}", loss=small, accounts=accounts("1", "1e-6")) for n in range(15)]
    assert broken(store, tmp_path / "b", *more) != []


def test_the_delta_of_selection_has_half(store: Store, tmp_path: Path) -> None:
    half = intended("q0", loss=loss("0.1", "0.005", "5e-7"), accounts=accounts("1", "1e-6"))
    more = intended("q1", loss=loss("0.1", "0.005", "1e-18"), accounts=accounts("1", "1e-6"))
    assert broken(store, tmp_path / "a", half) == []
    assert len(broken(store, tmp_path / "b", more)) == 3


@pytest.mark.parametrize(
    ("facts", "what"),
    [
        ({"accounts": []}, "charges no account of kind dataset, grant-dataset, project-unit"),
        ({"accounts": accounts()[:2]}, "charges no account of kind dataset"),
        (
            {"accounts": [*accounts(), {"id": "mine:x", "epsilon": "9", "delta": "0"}]},
            "charges the account mine:x of an unknown kind",
        ),
        ({"accounts": None}, "intends a question without a loss or without accounts"),
        ({"accounts": ["x"]}, "lacks the text id"),
        ({"accounts": accounts("-1")}, "has no amount as epsilon"),
        ({"accounts": accounts("Infinity")}, "has no amount as epsilon"),
        ({"loss": None}, "intends a question without a loss or without accounts"),
        ({"loss": {"epsilon": None, "rho": "0"}}, "lacks the text delta"),
        ({"loss": loss("-0.1")}, "has no amount as epsilon"),
        ({"loss": loss("NaN")}, "has no amount as epsilon"),
        ({"loss": loss("1e999999999")}, "has no amount as epsilon"),
        ({"loss": loss("٣")}, "has no amount as epsilon"),
        ({"loss": loss("0.5", "0")}, "claims noise that loses nothing"),
        ({"loss": loss(None, "0")}, "claims noise that loses nothing"),
        ({"question": 7}, "lacks the text question"),
    ],
)
def test_intents_that_say_nonsense(store: Store, tmp_path: Path, facts: dict[str, Any], what: str) -> None:
    assert broken(
        store, tmp_path / "a", intended("q", **facts) if "question" not in facts else _unnamed()
    ) == [f"entry 0: the entry {what}"]


def _unnamed() -> Event:
    return Event(EventKind.QUESTION_INTENDED, LI, {**intended("q").facts, "question": 7})


def test_leaves_that_no_honest_log_holds(tmp_path: Path, key: Ed25519PrivateKey) -> None:
    fine = leaf(0, "log.read")
    content = json.loads(fine)
    cases = {
        "of the unknown kind 'x'": leaf(0, "x"),
        "says that it is entry 1": leaf(1, "log.read"),
        "says that it is entry False": fine.replace(b'"seq":0', b'"seq":false'),
        "not canonical": fine.replace(b":", b": ", 1),
        "not canonical, ": json.dumps(content, sort_keys=True, separators=(",", ":"))
        .replace("li", "\\u006ci")
        .encode(),
        "not canonical,  ": fine[:-1] + b',"v":1}',
        "not JSON": b"{",
        "not JSON, ": b"\xff",
        "not JSON,  ": b"[" * 60_000,
        "not JSON,   ": fine.replace(b'"v":1', b'"v":1.0'),
        "not JSON,    ": fine.replace(b'"v":1', b'"v":NaN'),
        "not JSON,     ": fine.replace(b'"v":1', b'"v":' + b"9" * 5000),
        "version": fine.replace(b'"v":1', b'"v":2'),
        "version, ": fine.replace(b'"v":1', b'"v":true'),
        "fields": b"{}",
        "fields, ": b"[]",
        "fields,  ": b"null",
        "fields,   ": rfc8785.dumps({**content, "more": 1}),
        "fields,    ": rfc8785.dumps({**content, "kind": None}),
        "fields,     ": rfc8785.dumps({**content, "time": "2026-01-01T00:00:00.123Z"}),
    }
    for number, (what, bytes_) in enumerate(cases.items()):
        bundle = forge(tmp_path / str(number), [bytes_], key)
        report = verify_bundle(bundle)
        assert (what, report.exit_code) == (what, 3)
        assert what.rstrip(" ,") in report.findings[0].what
    assert verify_bundle(forge(tmp_path / "fine", [fine], key)).exit_code == 0


amounts = st.decimals(min_value="0.000001", max_value=3, places=12)
deltas = st.sampled_from([Decimal("0"), Decimal("1e-8"), Decimal("3e-8"), Decimal("2e-7")])
losses = st.builds(
    lambda epsilon, pure, delta: Loss(epsilon if pure else None, spend_epsilon(epsilon * epsilon / 2), delta),
    amounts,
    st.booleans(),
    deltas,
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(losses, min_size=1, max_size=6),
    st.decimals(min_value="0.01", max_value=8, places=3),
    st.sampled_from([Decimal("0"), Decimal("1e-7"), Decimal("1e-6"), Decimal("1e-5"), Decimal("3e-18")]),
)
def test_replay_and_ledger_agree(asked: list[Loss], epsilon: Decimal, delta: Decimal) -> None:
    """Two programs by two hands: the ledger's accountant decides, the replay agrees with every decision."""
    odometer, leaves = Odometer(), list[bytes]()
    limits = accounts(str(epsilon), str(delta))
    for number, one in enumerate(asked):
        after = odometer.after(one)
        granted = within(after, Budget(epsilon, delta))
        said = {
            "epsilon": None if one.epsilon is None else str(one.epsilon),
            "rho": str(one.rho),
            "delta": str(one.delta),
        }
        ask = leaf(len(leaves), "question.intended", question=f"q{number}", loss=said, accounts=limits)
        agreed = not replay([*leaves, ask]).broken
        if agreed != granted:
            # A sum within a step of the limit: the ledger rounds up, the replay allows its tolerance.
            nudged = Budget(epsilon * (1 + Decimal("1e-8")), delta * (1 + Decimal("1e-8")))
            assert agreed
            assert within(after, nudged)
        if granted:
            odometer, leaves = after, [*leaves, ask]
    assert not replay(leaves).broken


@settings(max_examples=300, deadline=None)
@given(st.floats(1e-12, 50), st.sampled_from(["1e-12", "5e-8", "5e-7", "1e-3", "0.4"]))
def test_the_conversion_agrees_with_the_accountant(rho: float, delta: str) -> None:
    """The accountant's epsilon at a delta, turned back here, gives that delta."""
    exact = Decimal(rho).quantize(Decimal("1e-12"))
    epsilon = float(rho_to_epsilon(exact, Decimal(delta)))
    if exact and epsilon > 1e-9:
        back = zcdp_delta(float(exact), epsilon)
        assert back <= float(delta) * (1 + 1e-6)
        assert zcdp_delta(float(exact), epsilon * (1 - 1e-3) - 1e-11) > back


def test_the_conversion_against_known_values() -> None:
    """Never above Bun & Steinke's bound (2016, Prop. 1.3), never below the Gaussian's own delta."""
    assert zcdp_delta(0, 0) == 0
    assert zcdp_delta(1e9, 1) == 1
    for rho in (1e-6, 0.01, 0.125, 0.5, 2.0):
        sigma = 1 / math.sqrt(2 * rho)
        for delta in (1e-9, 1e-6, 1e-3):
            epsilon = rho + 2 * math.sqrt(rho * math.log(1 / delta))
            found = zcdp_delta(rho, epsilon)
            gaussian = _phi(1 / (2 * sigma) - epsilon * sigma) - math.exp(epsilon) * _phi(
                -1 / (2 * sigma) - epsilon * sigma
            )
            assert gaussian <= found <= delta


def _phi(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2


def test_an_entry_at_its_largest(store: Store, tmp_path: Path) -> None:
    room = 65_535 - len(next(_leaves(store, refused(code="x")))) + 1
    assert broken(store, tmp_path / "a", refused(code="x" * room)) == []
    assert struct.pack(">H", 65_535) in (tmp_path / "a/tile/entries/000.p/2").read_bytes()


def _leaves(store: Store, event: Event) -> Any:
    log(store, event)
    return (entry.leaf for entry in store.entries())
