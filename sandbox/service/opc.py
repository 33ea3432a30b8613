"""What an OPC does: find a dataset, see the price, ask, look at the budget."""

from __future__ import annotations

from decimal import Decimal

from sandbox.audit.event import Event, EventKind, Fact
from sandbox.errors import SandboxError
from sandbox.identity import Actor
from sandbox.policy.decide import Decision
from sandbox.query import pipeline
from sandbox.query.answer import Answer, BudgetState, Estimate
from sandbox.service.cards import dataset_cards
from sandbox.service.home import Home, today
from sandbox.service.reports import DatasetCard


def datasets(home: Home, actor: Actor) -> tuple[DatasetCard, ...]:
    """Every published dataset as its policy declares it; nothing comes from the data."""
    published = home.registry.snapshot()
    return dataset_cards(published, actor.id, lambda dataset, table: home.catalog.exists(dataset, table))


def ask(home: Home, actor: Actor, sql: str, grant: str, epsilon: Decimal | None = None) -> Answer:
    """Answer one question: charged first, then answered with noise, error bars and a receipt.

    Args:
        home: the opened instance.
        actor: who asks.
        sql: one SELECT in DuckDB's dialect.
        grant: the grant that pays.
        epsilon: most to spend; None: a tenth of the grant's, at most what the policy allows one question.

    Raises:
        SandboxError: every code of reading, policy, privacy and running. A refusal is logged.

    """
    try:
        return pipeline.ask(pipeline.Question(sql, grant, actor, epsilon), context(home))
    except SandboxError as refusal:
        if refusal.code not in _NOT_A_REFUSAL:
            _log_refusal(home, actor, sql, grant, refusal)
        raise


def estimate(home: Home, actor: Actor, sql: str, grant: str, epsilon: Decimal | None = None) -> Estimate:
    """Price and accuracy of a question. Spends nothing, touches no data."""
    return pipeline.estimate(pipeline.Question(sql, grant, actor, epsilon), context(home))


def explain(home: Home, actor: Actor, sql: str, grant: str) -> Decision:
    """Whether the policy and the grant allow a question, and every reason. Touches no data."""
    return pipeline.explain(pipeline.Question(sql, grant, actor, None), context(home))
