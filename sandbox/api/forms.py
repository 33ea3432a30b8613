"""The forms of replies, for the API's description. `sandbox.service.documents` writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.query.answer import AnswerColumn, BudgetState, Cost, Note
from sandbox.service.reports import DatasetCard


@dataclass(frozen=True, slots=True)
class AnswerReply:
    """An answer; see `sandbox.query.answer.Answer` for what the fields mean."""

    question: str
    columns: tuple[AnswerColumn, ...]
    rows: list[list[Any]]
    half_widths: list[list[float | None]]
    cost: Cost | None
    budgets: tuple[BudgetState, ...]
    repeated: bool
    derived: bool
    notes: tuple[Note, ...]
    decided_by: tuple[str, ...]
    attribution: tuple[str, ...]
    receipt: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a question has come.

    Attributes:
        step: `count`, `noise` or `answer`; null before that, and wherever groups are named by the data only.
        done: numbers that have their noise.
        total: numbers that get noise, as the public keys of the groups say.

    """

    step: str | None
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class ProgressReply:
    """The person's own questions that run now, the oldest first."""

    questions: tuple[Progress, ...]


@dataclass(frozen=True, slots=True)
class DatasetsReply:
    """The datasets that the person may use."""

    datasets: tuple[DatasetCard, ...]


@dataclass(frozen=True, slots=True)
class DummyReply:
    """Dummy rows, made from declared metadata alone."""

    columns: tuple[str, ...]
    rows: list[list[Any]]


@dataclass(frozen=True, slots=True)
class BudgetsReply:
    """Every budget that a question under the grant would be charged to."""

    budgets: tuple[BudgetState, ...]


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry of the log; `facts` depend on its kind (docs: the log)."""

    index: int
    at: str
    kind: str
    person: str
    via: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LogReply:
    """Entries of the log."""

    entries: tuple[LogEntry, ...]


@dataclass(frozen=True, slots=True)
class HealthReply:
    """The service is up and reads requests."""

    status: str
    version: str


@dataclass(frozen=True, slots=True)
class Problem:
    """An error (RFC 9457).

    Attributes:
        code: stable name of the error, the same as on the command line.
        detail: what is wrong.
        hint: what to do next.
        place: where in the question: `line` and `column` from 1, the `text` there, the `file` if any.
        rules: the policy and grant rules that decided.
        instance: number of this occurrence in the operator's log, when it is not the caller's to mend.

    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    hint: str
    place: dict[str, int | str] | None
    rules: tuple[str, ...]
    instance: str | None = None
