"""Step 11, settle: the outcome and the stored answer in one transaction; nothing is refunded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from sandbox.audit.event import Event, EventKind, Fact
from sandbox.audit.store import Store
from sandbox.identity import Actor
from sandbox.privacy.ledger import Ledger
from sandbox.query.charge import Charged
from sandbox.query.derived import Base, kept_cells, save_cells
from sandbox.query.noise import Noised
from sandbox.query.postprocess import Processed, joined
from sandbox.query.stored import encode, line_of, paid_answer, save


@dataclass(frozen=True, slots=True)
class Settled:
    """An answered question, and the receipt of its settlement in the log."""

    charged: Charged
    processed: Processed
    receipt: Mapping[str, Any]


def settle(
    charged: Charged,
    processed: Processed,
    noised: Noised,
    keys: tuple[str, Base | None],
    actor: Actor,
    ledger: Ledger,
    store: Store,
) -> Settled:
    """Log the outcome; keep the answer under its key, and its cells under that of what follows from them."""
    resolved = charged.priced.rewritten.analyzed.authorized.resolved
    body = encode(joined(processed, resolved.output))
    answer = paid_answer(charged.question, keys[0], charged.priced, body)
    cells = kept_cells(store, charged.question, keys[1], noised)
    facts: dict[str, Fact] = {
        "question": charged.question,
        "outcome": "answered",
        "answer_digest": answer.digest,
        "line": line_of(store, answer),
    }
    if cells is not None:
        facts["cells"] = cells.line(store)
    event = Event(EventKind.QUESTION_SETTLED, actor, facts)

    def keep(connection: sa.Connection) -> None:
        save(connection, answer)
        if cells is not None:
            save_cells(connection, cells)

    settlement = ledger.settle(charged.question, "answered", event, also=keep)
    return Settled(charged, processed, settlement.receipt)


def fail(charged: Charged, actor: Actor, ledger: Ledger) -> None:
    """Log that a charged question could not be answered. It stays charged (invariant I-3)."""
    facts = {"question": charged.question, "outcome": "failed"}
    ledger.settle(charged.question, "failed", Event(EventKind.QUESTION_SETTLED, actor, facts))
