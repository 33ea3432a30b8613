"""No row value makes a lowered expression raise, and what is claimed of its value is true.

Rows are wild: NULL, NaN, infinities, the extremes of every type, days at both ends of the calendar.
"""

from __future__ import annotations

import math
import random
from datetime import date
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.types import Kind
from sandbox.query.analyze import _Walk
from sandbox.query.authorize import admit, authorize
from sandbox.query.execute import sql_of
from sandbox.query.parse import parse
from sandbox.query.relations import Rows as Relation
from sandbox.query.resolve import resolve, visible
from sandbox.query.typed import EXACT, Typed, clamped
from tests.query.expressions import expressions
from tests.query.world import LI, POLICY, RELATIONS, TODAY, Rows, engine, published

OPEN = published(policy=POLICY.replace("use: filter", "use: open").replace("use: group_by", "use: open"))
HONEST = {
    ErrorCode.OVERFLOW_POSSIBLE, ErrorCode.BOUNDS_MISSING, ErrorCode.SQL_TYPE, ErrorCode.SQL_TOO_LARGE,
    ErrorCode.SQL_UNSUPPORTED,
}  # fmt: skip
INTEGERS = [None, 0, 1, -1, 7, 50, 100, 101, 2**63 - 1, -(2**63), 2**62, -(2**62), 10**18]
DECIMALS = [None, *(Decimal(n).scaleb(-2) for n in (0, 1, -1, 499, 500, -501, 999_999_999, -999_999_999))]
DOUBLES = [
    None,
    0.0,
    -0.0,
    0.1,
    50.0,
    200.0,
    200.5,
    1e-320,
    1e308,
    -1e308,
    math.nan,
    math.inf,
    -math.inf,
    2.0**63,
]
TEXTS = [
    None,
    "",
    "a",
    "rome",
    "罗马",
    "k'o",
    "%_",
    "12",
    "-1e400",
    "nan",
    "2000-01-01",
    "x" * 300,
    "\u0000z",
    "e\u0301",
]
DAYS = [None, date.min, date.max, date(2000, 2, 29), date(1969, 12, 31), date(1, 1, 2)]
TYPES = {
    Kind.INTEGER: "BIGINT", Kind.DOUBLE: "DOUBLE", Kind.BOOLEAN: "BOOLEAN", Kind.DATE: "DATE",
    Kind.TIMESTAMP: "TIMESTAMP", Kind.TEXT: "VARCHAR",
}  # fmt: skip


def _wild(count: int) -> Rows:
    r = random.Random(5)
    rows = [
        (
            unit, unit, r.choice(INTEGERS), r.choice(DECIMALS), r.choice(DOUBLES),
            r.choice([None, True, False]),
            r.choice(["a", "b", "c", "?", None]), r.choice(TEXTS), r.choice(DAYS), "s", r.choice(INTEGERS),
            r.choice(["x", "y", "z", None]),
        )
        for unit in range(count)
    ]  # fmt: skip
    return Rows(tuple(rows), ())


WILD = _wild(400)


def lowered(expression: str) -> Relation:
    """`SELECT expression AS x FROM people` below the boundary."""
    admitted = admit(LI.person, "g", OPEN, TODAY)
    parsed = parse(f"SELECT {expression} AS x FROM people", 65_536)
    authorized = authorize(admitted, resolve(parsed, visible(admitted.policies)))
    with localcontext(EXACT):
        found = _Walk(authorized).select(authorized.resolved.tree, {})
    assert isinstance(found, Relation)
    return found


def check(expression: str, typed: Typed, values: list[Any], type_name: str) -> None:
    """What `typed` claims of the values."""
    if typed.kind is not None:
        width = f"DECIMAL({typed.width},{typed.scale})"
        assert type_name == (width if typed.kind is Kind.DECIMAL else TYPES[typed.kind]), (
            expression,
            type_name,
        )
    for value in values:
        if value is None:
            assert typed.nullable, expression
            continue
        if not typed.number:
            continue
        if typed.bounded or typed.near:
            _check_bounds(expression, typed, value)


def _check_bounds(expression: str, typed: Typed, value: Any) -> None:
    """Bounds of a DOUBLE are DOUBLEs themselves; one that is near its bounds may miss them by rounding."""
    kind = float if isinstance(value, float) else Decimal
    ends = [abs(end) for end in (typed.low, typed.high) if end is not None]
    slack = kind(0) if typed.bounded else float(max(ends)) * 1e-9 + 1e-9
    if typed.low is not None:
        assert not value < kind(typed.low) - slack, (expression, value, typed.low)
    if typed.high is not None:
        assert value <= kind(typed.high) + slack, (expression, value, typed.high)  # NaN is not


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)
@given(expressions())
def test_no_row_makes_an_expression_raise_or_break_its_claims(expression: str) -> None:
    try:
        relation = lowered(expression)
    except SandboxError as refused:
        if refused.code not in HONEST:
            raise
        return
    typed = relation.columns["x"]
    with engine(WILD) as connection:
        rows = connection.sql(f"SELECT x, typeof(x) FROM ({sql_of(relation.tree, RELATIONS)})").fetchall()
        check(expression, typed, [r[0] for r in rows], rows[0][1])
        if typed.number and typed.low is not None and typed.high is not None:
            _check_clamped(expression, typed, relation, connection)


def _check_clamped(expression: str, typed: Typed, relation: Relation, connection: Any) -> None:
    """What is summed: the value held within its bounds."""
    try:
        with localcontext(EXACT):
            held = clamped(typed.at(relation.tree.selects[0].unalias()))
    except SandboxError:
        return
    tree = relation.tree.copy()
    tree.selects[0].replace(held.sql.copy().as_("x"))
    rows = connection.sql(f"SELECT x, typeof(x) FROM ({sql_of(tree, RELATIONS)})").fetchall()
    check(f"held {expression}", held, [r[0] for r in rows], rows[0][1])


@pytest.mark.parametrize(
    "expression",
    [
        "-age", "ABS(age)", "age // -1", "age % filter_only", "SIGN(weight)", "SQRT(age - 50)",
        "LN(weight - 100)",
        "POW(weight, weight)", "EXP(weight * 10)", "age = 3 = TRUE", "member = NOT member",
        "NOT city = grp = member",
        "city LIKE 'r%' = member", "(age BETWEEN 1 AND 5) BETWEEN FALSE AND TRUE", "age IN (1, 2) IS TRUE",
        "born IN ('2000-01-01', TIMESTAMP '2000-01-01 01:00:00')",
        "born BETWEEN '2000-01-01' AND TIMESTAMP '9999-12-31 00:00:00'",
        "score * score * score * score > filter_only", "CAST(weight AS DECIMAL(18, 9)) > age",
        "age > 0.000000000000000001",
        "weight * 1e300 * 1e300", "ROUND(weight * 1e25, 5)", "CAST(weight * 1e30 AS BIGINT)",
        "-CAST(weight * 1e30 AS BIGINT)",
        "CEIL(score) * FLOOR(score)", "LEAST(GREATEST(weight, 1), 8)", "LEAST(weight, 8)",
        "GREATEST(weight, 8)",
        "DATE_TRUNC('week', born)", "CAST(CAST(born AS TIMESTAMP) AS DATE)",
        "YEAR(born) * 1000000", "CAST(city AS DOUBLE)",
        "SUBSTRING(city, 0, 0)", "1e-9 + ROUND(123456789012345, 2)",
        "DAY(born) + 100 + CAST(weight AS DECIMAL(18, 9)) - 1e10",
        "COALESCE(CAST(member AS INTEGER), CAST(123456789012345 * 99999999.999999 AS BIGINT))",
        "COALESCE(age, score, weight)", "CASE WHEN age > 3 THEN 1 ELSE 2.5 END", "1 / (weight - 100)",
    ],
)  # fmt: skip
def test_expressions_that_once_could_raise_or_were_wrong(expression: str) -> None:
    test_no_row_makes_an_expression_raise_or_break_its_claims.hypothesis.inner_test(expression)  # type: ignore[attr-defined]


def test_the_check_can_fail() -> None:
    wrong = Typed(lowered("age").tree, Kind.INTEGER, low=Decimal(0), high=Decimal(1), nullable=False)
    for values in ([None], [2], [-1]):
        with pytest.raises(AssertionError):
            check("age", wrong, values, "BIGINT")
    with pytest.raises(AssertionError):
        check("age", wrong, [1], "HUGEINT")
