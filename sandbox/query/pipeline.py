"""A question's way, on one screen.

    parse -> admit -> resolve -> authorize -> analyze -> rewrite -> price     decide: touches no data
          -> rehearse -> locate -> (stored answer?) -> charge + log intent     pay
          -> execute -> noise -> post-process                                 compute
          -> settle + log the outcome -> answer with receipt                  tell

Each step takes the frozen type of the one before, so none can be skipped. Everything that can be refused
is refused before `charge`; after it only the engine itself can fail, with one fixed error, and the
question stays paid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from sandbox.audit.event import Event, EventKind
from sandbox.audit.store import Store
from sandbox.catalog.store import Catalog
from sandbox.identity import Actor
from sandbox.policy.decide import Decision
from sandbox.policy.published import Published
from sandbox.privacy.ledger import Ledger
from sandbox.query import present, stored
from sandbox.query.analyze import analyze
from sandbox.query.answer import Answer, Estimate
from sandbox.query.authorize import admit, authorize, decision_on
from sandbox.query.charge import charge, new_question, question_facts
from sandbox.query.derived import Base, Derived, base_of, derive
from sandbox.query.execute import Executed, Located, check_classes, execute, locate
from sandbox.query.growth import too_deep
from sandbox.query.inflight import alone
from sandbox.query.noise import Noised, noise
from sandbox.query.notes import derived_note, first_note, second_note
from sandbox.query.parse import parse
from sandbox.query.postprocess import post_process, rehearse, split
from sandbox.query.price import Priced, price, price_at
from sandbox.query.resolve import resolve, visible
from sandbox.query.rewrite import Rewritten, rewrite
from sandbox.query.settle import fail, settle
from sandbox.query.steps import Step, Tell, nobody, steps_of
from sandbox.query.within import NEARLY, SPARE, Given, goals, least_price, not_within, second_epsilon
from sandbox.settings import Settings
from sandbox.vault.hot import HotStore


@dataclass(frozen=True, slots=True)
class Question:
    """One question: its SQL, the grant that pays, who asks, and the epsilon for all of it (None: default).

    With `within`, a wanted error (see `within.py`), epsilon is the most to spend, and the least that meets
    the wish is spent. `estimates`: the column whose bounds a steward asks for (see `value_bounds.py`).
    """

    sql: str
    grant: str
    actor: Actor
    epsilon: Decimal | None = None
    within: Given | None = None
    estimates: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """What a question meets: what is published, the catalog, the ledger, the log, the engine.

    `tell`: who is told how far it has come.
    """

    published: Published
    catalog: Catalog
    ledger: Ledger
    store: Store
    hot: HotStore
    settings: Settings
    today: date
    tell: Tell = nobody


def decide(question: Question, context: Context) -> Rewritten:
    """Everything up to the rewritten question. Reads what is published, nothing else.

    Raises:
        SandboxError: the refusal.

    """
    parsed = parse(question.sql, context.settings.question_bytes)
    admitted = admit(question.actor.person, question.grant, context.published, context.today)
    resolved = resolve(parsed, visible(admitted.policies))
    try:
        return rewrite(analyze(authorize(admitted, resolved)))
    except RecursionError:
        raise too_deep() from None


def explain(question: Question, context: Context) -> Decision:
    """What the policy says of the question, with every reason. Touches no data.

    Raises:
        SandboxError: the question cannot be read, or the grant does not let the person ask.

    """
    parsed = parse(question.sql, context.settings.question_bytes)
    admitted = admit(question.actor.person, question.grant, context.published, context.today)
    return decision_on(admitted, resolve(parsed, visible(admitted.policies)))


def estimate(question: Question, context: Context) -> Estimate:
    """Price and accuracy. Spends nothing, touches no data.

    Raises:
        SandboxError: the refusal that `ask` would give.

    """
    rewritten = decide(question, context)
    if question.within is None or not rewritten.analyzed.boundaries:
        priced = price(rewritten, question.epsilon, context.ledger)
        rehearse(rewritten, context.settings.question_seconds)
        return present.estimate_of(rewritten.analyzed, priced, context.ledger)
    wanted = goals(question.within, rewritten.analyzed)
    first, most = least_price(rewritten, wanted, question.epsilon, context.ledger)
    rehearse(rewritten, context.settings.question_seconds)
    found = present.estimate_of(rewritten.analyzed, first, context.ledger)
    return replace(found, notes=(first_note(first.epsilon, most), *found.notes)) if wanted.after else found


def ask(question: Question, context: Context) -> Answer:
    """Answer one question.

    Raises:
        SandboxError: a refusal (nothing was charged), or `question-failed` (it stays charged).

    """
    rewritten = decide(question, context)
    if question.within is not None and rewritten.analyzed.boundaries:
        return _within(question, question.within, context, rewritten)
    priced = price(rewritten, question.epsilon, context.ledger)
    rehearse(rewritten, context.settings.question_seconds)
    if priced is None:
        return _open(question, context, rewritten, _located(rewritten, context))
    return _answer(question, context, priced)[0]


def _within(question: Question, given: Given, context: Context, rewritten: Rewritten) -> Answer:
    """The least epsilon that meets the wish; a first question tells where only an answer can."""
    wanted = goals(given, rewritten.analyzed)
    first, most = least_price(rewritten, wanted, question.epsilon, context.ledger)
    rehearse(rewritten, context.settings.question_seconds)
    answer, paid = _answer(question, context, first)
    needed = second_epsilon(wanted.after, lambda at: present.numbers(answer, at), paid)
    if needed is not None and needed <= (paid * SPARE * NEARLY if answer.repeated else paid):
        return answer
    left = most if answer.repeated else most - first.epsilon
    if needed is None or needed > left:
        raise not_within(rewritten.analyzed, wanted, needed, left)
    second, _ = _answer(question, context, price_at(rewritten, needed, context.ledger))
    return replace(second, notes=(second_note(paid, needed, repeated=answer.repeated), *second.notes))


def _answer(question: Question, context: Context, priced: Priced) -> tuple[Answer, Decimal]:
    """The answer at this price, stored or new, and the epsilon that it was paid with."""
    located = _located(priced.rewritten, context)
    key, base = stored.key_of(priced, located.versions), base_of(priced, located.versions)
    with alone(key):
        known = stored.find(context.store, key, priced.epsilon)
        derived = None
        if known is None:
            derived = derive(context.store, priced, base, context.settings.question_seconds)
        if known is None and derived is None:
            return _new(question, context, priced, located, (key, base)), priced.epsilon
    if derived is not None:
        return _derived(question, context, derived), derived.worth
    assert known is not None  # noqa: S101 -- one of the three
    return _repeat(question, context, priced, known), known.epsilon


def _new(
    question: Question, context: Context, priced: Priced, located: Located, keys: tuple[str, Base | None]
) -> Answer:
    """Charged first, then answered."""
    rewritten = priced.rewritten
    charged = charge(priced, question.actor, context.ledger, question.estimates)
    steps = steps_of(rewritten.analyzed, context.tell)
    try:
        steps.at(Step.COUNT)
        executed = execute(rewritten, located, context.hot, context.settings.question_seconds)
        noised = noise(priced, executed, steps)
        steps.at(Step.ANSWER)
        settled_price = noised.priced or priced
        processed = post_process(rewritten, settled_price, noised, context.settings.question_seconds)
    except BaseException:
        fail(charged, question.actor, context.ledger)
        raise
    settled = settle(charged, processed, noised, keys, question.actor, context.ledger, context.store)
    return present.answer(
        charged.question, rewritten.analyzed, settled_price, processed, context.ledger, settled.receipt
    )


def _open(question: Question, context: Context, rewritten: Rewritten, located: Located) -> Answer:
    """A question about open tables only: logged, answered exactly, free."""
    facts = question_facts(rewritten, new_question())
    with context.store.write(
        Event(EventKind.QUESTION_OPEN, question.actor, facts, secret=question.sql)
    ) as tx:
        leaf = tx.leaf
    executed: Executed = execute(rewritten, located, context.hot, context.settings.question_seconds)
    names = [o.name for o in rewritten.analyzed.open_tables]
    noised = Noised(dict(zip(names, executed.open_tables, strict=True)))
    processed = post_process(rewritten, None, noised, context.settings.question_seconds)
    receipt = context.store.receipt(leaf)
    return present.answer(
        str(facts["question"]), rewritten.analyzed, None, processed, context.ledger, receipt
    )


def _derived(question: Question, context: Context, derived: Derived) -> Answer:
    """An answer made of a stored one's released groups: logged, free."""
    rewritten, known = derived.priced.rewritten, derived.known
    seconds = context.settings.question_seconds
    processed = post_process(rewritten, derived.priced, derived.noised, seconds)
    receipt = _logged_again(question, context, known)
    analyzed, ledger = rewritten.analyzed, context.ledger
    found = present.answer(known.question, analyzed, derived.priced, processed, ledger, receipt, known)
    return replace(found, derived=True, notes=(derived_note(known.question), *found.notes))


def _logged_again(question: Question, context: Context, known: stored.StoredAnswer) -> Mapping[str, Any]:
    """The receipt of giving a stored answer again, or what follows from it."""
    facts = {"question": known.question, "grant": question.grant, "answer_digest": known.digest}
    event = Event(EventKind.QUESTION_REPEATED, question.actor, facts, secret=question.sql)
    with context.store.write(event) as tx:
        leaf = tx.leaf
    return context.store.receipt(leaf)


def _repeat(question: Question, context: Context, priced: Priced, known: stored.StoredAnswer) -> Answer:
    """The stored answer of the same question: logged, free."""
    receipt = _logged_again(question, context, known)
    analyzed = priced.rewritten.analyzed
    processed = split(known.table, analyzed.authorized.resolved.output)
    return present.answer(known.question, analyzed, priced, processed, context.ledger, receipt, known)


def _located(rewritten: Rewritten, context: Context) -> Located:
    located = locate(rewritten, context.catalog)
    check_classes(located, context.hot.grades)
    return located
