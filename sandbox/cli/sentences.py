"""Policies and grants read aloud: what they say, in sentences, without a word of YAML."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.cli.answers import scientific
from sandbox.privacy.loss import Budget
from sandbox.service.documents import plain
from sandbox.service.reports import ColumnCard, DatasetCard, GrantCard, TableCard

_USES = {
    "count_distinct_only": "be counted (distinct values)",
    "join_only": "join tables",
    "filter": "filter",
    "group_by": "filter and group",
    "sum_mean": "filter, group, and be summed and averaged",
    "open": "be used in any question",
}


def policy_sentences(card: DatasetCard) -> Iterator[str]:
    """What a policy says."""
    name = _title(card.title.en, card.title.zh, card.dataset)
    yield f"{name} comes from {card.publisher} ({card.licence})."
    yield f"It may be used for {_and(card.purposes)}, by {_and(card.settings)}."
    if card.budget is not None and card.project is not None and card.question is not None:
        yield (
            f"All projects together may spend {_amount(card.budget)}, one project {_amount(card.project)}, "
            f"one question {_amount(card.question)}. That is for life: nothing is refilled."
        )
    if card.minimum_group:
        yield f"Groups of fewer than about {card.minimum_group} are not shown."
    for table in card.tables:
        yield from _table(table)


def grant_sentences(card: GrantCard) -> Iterator[str]:
    """What a grant says."""
    yield (
        f"{_and(card.people)} may use {_and(card.datasets)} for {card.purpose}, by {_and(card.settings)}, "
        f"in the project {card.project}, from {card.first} to {card.last}."
    )
    yield f"The grant pays {_amount(card.budget)} in all."
    for obligation in card.obligations:
        yield f"In return: {obligation}"


def _table(table: TableCard) -> Iterator[str]:
    name = _title(table.title.en, table.title.zh, table.name)
    if table.protection == "open":
        yield f"{name} is open: answered exactly."
    else:
        yield (
            f"{name}: one {table.unit} is protected as a whole, and counts with at most "
            + _many(table.rows_per_unit, "row")
            + (f", in at most {_many(table.groups_per_unit, 'group')}" if table.groups_per_unit else "")
            + (f", {_many(table.rows_per_group, 'row')} in each" if table.rows_per_group else "")
            + "."
        )
    for use, words in _USES.items():
        columns = [_column(column) for column in table.columns if column.use == use]
        if columns:
            yield f"  {_and(tuple(columns))} may {words}."


def _column(column: ColumnCard) -> str:
    if column.values is not None:
        return f"{column.name} (one of {len(column.values)} values)"
    if column.lower is not None:
        return f"{column.name} ({column.lower} to {column.upper})"
    return column.name


def _title(en: str, zh: str, name: str) -> str:
    return " ".join(part for part in (en or name, zh) if part) + (f" [{name}]" if en else "")


def _amount(budget: Budget) -> str:
    return f"ε {plain(budget.epsilon)}" + (f" (δ {scientific(budget.delta)})" if budget.delta else "")


def _many(count: int | None, thing: str) -> str:
    return f"{count} {thing}" + ("" if count == 1 else "s")


def _and(words: tuple[str, ...]) -> str:
    if not words:
        return "nothing"
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
