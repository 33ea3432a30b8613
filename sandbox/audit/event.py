"""What happened, as the log keeps it.

Rules
- A kind of event names every fact that it may hold; any other fact is an error. So nothing that
  depends on a row value (a true count, an engine's message, a duration) can slip into the log.
- Facts are strings, whole numbers, booleans, or lists and maps of these. Amounts of privacy loss
  are decimal strings: the log has no binary fractions.
- What a person wrote (SQL) is never a fact. It travels as `secret`: the log keeps a salted
  commitment in the leaf and the text, encrypted, beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from sandbox.identity import Actor

Fact: TypeAlias = "str | int | bool | Sequence[Fact] | Mapping[str, Fact] | None"


class EventKind(StrEnum):
    """Kinds of event."""

    HOME_CREATED = "home.created"
    HOME_BACKED_UP = "home.backed-up"
    HOME_RESTORED = "home.restored"
    LEDGER_ACCEPTED = "ledger.accepted"
    DATASET_LOADED = "dataset.loaded"
    LOAD_REFUSED = "dataset.load-refused"
    DATASET_ROLLED_BACK = "dataset.rolled-back"
    VERSIONS_DROPPED = "dataset.versions-dropped"
    QUARANTINE_READ = "dataset.quarantine-read"
    POLICY_PUBLISHED = "policy.published"
    GRANT_PUBLISHED = "grant.published"
    PEOPLE_PUBLISHED = "people.published"
    UNITS_PUBLISHED = "units.published"
    QUESTION_INTENDED = "question.intended"
    QUESTION_SETTLED = "question.settled"
    QUESTION_REFUSED = "question.refused"
    QUESTION_REPEATED = "question.repeated"
    QUESTION_OPEN = "question.open"
    KEYS_ROTATED = "keys.rotated"
    TOKEN_CREATED = "token.created"
    TOKEN_REVOKED = "token.revoked"
    HUB_LOGGED_IN = "hub.logged-in"
    HUB_SERVER_STARTED = "hub.server-started"
    HUB_SERVER_ENDED = "hub.server-ended"
    KERNEL_STARTED = "kernel.started"
    KERNEL_ENDED = "kernel.ended"
    CALL_REFUSED = "call.refused"
    LOG_READ = "log.read"
    LOG_EXPORTED = "log.exported"


FACTS: Mapping[EventKind, frozenset[str]] = {
    EventKind.HOME_CREATED: frozenset({"format", "log_key"}),
    EventKind.HOME_BACKED_UP: frozenset(),
    EventKind.HOME_RESTORED: frozenset({"size"}),
    EventKind.LEDGER_ACCEPTED: frozenset({"size", "until", "stated", "charges"}),
    EventKind.DATASET_LOADED: frozenset(
        {"dataset", "table", "version", "files", "policy", "mode", "base", "line"}
    ),
    EventKind.LOAD_REFUSED: frozenset({"dataset", "table", "code"}),
    EventKind.DATASET_ROLLED_BACK: frozenset({"dataset", "table", "version", "from"}),
    EventKind.VERSIONS_DROPPED: frozenset({"dataset", "table", "versions"}),
    EventKind.QUARANTINE_READ: frozenset({"dataset", "table", "version"}),
    EventKind.POLICY_PUBLISHED: frozenset({"dataset", "digest", "previous"}),
    EventKind.GRANT_PUBLISHED: frozenset({"grant", "digest", "previous"}),
    EventKind.PEOPLE_PUBLISHED: frozenset({"digest", "previous"}),
    EventKind.UNITS_PUBLISHED: frozenset({"digest", "previous"}),
    EventKind.QUESTION_INTENDED: frozenset(
        {"question", "grant", "datasets", "shape", "epsilon", "loss", "accounts", "decided_by", "estimates"}
    ),
    EventKind.QUESTION_SETTLED: frozenset({"question", "outcome", "answer_digest", "line", "cells"}),
    EventKind.QUESTION_REFUSED: frozenset({"grant", "code", "rules", "shape"}),
    EventKind.QUESTION_REPEATED: frozenset({"question", "grant", "answer_digest"}),
    EventKind.QUESTION_OPEN: frozenset({"question", "grant", "datasets", "shape", "decided_by"}),
    EventKind.KEYS_ROTATED: frozenset({"from", "to", "datasets"}),
    EventKind.TOKEN_CREATED: frozenset({"token", "person", "role", "expires", "digest"}),
    EventKind.TOKEN_REVOKED: frozenset({"token"}),
    EventKind.HUB_LOGGED_IN: frozenset(),
    EventKind.HUB_SERVER_STARTED: frozenset(),
    EventKind.HUB_SERVER_ENDED: frozenset(),
    EventKind.KERNEL_STARTED: frozenset({"kernel"}),
    EventKind.KERNEL_ENDED: frozenset({"kernel"}),
    EventKind.CALL_REFUSED: frozenset({"code"}),
    EventKind.LOG_READ: frozenset({"from", "to", "filters"}),
    EventKind.LOG_EXPORTED: frozenset({"size"}),
}


@dataclass(frozen=True, slots=True)
class Event:
    """One event, before it has a place in the log.

    Raises:
        ValueError: a fact that this kind of event does not name.

    """

    kind: EventKind
    actor: Actor
    facts: Mapping[str, Fact] = field(default_factory=dict)
    secret: str | None = None

    def __post_init__(self) -> None:
        unknown = set(self.facts) - FACTS[self.kind]
        if unknown:
            raise ValueError(f"{self.kind.value} does not name the facts {sorted(unknown)}")
