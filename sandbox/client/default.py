"""The sandbox that the environment names, for a notebook that needs no configuration."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from sandbox.client import model
from sandbox.client.answer import Answer
from sandbox.client.connection import Amount, Sandbox


@cache
def connection() -> Sandbox:
    """The one connection of this process.

    Raises:
        ValueError: the environment names no sandbox.

    """
    return Sandbox()


def sql(
    sql: str,
    *,
    grant: str | None = None,
    epsilon: Amount | None = None,
    within: Amount | Mapping[str, Amount] | None = None,
) -> Answer:
    """`Sandbox.sql` of the sandbox that the environment names."""
    return connection().sql(sql, grant=grant, epsilon=epsilon, within=within)


def estimate(
    sql: str,
    *,
    grant: str | None = None,
    epsilon: Amount | None = None,
    within: Amount | Mapping[str, Amount] | None = None,
) -> model.Estimate:
    """`Sandbox.estimate` of the sandbox that the environment names."""
    return connection().estimate(sql, grant=grant, epsilon=epsilon, within=within)


def explain(sql: str, *, grant: str | None = None) -> model.Explanation:
    """`Sandbox.explain` of the sandbox that the environment names."""
    return connection().explain(sql, grant=grant)


def datasets() -> model.Listing[model.Dataset]:
    """`Sandbox.datasets` of the sandbox that the environment names."""
    return connection().datasets()


def budget(grant: str | None = None) -> model.Listing[model.BudgetState]:
    """`Sandbox.budget` of the sandbox that the environment names."""
    return connection().budget(grant)
