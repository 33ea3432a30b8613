"""Above the boundary nothing can fail: neither for what noise may give, nor for what a question may write."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.types import Kind
from sandbox.privacy.loss import Loss
from sandbox.query.boundary import Boundary
from sandbox.query.noise import Noised
from sandbox.query.postprocess import post_process, rehearse
from sandbox.query.price import Noise, Priced, PricedBoundary
from tests.query.world import Silent, published, rewritten

WORLD = published()
MOST = 4 * 10**18
GROUPED = (
    "SELECT city, grp, COUNT(*) AS n, SUM(cost) AS s FROM people JOIN visits ON id = pid GROUP BY city, grp"
)
QUESTIONS = [
    "SELECT COUNT(*) * 9223372036854775807 AS x, -COUNT(*) AS y, ABS(COUNT(*)) AS z FROM people",
    "SELECT SUM(age) * SUM(age) AS x, SUM(score) * SUM(score) AS y, SUM(score) + COUNT(*) AS z FROM people",
    "SELECT COUNT(*) // (COUNT(*) - COUNT(*)) AS a, COUNT(*) % 0 AS b, COUNT(*) / 0 AS c FROM people",
    "SELECT SQRT(COUNT(*)) AS a, LN(COUNT(*)) AS b, EXP(COUNT(*)) AS c, POW(COUNT(*), 9) AS d FROM people",
    "SELECT ROUND(AVG(weight), 2) AS a, CAST(AVG(weight) * 1e300 AS INTEGER) AS b FROM people",
    "SELECT VAR_SAMP(age) AS v, STDDEV_POP(age) AS s FROM people",
    "SELECT CAST(COUNT(*) AS TINYINT) AS a, CAST(CAST(SUM(age) AS INTEGER) + 1 AS SMALLINT) AS b FROM people",
    f"SELECT CAST(city AS INTEGER) AS a, CAST(city || '9' AS DATE) AS b FROM ({GROUPED}) AS q",
    f"SELECT CAST(CAST(city AS BIGINT) * n AS INT) AS c FROM ({GROUPED}) AS q",
    f"SELECT n + 1 AS k, SUM(n) * 2 AS s, (n + 1) * 2 AS d FROM ({GROUPED}) AS q GROUP BY n + 1 ORDER BY 1",
    f"SELECT grp, MAX(n * n) AS m, AVG(s * s) AS a FROM ({GROUPED}) AS q GROUP BY grp HAVING SUM(n * n) > 0",
    f"SELECT n FROM ({GROUPED}) AS q WHERE n * n > 5 AND n % (n - n) = 0 ORDER BY n * n, -n LIMIT 3",
    f"SELECT a.n * b.n AS m FROM ({GROUPED}) AS a JOIN ({GROUPED}) AS b ON a.n * 2 = b.n * 3",
    "SELECT date_trunc('year', d) + INTERVAL 999999 YEAR AS x"
    " FROM (SELECT born AS d, COUNT(*) AS n FROM people GROUP BY born) AS q",
]
TEXTS = {Kind.TEXT: "9" * 30, Kind.BOOLEAN: True}


def _extreme(boundary: Boundary, number: int | None) -> pa.Table:
    columns: dict[str, Any] = {}
    for key in boundary.keys:
        value = TEXTS.get(key.typed.kind or Kind.TEXT)
        columns[key.name] = pa.array([value] * 3)
        if key.typed.kind is Kind.DATE:
            columns[key.name] = pa.array([2**30, -(2**30), None], pa.int32()).view(pa.date32())
    for m in boundary.measures:
        if m.decimal:
            unit = Decimal(10) ** -m.scale
            values = [None if number is None else number * unit, Decimal(0), None]
            columns[m.name] = pa.array(values, pa.decimal128(38, m.scale))
        else:
            columns[m.name] = pa.array([number, 0, None], pa.int64())
    return pa.table(columns)


@pytest.mark.parametrize("sql", QUESTIONS)
def test_no_noisy_number_makes_post_processing_raise(sql: str) -> None:
    question = rewritten(sql, WORLD)
    boundaries = tuple(
        PricedBoundary(b, tuple(Noise(m, Silent(), Decimal(1), MOST) for m in b.measures), 0)  # type: ignore[arg-type]
        for b in question.analyzed.boundaries
    )
    priced = Priced(question, Decimal(1), Loss(Decimal(1), Decimal(1), Decimal(0)), (), boundaries)
    rehearse(question, 30)
    for number in (MOST, -MOST, 2**63 - 1, -(2**63), 0, 1, None):
        tables = {b.boundary.name: _extreme(b.boundary, number) for b in boundaries}
        post_process(question, priced, Noised(tables), 30)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(*) > 'abc' AS x FROM people",
        f"SELECT SUM(city) AS x FROM ({GROUPED}) AS q",
        f"SELECT city = n AS x FROM ({GROUPED}) AS q",
        f"SELECT n FROM ({GROUPED}) AS q WHERE city",
        f"SELECT a.n FROM ({GROUPED}) AS a JOIN ({GROUPED}) AS b ON a.city > b.n",
        "SELECT LOWER(size) AS x FROM regions",
    ],
)
def test_what_cannot_run_is_refused_before_it_is_paid_for(sql: str) -> None:
    question = rewritten(sql, WORLD)
    with pytest.raises(SandboxError) as refused:
        rehearse(question, 30)
    assert refused.value.code is ErrorCode.SQL_TYPE
