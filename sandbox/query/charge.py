"""Step 7, charge: reserve the budget and log the intent, in one transaction, before data is touched."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.audit.event import Event, EventKind, Fact
from sandbox.identity import Actor
from sandbox.privacy.ledger import Ledger, Reservation
from sandbox.query.price import Priced
from sandbox.query.rewrite import Rewritten
from sandbox.query.shape import shape


@dataclass(frozen=True, slots=True)
class Charged:
    """A question that is paid for. From here on nothing is refunded."""

    priced: Priced
    question: str
    reservation: Reservation


def new_question() -> str:
    """A fresh question id."""
    return f"q-{uuid.uuid4().hex}"


def charge(priced: Priced, actor: Actor, ledger: Ledger, estimates: str = "") -> Charged:
    """Reserve on every account, or on none.

    Args:
        priced: the question.
        actor: who asks.
        ledger: of the home.
        estimates: the column whose bounds a steward asks for; the log says so.

    Raises:
        SandboxError: `budget-exceeded`; nothing was charged then.

    """
    question = new_question()
    resolved = priced.rewritten.analyzed.authorized.resolved
    loss = priced.loss
    facts: Mapping[str, Fact] = {
        **question_facts(priced.rewritten, question),
        "epsilon": f"{priced.epsilon:f}",
        "loss": {
            "epsilon": None if loss.epsilon is None else f"{loss.epsilon:f}",
            "rho": f"{loss.rho:f}",
            "delta": f"{loss.delta:f}",
        },
        "accounts": [
            {"id": a.id, "epsilon": f"{a.limit.epsilon:f}", "delta": f"{a.limit.delta:f}"}
            for a in priced.accounts
        ],
    }
    if estimates:
        facts = {**facts, "estimates": estimates}
    event = Event(EventKind.QUESTION_INTENDED, actor, facts, secret=resolved.parsed.sql)
    return Charged(priced, question, ledger.reserve(question, priced.accounts, loss, event))


def question_facts(rewritten: Rewritten, question: str) -> dict[str, Fact]:
    """What the log says of every question that is answered."""
    authorized = rewritten.analyzed.authorized
    return {
        "question": question,
        "grant": authorized.admitted.grant.grant,
        "datasets": sorted(
            {authorized.resolved.visible.datasets[k[0]].dataset for k in rewritten.analyzed.tables}
        ),
        "shape": shape(authorized.resolved.parsed, authorized.admitted.published),
        "decided_by": list(authorized.decision.decided_by),
    }
