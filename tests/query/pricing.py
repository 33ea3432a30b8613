"""A question with its price against a real ledger, and its answer on rows, with real noise."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from pathlib import Path

import duckdb

from sandbox.policy.published import Published, Version
from sandbox.policy.read import read_grant
from sandbox.privacy.ledger import Ledger
from sandbox.query.execute import Executed
from sandbox.query.noise import noise
from sandbox.query.postprocess import Processed, post_process, rehearse
from sandbox.query.price import Priced, price
from tests.privacy.ledgers import create
from tests.query.world import (
    GRANT,
    POLICY,
    bucket_tables,
    exact_tables,
    published,
    rank_tables,
    rewritten,
)

FLOOR = "  question: {epsilon: 10, delta: 1e-6}"


def ledger(folder: Path) -> Ledger:
    """A ledger that nothing was charged to."""
    return Ledger(create(folder / "store.sqlite"))


@cache
def world(
    rows: int = 6, groups: int = 2, per_group: int = 3, *, minimum_group: int = 0, delta: str = "1e-5"
) -> Published:
    """The world with these bounds on visits, this floor, and this delta in the grant and the policy."""
    policy = POLICY.replace(FLOOR, f"{FLOOR}\n  minimum_group: {minimum_group}")
    if delta == "0":
        policy = policy.replace("delta: 1e-4", "delta: 0").replace("delta: 1e-5", "delta: 0")
    made = published(rows, groups, per_group, policy)
    grant = Version("sha256:grant", read_grant(GRANT.replace("delta: 1e-5", f"delta: {delta}"), "g.yaml"))
    return Published(made.revision, made.policies, {"g": grant}, made.units, made.people)


def priced(sql: str, of: Published, books: Ledger, epsilon: str | None = "1") -> Priced:
    """The price of a question that touches protected tables."""
    found = price(rewritten(sql, of), None if epsilon is None else Decimal(epsilon), books)
    assert found is not None
    return found


def answered(asked: Priced, connection: duckdb.DuckDBPyConnection) -> Processed:
    """The answer with real noise."""
    rehearse(asked.rewritten, 30.0)
    tables = tuple(exact_tables(asked.rewritten, connection))
    buckets = tuple(bucket_tables(asked.rewritten, connection))
    exact = Executed(tables, (), buckets, rank_tables(asked.rewritten, connection))
    noised = noise(asked, exact)
    return post_process(asked.rewritten, noised.priced or asked, noised, 30.0)
