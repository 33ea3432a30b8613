"""What a question does with a column where a LEFT JOIN leaves NULL behind: whether a row met, no more."""

from __future__ import annotations

import pytest

from sandbox.errors import ErrorCode, SandboxError
from tests.query.equivalence import assert_rows
from tests.query.test_neighbours import assert_bounded
from tests.query.world import engine, published, random_rows, rewritten, silent_answer

WITHOUT = "SELECT grp, COUNT(*) AS n, SUM(age) AS s FROM people LEFT JOIN visits ON {} WHERE {} GROUP BY grp"
# Of both tables the unit's column may be joined on and nothing else.
MET = [
    WITHOUT.format("id = pid", "pid IS NULL"),
    WITHOUT.format("pid = id AND kind = 'p'", "pid IS NULL AND age > 20"),
    WITHOUT.format("id = pid AND days > 0", "(pid IS NOT NULL OR age > 50)"),
    "SELECT COUNT_IF(pid IS NULL) AS n, COUNT(*) FILTER (WHERE pid IS NOT NULL) AS m "
    "FROM people LEFT JOIN visits ON id = pid",
    "SELECT CASE WHEN pid IS NULL THEN 'never' ELSE 'ever' END AS k, COUNT(DISTINCT id) AS n "
    "FROM people LEFT JOIN visits ON id = pid GROUP BY k",
    "SELECT AVG(age) AS m FROM (SELECT age, v.who FROM people LEFT JOIN (SELECT pid AS who FROM visits "
    "WHERE cost > 2) AS v ON id = v.who) AS q WHERE who IS NULL",
]
MORE = [
    # By value, or what is computed from it: one person could be singled out.
    WITHOUT.format("id = pid", "pid = 7"),
    WITHOUT.format("id = pid", "NULLIF(pid, 7) IS NULL"),
    WITHOUT.format("id = pid", "pid + 0 IS NULL"),
    WITHOUT.format("id = pid", "pid IN (NULL, 7)"),
    WITHOUT.format("id = pid", "(pid > 7) IS NULL"),
    WITHOUT.format("id = pid AND pid = 7", "pid IS NULL"),
    # The own side, and an inner join, are not what a join left behind.
    WITHOUT.format("id = pid", "id IS NULL"),
    "SELECT COUNT(*) AS n FROM people JOIN visits ON id = pid WHERE pid IS NULL",
    "SELECT COUNT(*) AS n FROM visits WHERE pid IS NULL",
]


@pytest.mark.parametrize("sql", MET)
def test_no_row_met_is_what_a_join_may_tell(sql: str) -> None:
    rows = random_rows(5, 40, 2, clean=True)
    with engine(rows) as connection:
        assert_rows(sql, silent_answer(sql, published(6, 2, 3), connection).table, connection)
    for seed in range(4):
        rows = random_rows(seed, 5, 6)
        for unit in rows.units[:3]:
            assert_bounded(sql, rows, (6, 2, 3), unit)


@pytest.mark.parametrize("sql", MORE)
def test_whatever_tells_more_of_the_column_is_a_condition_on_it(sql: str) -> None:
    with pytest.raises(SandboxError) as refused:
        rewritten(sql, published(6, 2, 3))
    assert refused.value.code is ErrorCode.COLUMN_USE
