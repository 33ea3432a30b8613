"""What an OPC does: find a dataset, see the price, ask, look at the budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pyarrow as pa

from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Actor, Role
from sandbox.ingest.dummy import MOST_ROWS, dummy_rows
from sandbox.policy.decide import Decision
from sandbox.policy.published import Published
from sandbox.policy.types import BudgetBlock, Grant
from sandbox.privacy.loss import Account, AccountKind, Budget
from sandbox.query import pipeline, present
from sandbox.query.answer import Answer, BudgetState, Estimate
from sandbox.query.steps import Tell, nobody
from sandbox.query.within import Given
from sandbox.service.cards import dataset_cards, grant_cards
from sandbox.service.croissant import croissant_document
from sandbox.service.dcat import catalog_document
from sandbox.service.dictionary import dictionary_page
from sandbox.service.documents import json_bytes, rows_csv
from sandbox.service.home import Home, today
from sandbox.service.refusals import REFUSALS, refused
from sandbox.service.reports import DatasetCard, GrantCard

DESCRIBED_ROWS = 100
"""Dummy rows of each table beside a Croissant description."""


def datasets(home: Home, actor: Actor) -> tuple[DatasetCard, ...]:
    """Every published dataset as its policy declares it; nothing comes from the data."""
    loaded = {(version.dataset, version.table) for version in home.catalog.all_current()}
    return dataset_cards(home.registry.snapshot(), actor.id, loaded)


def describe(home: Home, actor: Actor, dataset: str, form: str, url: str) -> Mapping[str, bytes]:
    """A dataset's description for others, as files by name; it holds what the policy declares, no more.

    Args:
        home: the opened instance.
        actor: whoever may see the datasets.
        dataset: its name; ignored by the form `dcat`, which describes all.
        form: `dcat`, `croissant` or `page`.
        url: where the service answers.

    Raises:
        SandboxError: DATASET_UNKNOWN; ARGUMENT for another form.

    """
    cards = datasets(home, actor)
    if form == "dcat":
        document = catalog_document(cards, url, "Data sandbox")
        return {"catalog.jsonld": json_bytes(document, indent=1)}
    card = next((card for card in cards if card.dataset == dataset), None)
    if card is None:
        raise SandboxError(
            ErrorCode.DATASET_UNKNOWN,
            "There is no dataset of this name that you may see.",
            "List them with `sandbox datasets`.",
        )
    if form == "page":
        return {
            f"{dataset}.en.md": dictionary_page(card, "en").encode(),
            f"{dataset}.zh.md": dictionary_page(card, "zh").encode(),
        }
    if form != "croissant":
        raise SandboxError(ErrorCode.ARGUMENT, "There is no such form.", "Forms: dcat, croissant, page.")
    files = {
        table.name: rows_csv(dummy(home, actor, dataset, table.name, DESCRIBED_ROWS)) for table in card.tables
    }
    document = croissant_document(card, url, files, today())
    named = {f"{name}.csv": content for name, content in files.items()}
    return {"croissant.json": json_bytes(document, indent=1), **named}


def dummy(home: Home, actor: Actor, dataset: str, table: str, count: int, seed: int = 0) -> pa.Table:
    """Dummy rows of a table: made from what its policy declares. Free; no data is touched, nothing is logged.

    Args:
        home: the opened instance; its vault is not opened.
        actor: whoever may see the datasets.
        dataset: its name.
        table: its name.
        count: rows, 1 to `MOST_ROWS`.
        seed: the same seed gives the same rows.

    Raises:
        SandboxError: DATASET_UNKNOWN; ARGUMENT for a count out of range.

    """
    del actor
    version = home.registry.snapshot().policies.get(dataset)
    if version is None or table not in version.content.tables:
        raise SandboxError(
            ErrorCode.DATASET_UNKNOWN,
            "No published policy names this table.",
            "`sandbox datasets` lists the tables; write dataset.table.",
        )
    if not 1 <= count <= MOST_ROWS:
        raise SandboxError(
            ErrorCode.ARGUMENT, "The count of dummy rows is out of range.", f"Ask for 1 to {MOST_ROWS}."
        )
    return dummy_rows(version.content, table, count, seed)


def grants(home: Home, actor: Actor) -> tuple[GrantCard, ...]:
    """The grants that name the actor."""
    return grant_cards(home.registry.snapshot(), actor.id)


def ask(
    home: Home,
    actor: Actor,
    sql: str,
    grant: str,
    epsilon: Decimal | None = None,
    within: Given | None = None,
    tell: Tell = nobody,
) -> Answer:
    """Answer one question: charged first, then answered with noise, error bars and a receipt.

    Args:
        home: the opened instance.
        actor: who asks.
        sql: one SELECT in DuckDB's dialect.
        grant: the grant that pays.
        epsilon: most to spend; None: a tenth of the grant's, at most what the policy allows one question
            (with `within`, what the policy allows).
        within: wanted 95 % half-width, as `5` or `5%`, of every column or by column: the least epsilon
            that meets it is spent.
        tell: is told how far the question has come, where that tells nothing (`query/steps.py`).

    Raises:
        SandboxError: every code of reading, policy, privacy and running. A refusal is logged.

    """
    context = replace(context_of(home), tell=tell)
    return answered(home, pipeline.Question(sql, grant, actor, epsilon, within), context)


def answered(home: Home, question: pipeline.Question, context: pipeline.Context) -> Answer:
    """The answer to a question; a refusal is logged.

    Raises:
        SandboxError: as `ask`.

    """
    try:
        return pipeline.ask(question, context)
    except SandboxError as refusal:
        if refusal.code in REFUSALS:
            most, published = home.settings.question_bytes, context.published
            event = refused(
                refusal, question.actor, question.sql, question.grant, published=published, most_bytes=most
            )
            with home.store.write(event):
                pass
        raise


def estimate(
    home: Home,
    actor: Actor,
    sql: str,
    grant: str,
    epsilon: Decimal | None = None,
    within: Given | None = None,
) -> Estimate:
    """Price and accuracy of a question. Spends nothing, touches no data.

    Raises:
        SandboxError: as `ask`, before anything is charged.

    """
    return pipeline.estimate(pipeline.Question(sql, grant, actor, epsilon, within), context_of(home))


def explain(home: Home, actor: Actor, sql: str, grant: str) -> Decision:
    """Whether the policy and the grant allow a question, and every reason. Touches no data.

    Raises:
        SandboxError: the question cannot be read, or nothing published says who may ask it.

    """
    return pipeline.explain(pipeline.Question(sql, grant, actor, None), context_of(home))


def budget(home: Home, actor: Actor, grant: str) -> tuple[BudgetState, ...]:
    """Every account that questions under a grant are charged to, with what is left of it.

    For the people of the grant, for stewards of its datasets, for operators and auditors.

    Raises:
        SandboxError: GRANT_UNKNOWN; GRANT_REFUSED when it is none of the actor's business.

    """
    published = home.registry.snapshot()
    version = published.grants.get(grant)
    if version is None:
        raise SandboxError(
            ErrorCode.GRANT_UNKNOWN,
            "There is no published grant of this name.",
            "`sandbox datasets` names your grants.",
        )
    if not _concerns(actor, version.content, published):
        raise SandboxError(
            ErrorCode.GRANT_REFUSED,
            f"Grant {grant} does not name {actor.id}.",
            "Name a grant of your own; `sandbox datasets` lists them.",
        )
    return present.budget_states(_accounts(version.content, published), home.ledger)


def _concerns(actor: Actor, grant: Grant, published: Published) -> bool:
    roles = actor.person.roles
    if roles & {Role.OPERATOR, Role.AUDITOR}:
        return True
    policies = [published.policies[name].content for name in grant.datasets if name in published.policies]
    if Role.STEWARD in roles and any(actor.id in policy.stewards for policy in policies):
        return True
    return Role.OPC in roles and actor.id in grant.people


def _accounts(grant: Grant, published: Published) -> tuple[Account, ...]:
    """As a question over every protected table of the grant would be charged."""
    found: dict[str, Account] = {}
    for name in grant.datasets:
        policy = published.policies[name].content if name in published.policies else None
        if policy is None or policy.privacy is None:
            continue
        protected = [table for table in policy.tables.values() if table.protection == "protected"]
        units = sorted({table.unit.name for table in protected if table.unit is not None})
        accounts = [
            Account(AccountKind.GRANT_DATASET, f"{grant.grant}/{name}", _limit(grant.budget)),
            *(
                Account(AccountKind.PROJECT_UNIT, f"{grant.project}/{unit}", _limit(policy.privacy.project))
                for unit in units
            ),
            Account(AccountKind.DATASET, name, _limit(policy.privacy.budget)),
        ]
        for account in accounts:
            known = found.get(account.id)
            if known is None or account.limit.epsilon < known.limit.epsilon:
                found[account.id] = account
    return tuple(found.values())


def _limit(block: BudgetBlock) -> Budget:
    return Budget(block.epsilon, block.delta)


def context_of(home: Home) -> pipeline.Context:
    """What a question meets now."""
    return pipeline.Context(
        published=home.registry.snapshot(),
        catalog=home.catalog,
        ledger=home.ledger,
        store=home.store,
        hot=home.hot,
        settings=home.settings,
        today=today(),
    )
