from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import duckdb
import pyarrow as pa
import pytest

from sandbox.query.half_widths import HALF_WIDTH
from sandbox.query.post_plan import PostPlan, plan_of
from sandbox.query.postprocess import rehearse
from tests.query.world import published, rewritten

SCHEMA = pa.schema([pa.field("k", pa.string()), pa.field("m", pa.int64()), pa.field("__w_m", pa.float64())])
TEXT = 'SELECT k, m * 2 AS d, "__w_m" * 2 AS h FROM noisy_0 WHERE m > 0 ORDER BY k'


def table(*rows: tuple[str, int]) -> pa.Table:
    return pa.table([[k for k, _ in rows], [m for _, m in rows], [1.5] * len(rows)], schema=SCHEMA)


def test_a_plan_answers_from_the_tables_of_each_run() -> None:
    plan = plan_of(TEXT, (("noisy_0", SCHEMA),), 20)
    for rows in ([("b", 3), ("a", -1), ("a", 2**40)], [], [("z", 1)]):
        found = plan.run({"noisy_0": table(*rows)}, 20).to_pylist()
        assert found == [{"k": k, "d": 2 * m, "h": 3.0} for k, m in sorted(rows) if m > 0]
    assert plan is plan_of(TEXT, (("noisy_0", SCHEMA),), 20)


def test_a_plan_keeps_no_rows() -> None:
    plan = plan_of(TEXT, (("noisy_0", SCHEMA),), 20)
    plan.run({"noisy_0": table(("kept?", 7))}, 20)
    assert [stream.table.to_pylist()[0]["k"] for stream in plan._streams.values()] == ["a"]


def test_threads_take_turns() -> None:
    plan = plan_of(TEXT, (("noisy_0", SCHEMA),), 20)

    def ask(n: int) -> object:
        return plan.run({"noisy_0": table(("a", n))}, 20).column("d").to_pylist()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(1, 60))) == [[2 * n] for n in range(1, 60)]


def test_what_does_not_fit_is_told_apart_and_refused() -> None:
    plan = PostPlan(TEXT, {"noisy_0": table(("a", 1))}, 20)
    assert plan.fits({"noisy_0": table()})
    assert not plan.fits({"noisy_0": table().drop_columns(["m"])})
    assert not plan.fits({"noisy_0": table().set_column(1, "m", pa.array([], pa.int32()))})
    assert not plan.fits({"noisy_1": table()})
    with pytest.raises(duckdb.Error):
        plan_of("SELECT k + m FROM noisy_0 WHERE k = DATE '2000-01-01'", (("noisy_0", SCHEMA),), 20)


@pytest.mark.parametrize(
    ("sql", "planned"),
    [
        ("SELECT kind, COUNT(*) AS n, AVG(days) AS d FROM visits GROUP BY kind", True),
        ("SELECT SUM(days) AS d FROM visits", True),
        ("SELECT MAX(n) AS m FROM (SELECT kind, COUNT(*) AS n FROM visits GROUP BY kind)", False),
        (
            "SELECT n, RANK() OVER (ORDER BY n) AS r "
            "FROM (SELECT kind, COUNT(*) AS n FROM visits GROUP BY kind)",
            False,
        ),
        ("SELECT (SELECT COUNT(*) FROM visits) / (SELECT COUNT(*) FROM people) AS r", False),
    ],
)
def test_half_widths_are_columns_where_one_table_is_read_row_by_row(sql: str, planned: bool) -> None:
    question = rewritten(sql, published())
    rehearse(question, 30)
    assert (question.post.table is not None) is planned
    assert not planned or ("$w" not in question.post.text and HALF_WIDTH in question.post.text)
