"""Prices, budgets and descriptions as a notebook sees them: frozen, printable, read from the API's JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol, TypeVar

from sandbox.client import page


class _Shown(Protocol):
    def _repr_html_(self) -> str: ...


Item = TypeVar("Item", bound=_Shown)


class Listing(tuple[Item, ...]):
    """A tuple that a notebook shows one item after the other."""

    __slots__ = ()

    def __repr__(self) -> str:
        shown = [repr(item) for item in self] or ["(none)"]
        return ("\n\n" if any("\n" in item for item in shown) else "\n").join(shown)

    def _repr_html_(self) -> str:
        if not self:
            return page.html_lines(["(none)"])
        return "".join(item._repr_html_() for item in self)


@dataclass(frozen=True, slots=True)
class Note:
    """A remark in both languages."""

    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class Column:
    """One column of an answer or estimate.

    Attributes:
        name: as the question named it.
        type: Arrow type as text.
        noisy: whether it depends on noise.
        half_width: 95 % half-width, in the column's unit, when it is the same for every row.
        mechanism: `laplace`, `gaussian`, `derived` (made of several noisy numbers), or None.

    """

    name: str
    type: str
    noisy: bool
    half_width: float | None
    mechanism: str | None


@dataclass(frozen=True, slots=True)
class Share:
    """One noisy vector that the question needs, and its part of the price."""

    measure: str
    mechanism: str
    epsilon: Decimal
    sensitivity: Decimal
    scale: float
    half_width: float


@dataclass(frozen=True, slots=True)
class Cost:
    """Price of a question: (epsilon, delta) outside; inside, the ledger's pure sum and zCDP rho."""

    epsilon: Decimal
    delta: Decimal
    pure: Decimal | None
    rho: Decimal
    shares: tuple[Share, ...]

    def __str__(self) -> str:
        return f"ε = {page.amount(self.epsilon)}" + (f", δ = {page.amount(self.delta)}" if self.delta else "")


@dataclass(frozen=True, slots=True, repr=False)
class BudgetState:
    """One budget: its limit, what was spent, what is left."""

    account: str
    epsilon: Decimal
    epsilon_spent: Decimal
    epsilon_left: Decimal
    delta: Decimal
    delta_spent: Decimal

    def __str__(self) -> str:
        return f"{self.account}: ε {page.amount(self.epsilon_left)} left of {page.amount(self.epsilon)}"

    def __repr__(self) -> str:
        return page.text_lines([str(self)])

    def _repr_html_(self) -> str:
        return page.html_lines([str(self)])


_EXPECTED = ["column", "95 % error"]


@dataclass(frozen=True, slots=True, repr=False)
class Estimate:
    """What a question would cost and how accurate it would be. Nothing was spent."""

    columns: tuple[Column, ...]
    cost: Cost
    affordable: bool
    budgets: tuple[BudgetState, ...]
    notes: tuple[Note, ...]
    decided_by: tuple[str, ...]

    def _rows(self) -> list[list[str]]:
        return [
            [column.name, page.half_width(column.half_width) if column.noisy else "exact"]
            for column in self.columns
        ]

    def _lines(self) -> list[str]:
        verdict = "affordable" if self.affordable else "NOT affordable"
        return [f"would cost {self.cost} ({verdict}); nothing was spent", *map(str, self.budgets)] + [
            note.en for note in self.notes
        ]

    def __repr__(self) -> str:
        return page.text_table(_EXPECTED, self._rows()) + "\n" + page.text_lines(self._lines())

    def _repr_html_(self) -> str:
        return page.html_table(_EXPECTED, self._rows()) + page.html_lines(self._lines())


@dataclass(frozen=True, slots=True)
class Reason:
    """One rule's part in a decision; `code` is None when it allows, `place` where in the SQL it points."""

    rule: str
    code: str | None
    text: str
    text_zh: str
    hint: str
    hint_zh: str
    place: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, repr=False)
class Explanation:
    """Whether a question is allowed, and what every rule said about it: the refusing ones first."""

    allowed: bool
    reasons: tuple[Reason, ...]
    decided_by: tuple[str, ...]

    def _rows(self) -> list[list[str]]:
        return [
            ["allows" if reason.code is None else reason.code, reason.text, reason.rule]
            for reason in self.reasons
        ]

    def _lines(self) -> list[str]:
        return ["allowed" if self.allowed else "refused"]

    def __repr__(self) -> str:
        return page.text_lines(self._lines()) + "\n" + page.text_table(_SAID, self._rows(), page.MOST_LINE)

    def _repr_html_(self) -> str:
        return page.html_lines(self._lines()) + page.html_table(_SAID, self._rows(), most=page.MOST_LINE)


_SAID = ["verdict", "because", "rule"]


@dataclass(frozen=True, slots=True, repr=False)
class Dataset:
    """One dataset as its published policy declares it.

    `card` is the whole description as the API gives it: `tables`, their `columns` with `type`, `use`,
    bounds (`lower`, `upper`) and public keys (`values`), budgets, licence, policy digest.
    """

    name: str
    title: str
    grants: tuple[str, ...]
    card: Mapping[str, Any]

    def _rows(self) -> list[list[str]]:
        return [
            [table["name"], column["name"], column["type"], column["use"], _declared(column)]
            for table in self.card["tables"]
            for column in table["columns"]
        ]

    def _lines(self) -> list[str]:
        return [
            f"{self.name}: {self.title}",
            f"{self.card['publisher']} · {self.card['licence']}",
            f"your grants: {', '.join(self.grants) or 'none'}",
        ]

    def __repr__(self) -> str:
        return page.text_lines(self._lines()) + "\n" + page.text_table(_DECLARED, self._rows())

    def _repr_html_(self) -> str:
        return page.html_lines(self._lines()) + page.html_table(_DECLARED, self._rows())


_DECLARED = ["table", "column", "type", "use", "declared"]


def _declared(column: Mapping[str, Any]) -> str:
    if column["values"] is not None:
        shown = [str(value) for value in column["values"][:8]]
        return "one of " + ", ".join(shown) + (", …" if len(column["values"]) > 8 else "")
    if column["lower"] is not None:
        return f"{column['lower']} to {column['upper']}"
    return ""
