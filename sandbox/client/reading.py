"""The API's JSON as the types of a notebook; without the promised fields, KeyError or TypeError."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sandbox.client.model import (
    BudgetState,
    Column,
    Cost,
    Dataset,
    Estimate,
    Explanation,
    Note,
    Reason,
    Share,
)


def columns(found: list[Mapping[str, Any]]) -> tuple[Column, ...]:
    """Columns from the API's JSON."""
    return tuple(
        Column(item["name"], item["type"], item["noisy"], item["half_width"], item["mechanism"])
        for item in found
    )


def notes(found: list[Mapping[str, Any]]) -> tuple[Note, ...]:
    """Notes from the API's JSON."""
    return tuple(Note(item["en"], item["zh"]) for item in found)


def cost(found: Mapping[str, Any]) -> Cost:
    """A price from the API's JSON."""
    return Cost(
        epsilon=Decimal(found["epsilon"]),
        delta=Decimal(found["delta"]),
        pure=None if found["pure"] is None else Decimal(found["pure"]),
        rho=Decimal(found["rho"]),
        shares=tuple(
            Share(
                measure=share["measure"],
                mechanism=share["mechanism"],
                epsilon=Decimal(share["epsilon"]),
                sensitivity=Decimal(share["sensitivity"]),
                scale=share["scale"],
                half_width=share["half_width"],
            )
            for share in found["shares"]
        ),
    )


def budgets(found: list[Mapping[str, Any]]) -> tuple[BudgetState, ...]:
    """Budgets from the API's JSON."""
    return tuple(
        BudgetState(
            account=item["account"],
            epsilon=Decimal(item["epsilon"]),
            epsilon_spent=Decimal(item["epsilon_spent"]),
            epsilon_left=Decimal(item["epsilon_left"]),
            delta=Decimal(item["delta"]),
            delta_spent=Decimal(item["delta_spent"]),
        )
        for item in found
    )


def estimate(found: Mapping[str, Any]) -> Estimate:
    """An estimate from the API's JSON."""
    return Estimate(
        columns=columns(found["columns"]),
        cost=cost(found["cost"]),
        affordable=found["affordable"],
        budgets=budgets(found["budgets"]),
        notes=notes(found["notes"]),
        decided_by=tuple(found["decided_by"]),
    )


def explanation(found: Mapping[str, Any]) -> Explanation:
    """An explanation from the API's JSON."""
    return Explanation(
        allowed=found["allowed"],
        reasons=tuple(
            Reason(
                rule=reason["rule"],
                code=reason["code"],
                text=reason["text"],
                text_zh=reason["text_zh"],
                hint=reason["hint"],
                hint_zh=reason["hint_zh"],
                place=reason["place"],
            )
            for reason in found["reasons"]
        ),
        decided_by=tuple(found["decided_by"]),
    )


def dataset(found: Mapping[str, Any]) -> Dataset:
    """A dataset from the API's JSON."""
    title = found["title"]
    return Dataset(
        name=found["dataset"],
        title=title["en"] or title["zh"],
        grants=tuple(found["grants"]),
        card=found,
    )
