"""A first policy whose bounds a steward has estimated privately: charged like a question, and saying so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Actor, Role
from sandbox.policy.draft import Estimated
from sandbox.policy.scalars import decimal_of
from sandbox.policy.types import ColumnPolicy, Kind, Policy, Scalar
from sandbox.query.pipeline import Context, Question
from sandbox.query.pipeline import estimate as price_of
from sandbox.query.value_bounds import HIGH, LOW, NUMBERS, bounds_question, drafted, opened_to_stewards
from sandbox.service import opc, steward
from sandbox.service.home import Home, need
from sandbox.service.reports import BoundsRequest, DraftReport, DraftRequest

_CELL = Decimal("1e-9")
"""Least step of a drafted bound of a double."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """One estimate: its question, what decides on it, and the column as it is published."""

    request: BoundsRequest
    question: Question
    context: Context
    column: ColumnPolicy
    within: tuple[Decimal, Decimal]


def draft_with_estimates(
    home: Home,
    actor: Actor,
    request: DraftRequest,
    wanted: Sequence[BoundsRequest],
    grant: str,
    epsilon: Decimal | None = None,
) -> DraftReport:
    """A first policy file of a dataset that is loaded already, with bounds from charged private estimates.

    Everything that can be refused is refused before anything is charged, but for budgets that the estimates
    before it used up. What was charged stays charged, and the same estimate again is free.

    Args:
        home: the opened instance.
        actor: a steward of the dataset, whom the grant names.
        request: what the rest is drafted from.
        wanted: which columns, each within a range that is known beforehand.
        grant: the grant that pays.
        epsilon: of each estimate; None: a tenth of the grant's, at most what the policy allows one question.

    Raises:
        SandboxError: ROLE_REFUSED, POLICY_MISSING, POLICY_REFUSED (another's dataset), ARGUMENT (a column
            that has no bounds to estimate, a range that is none); what `steward.draft` and questions raise.

    """
    need(actor, Role.STEWARD, "Estimating bounds")
    tables = steward.draft_tables(request)
    asked = [_asked(home, actor, request.dataset, one, grant, epsilon) for one in wanted]
    for one in asked:
        _, evidence = tables.get(one.request.table, (None, ()))
        if one.request.column not in {found.column for found in evidence}:
            raise _no_estimate(
                f"No --table names a source of {one.request.table} with {one.request.column}.",
                "As in --table TABLE=FILE.",
            )
        price_of(one.question, one.context)
    estimated = {(one.request.table, one.request.column): _estimated(home, one) for one in asked}
    return steward.draft_report(request, tables, estimated)


def _asked(
    home: Home, actor: Actor, dataset: str, one: BoundsRequest, grant: str, epsilon: Decimal | None
) -> _Asked:
    context = opc.context_of(home)
    version = context.published.policies.get(dataset)
    if version is None:
        raise SandboxError(
            ErrorCode.POLICY_MISSING,
            f"No policy of {dataset} is published, so there are no rows to estimate anything from.",
            "Publish a first draft, in which the column is hidden; load the table; estimate then.",
        )
    if actor.id not in version.content.stewards:
        raise SandboxError(
            ErrorCode.POLICY_REFUSED,
            f"{actor.id} is no steward of {dataset}.",
            "Ask one of its stewards, whom its policy names.",
        )
    column = _column(version.content, one)
    within = _range(one, column)
    typed = _typed(within, column)
    published = opened_to_stewards(context.published, dataset, one.table, one.column, typed)
    sql = bounds_question(dataset, one.table, one.column)
    question = Question(sql, grant, actor, epsilon, estimates=f"{one.table}.{one.column}")
    return _Asked(one, question, replace(context, published=published), column, within)


def _column(policy: Policy, one: BoundsRequest) -> ColumnPolicy:
    table = policy.tables.get(one.table)
    column = None if table is None else table.columns.get(one.column)
    if table is None or column is None:
        raise _no_estimate(f"The published policy has no column {one.table}.{one.column}.", "Check the name.")
    if table.protection == "open":
        raise _no_estimate(
            f"{one.table} is an open table.", "Ask for MIN and MAX: the answer is exact and free."
        )
    if table.unit is not None and table.unit.column == one.column:
        raise _no_estimate(
            f"{one.column} says whose rows these are.", "It is joined by, and needs no bounds."
        )
    if column.type not in NUMBERS:
        raise _no_estimate(f"{one.column} is no number.", "Declare its bounds or its values.")
    return column


def _range(one: BoundsRequest, column: ColumnPolicy) -> tuple[Decimal, Decimal]:
    try:
        low, high = decimal_of(one.low), decimal_of(one.high)
    except ValueError:
        low = high = Decimal(0)
    step = _step(column)
    if not low < high or (step != _CELL and (low % step or high % step)):
        raise _no_estimate(
            f"{one.low}..{one.high} is no range of values of {one.column}.",
            "Give two numbers, the lesser first, between which all values surely lie: 0..100000.",
        )
    return low, high


def _step(column: ColumnPolicy) -> Decimal:
    if column.type is Kind.DOUBLE:
        return _CELL
    return Decimal(1).scaleb(-column.decimals) if column.type is Kind.DECIMAL else Decimal(1)


def _estimated(home: Home, one: _Asked) -> Estimated:
    answer = opc.answered(home, one.question, one.context)
    row = answer.table.to_pylist()[0]
    paid = (
        "an earlier, equal estimate"
        if answer.cost is None
        else f"epsilon {answer.cost.epsilon.normalize():f}"
    )
    how = (
        f"estimated privately within {one.request.low} and {one.request.high}, which the steward stated "
        f"(question {answer.question}, {paid}, paid by the grant {one.question.grant})"
    )
    if row[LOW] is None or row[HIGH] is None:
        return Estimated(one.column, None, how)
    low, high = (Decimal(str(row[name])) for name in (LOW, HIGH))
    between = drafted(low, high, one.within, _step(one.column))
    return Estimated(one.column, _typed(between, one.column), how)


def _typed(between: tuple[Decimal, Decimal], column: ColumnPolicy) -> tuple[Scalar, Scalar]:
    if column.type is Kind.INTEGER:
        return int(between[0]), int(between[1])
    return between


def _no_estimate(message: str, hint: str) -> SandboxError:
    return SandboxError(ErrorCode.ARGUMENT, message, hint)
