"""Step 12, answer: what a person gets, put together from steps that are done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from sandbox.policy.decide import Decision
from sandbox.privacy.accountant import spent_epsilon
from sandbox.privacy.calibrate import Sensitivity
from sandbox.privacy.ledger import Ledger
from sandbox.privacy.loss import Account
from sandbox.privacy.mechanisms import Laplace, Mechanism
from sandbox.query.analyze import Analyzed
from sandbox.query.answer import Answer, AnswerColumn, BudgetState, Cost, Estimate, Share
from sandbox.query.clamp import counts_sensitivity
from sandbox.query.notes import notes_on
from sandbox.query.postprocess import Processed
from sandbox.query.price import Priced, half_width
from sandbox.query.stored import StoredAnswer


def answer(
    question: str,
    analyzed: Analyzed,
    priced: Priced | None,
    processed: Processed,
    ledger: Ledger,
    receipt: Mapping[str, Any],
    stored: StoredAnswer | None = None,
) -> Answer:
    """The answer with its error bars, price and receipt. `stored`: it was paid for before."""
    types = [str(f.type) for f in processed.table.schema]
    columns = _columns(analyzed, priced, types)
    if stored is not None:
        # Half-widths of a stored answer are its own: it may have been paid with more epsilon.
        columns = tuple(
            AnswerColumn(c.name, c.type, c.noisy, None, "derived" if c.noisy else None) for c in columns
        )
    return Answer(
        question=question,
        table=processed.table,
        errors=processed.errors,
        columns=columns,
        cost=None if priced is None or stored is not None else cost_of(priced),
        budgets=budget_states(priced.accounts, ledger) if priced is not None else (),
        repeated=stored is not None,
        notes=notes_on(priced) if stored is None else (),
        decided_by=analyzed.authorized.decision.decided_by,
        attribution=_attribution(analyzed),
        receipt=receipt,
    )


def numbers(answer: Answer, at: int) -> Iterator[tuple[float, float]]:
    """The numbers of one column that have a half-width, each with it.

    Of a map, each of its counts; a day or time as 0.
    """
    name = answer.table.column_names[at]
    if name not in answer.errors.column_names:
        return
    pairs = zip(answer.table.column(at).to_pylist(), answer.errors.column(name).to_pylist(), strict=True)
    for value, half in pairs:
        counts = [count for _, count in value] if isinstance(value, list) else [value]
        for number in counts:
            if number is not None and half is not None:
                yield 0.0 if isinstance(number, date) else float(number), float(half)


def estimate_of(analyzed: Analyzed, priced: Priced | None, ledger: Ledger) -> Estimate:
    """Price and accuracy before anything is spent."""
    decision: Decision = analyzed.authorized.decision
    if priced is None:
        free = Cost(Decimal(0), Decimal(0), Decimal(0), Decimal(0), ())
        return Estimate(_columns(analyzed, None, None), free, True, (), (), decision.decided_by)
    return Estimate(
        columns=_columns(analyzed, priced, None),
        cost=cost_of(priced),
        affordable=ledger.would_accept(priced.accounts, priced.loss) is None,
        budgets=budget_states(priced.accounts, ledger),
        notes=notes_on(priced),
        decided_by=decision.decided_by,
    )


def cost_of(priced: Priced) -> Cost:
    """Outside (epsilon, delta), inside both sums, and the split."""
    shares = []
    for b in priced.boundaries:
        for n in b.noise:
            sensitivity, epsilon = b.boundary.sensitivity(n.measure), n.epsilon
            if n.search is not None:
                counts = counts_sensitivity(b.boundary.groups)
                mechanism, used = n.search.mechanism, n.search.epsilon
                label, width = f"clamp of {n.measure.label}", mechanism.half_width()
                shares.append(_share(label, mechanism, used, counts, 0, width))
                sensitivity = Sensitivity.bounded(
                    b.boundary.groups, n.search.chosen or n.measure.most, n.measure.in_all
                )
                epsilon -= used
            label, scale = n.measure.label, n.measure.scale
            shares.append(_share(label, n.mechanism, epsilon, sensitivity, scale, n.half_width))
    loss = priced.loss
    return Cost(priced.epsilon, loss.delta, loss.epsilon, loss.rho, tuple(shares))


def _share(
    label: str, mechanism: Mechanism, epsilon: Decimal, most: Sensitivity, scale: int, half_width: int
) -> Share:
    laplace = isinstance(mechanism, Laplace)
    step = Decimal(10) ** -scale
    return Share(
        measure=label,
        mechanism="laplace" if laplace else "gaussian",
        epsilon=epsilon,
        sensitivity=(Decimal(most.l1) if laplace else Decimal(most.l2)) * step,
        scale=mechanism.scale * float(step),
        half_width=float(Decimal(half_width) * step),
    )


def budget_states(accounts: Sequence[Account], ledger: Ledger) -> tuple[BudgetState, ...]:
    """Every account: its limit, what is spent and what is left."""
    states = []
    different = tuple({a.id: a for a in accounts}.values())
    for account, odometer in zip(different, ledger.states(different), strict=True):
        spent = min(spent_epsilon(odometer, account.limit.delta), account.limit.epsilon)
        states.append(
            BudgetState(
                account=account.id,
                epsilon=account.limit.epsilon,
                epsilon_spent=spent,
                epsilon_left=account.limit.epsilon - spent,
                delta=account.limit.delta,
                delta_spent=odometer.delta,
            )
        )
    return tuple(states)


def _columns(
    analyzed: Analyzed, priced: Priced | None, types: Sequence[str] | None
) -> tuple[AnswerColumn, ...]:
    boundaries = {b.boundary.name: b for b in priced.boundaries} if priced is not None else {}
    gaussian = priced is not None and priced.loss.epsilon is None
    found = []
    for i, name in enumerate(analyzed.authorized.resolved.output):
        kind = types[i] if types is not None else ""
        if i in analyzed.direct and boundaries:
            table, measure = analyzed.direct[i]
            known = all(
                n.search is None or n.search.chosen
                for n in boundaries[table].noise
                if n.measure.name == measure
            )
            width = float(half_width(boundaries[table], measure)) if known else None
            found.append(AnswerColumn(name, kind, True, width, "gaussian" if gaussian else "laplace"))
        else:
            noisy = i in analyzed.noisy_columns
            found.append(AnswerColumn(name, kind, noisy, None, "derived" if noisy else None))
    return tuple(found)


def _attribution(analyzed: Analyzed) -> tuple[str, ...]:
    datasets = analyzed.authorized.resolved.visible.datasets
    used = [datasets[d] for d in sorted({key[0] for key in analyzed.tables})]
    return tuple(f"{p.title.en or p.dataset}: {p.publisher}. {p.licence}" for p in used)
