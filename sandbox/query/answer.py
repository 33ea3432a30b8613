"""What a person gets back: an answer or an estimate, with its error bars, price and receipt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Note:
    """A remark by rule, never by count, in both languages."""

    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class AnswerColumn:
    """One column of an answer or estimate.

    Attributes:
        name: as the question named it.
        type: Arrow type as text.
        noisy: whether it depends on noise.
        half_width: 95 % half-width in the column's unit when it is the same for every row and known
            beforehand; None when it differs by row (see `Answer.errors`) or the column is not noisy.
        mechanism: `laplace`, `gaussian`, `derived` (post-processing of several noisy numbers) or None.

    """

    name: str
    type: str
    noisy: bool
    half_width: float | None
    mechanism: str | None


@dataclass(frozen=True, slots=True)
class Share:
    """One noisy vector that the question needs, and its part of the price.

    `scale` is the scale (Laplace) or standard deviation (Gaussian) of its noise, `sensitivity` the
    most that one unit moves the vector in the mechanism's norm; both in the measure's own unit.
    """

    measure: str
    mechanism: str
    epsilon: Decimal
    sensitivity: Decimal
    scale: float
    half_width: float


@dataclass(frozen=True, slots=True)
class Cost:
    """Price of one question: outside (epsilon, delta); inside, both sums of the ledger."""

    epsilon: Decimal
    delta: Decimal
    pure: Decimal | None
    rho: Decimal
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class BudgetState:
    """One account: its limit and what is left of it, after the question (answer) or before (estimate)."""

    account: str
    epsilon: Decimal
    epsilon_spent: Decimal
    epsilon_left: Decimal
    delta: Decimal
    delta_spent: Decimal


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a question would cost and how accurate it would be; nothing was spent, no data was touched."""

    columns: tuple[AnswerColumn, ...]
    cost: Cost
    affordable: bool
    budgets: tuple[BudgetState, ...]
    notes: tuple[Note, ...]
    decided_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer.

    Attributes:
        question: id of the question in the log.
        table: the answer's rows.
        errors: 95 % half-widths (float64) of its noisy columns, same rows, same column names;
            a column or cell is absent or null where no half-width can be given. Of days and times in days.
        cost: None when nothing was charged: open tables only, or a repeated question.
        repeated: the stored answer of the same question asked before: it cost nothing.
        derived: made of the stored answer of another question (`repeated`, too): sums of its groups.
        decided_by: digests of the policies and the grant that decided, as `nafld@sha256:…`.
        attribution: publisher and licence of every source.
        receipt: inclusion proof and signed checkpoint, JSON-able; verifiable offline.

    """

    question: str
    table: pa.Table
    errors: pa.Table
    columns: tuple[AnswerColumn, ...]
    cost: Cost | None
    budgets: tuple[BudgetState, ...]
    repeated: bool
    notes: tuple[Note, ...]
    decided_by: tuple[str, ...]
    attribution: tuple[str, ...]
    receipt: Mapping[str, Any]
    derived: bool = False
