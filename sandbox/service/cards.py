"""Datasets as their published policies declare them: for choosing one and writing a question.

Rules
- Everything here was written by a steward. Nothing comes from the data: no count, minimum or null rate.
- Hidden columns are not named.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from sandbox.policy.decide import Published, Version
from sandbox.policy.types import BudgetBlock, ColumnPolicy, Grant, Kind, Mask, Policy, TablePolicy, Use
from sandbox.privacy.loss import Budget
from sandbox.service.reports import ColumnCard, DatasetCard, GrantCard, TableCard


def dataset_cards(
    published: Published, person: str, loaded: AbstractSet[tuple[str, str]]
) -> tuple[DatasetCard, ...]:
    """A card for every published policy, by name; `loaded` holds (dataset, table) of what has a version."""
    mine = published.grants_of(person)
    return tuple(
        _dataset(name, version, _naming(name, mine, published), loaded)
        for name, version in sorted(published.policies.items())
    )


def grant_cards(published: Published, person: str) -> tuple[GrantCard, ...]:
    """A card for every published grant that names the person, by name."""
    return tuple(_grant(published.grants[name]) for name in published.grants_of(person))


def _grant(version: Version[Grant]) -> GrantCard:
    grant = version.content
    return GrantCard(
        grant=grant.grant,
        version=f"{grant.grant}@{version.digest}",
        project=grant.project,
        people=grant.people,
        purpose=grant.purpose,
        datasets=grant.datasets,
        settings=tuple(setting.value for setting in grant.settings),
        budget=_budget(grant.budget),
        first=grant.window.first,
        last=grant.window.last,
        obligations=grant.obligations,
    )


def _naming(dataset: str, grants: tuple[str, ...], published: Published) -> tuple[str, ...]:
    return tuple(name for name in grants if dataset in published.grants[name].content.datasets)


def _dataset(
    name: str, version: Version[Policy], grants: tuple[str, ...], loaded: AbstractSet[tuple[str, str]]
) -> DatasetCard:
    policy = version.content
    privacy = policy.privacy
    return DatasetCard(
        dataset=name,
        title=policy.title,
        publisher=policy.publisher,
        licence=policy.licence,
        policy=f"{name}@{version.digest}",
        purposes=policy.purposes,
        settings=tuple(setting.value for setting in policy.settings),
        budget=None if privacy is None else _budget(privacy.budget),
        project=None if privacy is None else _budget(privacy.project),
        question=None if privacy is None else _budget(privacy.question),
        minimum_group=0 if privacy is None else privacy.minimum_group,
        grants=grants,
        tables=tuple(_table(table, said, (name, table) in loaded) for table, said in policy.tables.items()),
    )


def _table(name: str, policy: TablePolicy, loaded: bool) -> TableCard:
    bounds = policy.bounds
    return TableCard(
        name=name,
        title=policy.title,
        protection=policy.protection,
        unit=None if policy.unit is None else policy.unit.name,
        rows_per_unit=None if bounds is None else bounds.rows_per_unit,
        groups_per_unit=None if bounds is None else bounds.groups_per_unit,
        rows_per_group=None if bounds is None else bounds.rows_per_group,
        loaded=loaded,
        columns=tuple(
            _column(column, said) for column, said in policy.columns.items() if said.use is not Use.HIDDEN
        ),
    )


def _column(name: str, policy: ColumnPolicy) -> ColumnCard:
    lower, upper = policy.between or (None, None)
    return ColumnCard(
        name=name,
        type=_type(policy),
        use=policy.use.name.lower(),
        lower=lower,
        upper=upper,
        values=policy.values,
        nullable=policy.nullable,
        shown_as=_mask(policy.shown_as),
        title=policy.title,
        because=policy.because,
    )


def _type(policy: ColumnPolicy) -> str:
    if policy.type is Kind.DECIMAL:
        return f"decimal({policy.digits}, {policy.decimals})"
    return policy.type.value


def _mask(mask: Mask | None) -> str:
    if mask is None:
        return ""
    if mask.band is not None:
        return f"bands of {mask.band}"
    if mask.prefix is not None:
        return f"first {mask.prefix} characters"
    return f"{mask.truncate} only"


def _budget(block: BudgetBlock) -> Budget:
    return Budget(block.epsilon, block.delta)
