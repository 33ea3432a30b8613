"""MEDIAN, QUANTILE_CONT, QUANTILE_DISC, MIN and MAX as a question writes them: what is read, and where."""

from __future__ import annotations

from decimal import Decimal

from sqlglot import exp

from sandbox.errors import ErrorCode, SandboxError
from sandbox.query.fractions import fraction_of
from sandbox.query.grids import Reading
from sandbox.query.parse import place_of
from sandbox.query.vocabulary import spoken_name

_HALF = Decimal("0.5")

# Of DuckDB's names for quantiles QUANTILE is QUANTILE_DISC, and so is, but for its error, APPROX_QUANTILE.
QUANTILES: dict[type, Reading] = {
    exp.Median: Reading.CONT,
    exp.PercentileCont: Reading.CONT,
    exp.PercentileDisc: Reading.DISC,
    exp.Quantile: Reading.DISC,
    exp.ApproxQuantile: Reading.DISC,
    exp.Min: Reading.MIN,
    exp.Max: Reading.MAX,
}


def wanted(node: exp.Expr, sql: str) -> tuple[Reading, Decimal]:
    """What is read of the value, and at which fraction; the quantile at 0 is MIN, that at 1 is MAX.

    Raises:
        SandboxError: `sql-type` unless the fraction is a constant between 0 and 1.

    """
    reading = QUANTILES[type(node)]
    if isinstance(node, exp.Median | exp.Min | exp.Max):
        return reading, _HALF
    given = node.args.get("quantile") or node.args["expression"]
    fraction = fraction_of(given)
    if fraction is None:
        raise SandboxError(
            ErrorCode.SQL_TYPE,
            f"The fraction of {spoken_name(node)} is a number from 0 to 1.",
            "Write QUANTILE_CONT(x, 0.9), or a list as a column of its own: QUANTILE_CONT(x, [0.25, 0.75]).",
            place=place_of(given, sql) or place_of(node, sql),
        )
    if fraction in (0, 1):
        return (Reading.MIN if fraction == 0 else Reading.MAX), _HALF
    return reading, fraction
