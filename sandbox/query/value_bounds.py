"""Bounds of a column's values, estimated privately for a steward who may not copy them from the data.

Rules
- It is a question like any other: MIN and MAX of the column, held within a range that the steward knows
  beforehand. So it is bounded, priced, charged before data is touched, noised, logged and settled as such,
  and all that is proven of quantiles holds of it. Only that its one column may be hidden from analysts.
- The grant that pays names the steward.
- What is drafted follows from the noisy answer and the stated range alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from sqlglot import exp

from sandbox.identity import Role
from sandbox.policy.published import Published, Version
from sandbox.policy.types import Kind, Policy, Scalar, Use
from sandbox.query.parse import DIALECT

NUMBERS = (Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE)
LOW, HIGH = "low", "high"
_DIGITS = 2  # of a drafted bound: more would say more than the noise lets one know


def opened_to_stewards(
    published: Published, dataset: str, table: str, column: str, within: tuple[Scalar, Scalar]
) -> Published:
    """What decides on the question: as published, but this column raw in a range, and stewards as people."""
    version = published.policies[dataset]
    tables = version.content.tables
    columns = tables[table].columns
    plain = {"use": Use.OPEN, "between": within, "values": None, "codelist": None, "shown_as": None}
    raw = columns[column].model_copy(update=plain)
    changed = tables[table].model_copy(update={"columns": {**columns, column: raw}})
    update = {
        "tables": {**tables, table: changed},
        "people": (*version.content.people, Role.STEWARD),
    }
    policy: Policy = version.content.model_copy(update=update)
    policies: Mapping[str, Version[Policy]] = {**published.policies, dataset: Version(version.digest, policy)}
    return replace(published, policies=policies)


def bounds_question(dataset: str, table: str, column: str) -> str:
    """The question, as SQL; its answer has one row, `low` and `high`."""
    name, source, place = (
        exp.to_identifier(text, quoted=True).sql(DIALECT) for text in (column, dataset, table)
    )
    return f"SELECT MIN({name}) AS {LOW}, MAX({name}) AS {HIGH} FROM {source}.{place}"


def drafted(
    low: Decimal, high: Decimal, within: tuple[Decimal, Decimal], step: Decimal
) -> tuple[Decimal, Decimal]:
    """Bounds to draft: the answer, rounded outwards to few digits and whole `step`s, within the range."""
    down = max(within[0], min(within[1] - step, _rounded(low, ROUND_FLOOR, step)))
    return down, min(within[1], max(down + step, _rounded(high, ROUND_CEILING, step)))


def _rounded(value: Decimal, way: str, step: Decimal) -> Decimal:
    if not value:
        return Decimal(0)
    unit = max(step, Decimal(1).scaleb(value.adjusted() - _DIGITS + 1))
    return (value / unit).to_integral_value(way) * unit
