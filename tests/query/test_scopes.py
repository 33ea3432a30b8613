"""Names mean what they meant where they were written: the decision and the execution see the same columns."""

from __future__ import annotations

import pytest

from sandbox.errors import ErrorCode, SandboxError
from tests.query.test_neighbours import assert_bounded
from tests.query.world import POLICY, Rows, engine, published, random_rows, rewritten, silent_answer

WORLD = published()


def test_a_cte_of_the_same_name_further_in_does_not_change_what_an_earlier_one_sums() -> None:
    """`filter_only` may not be summed: the decision saw SUM(age), so SUM(age) must run."""
    sql = """
    WITH a AS (SELECT age AS x FROM people), b AS (SELECT SUM(x) AS s FROM a)
    SELECT s FROM (WITH a AS (SELECT filter_only AS x FROM people WHERE filter_only > 1) SELECT s FROM b) AS q
    """
    (exact,) = rewritten(sql, WORLD).exact
    text = exact.tree.sql("duckdb")
    assert '"age"' in text
    assert "filter_only" not in text


def test_a_cte_sees_the_one_of_the_same_name_that_came_before() -> None:
    inner = "WITH a AS (SELECT age FROM a) SELECT * FROM a"
    sql = f"WITH a AS (SELECT age FROM people) SELECT COUNT(*) FROM ({inner}) AS q"
    assert len(rewritten(sql, WORLD).exact) == 1


@pytest.mark.parametrize(
    "sql",
    [
        "WITH a AS (SELECT * FROM a) SELECT COUNT(*) FROM a",
        "WITH a AS (SELECT age FROM b), b AS (SELECT age FROM people) SELECT COUNT(*) FROM a",
    ],
)
def test_a_cte_sees_neither_itself_nor_later_ones(sql: str) -> None:
    with pytest.raises(SandboxError) as refused:
        rewritten(sql, WORLD)
    assert refused.value.code is ErrorCode.SQL_NAME_UNKNOWN


def test_a_cte_that_is_named_twice_is_measured_once() -> None:
    sql = (
        "WITH n AS (SELECT COUNT(*) AS n FROM people) SELECT a.n - b.n AS zero FROM n AS a CROSS JOIN n AS b"
    )
    assert len(rewritten(sql, WORLD).analyzed.boundaries) == 1
    with engine(random_rows(1, 5, 2)) as connection:
        assert silent_answer(sql, WORLD, connection).table.to_pylist() == [{"zero": 0}]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(*) AS n, SUM(age) AS N FROM people",
        "SELECT SUM(q.x) AS s FROM (SELECT filter_only AS x, age AS x FROM people) AS q",
        "SELECT SUM(q.x) AS s FROM (SELECT age AS x, filter_only AS x FROM people) AS q",
        "SELECT COUNT(*) FROM people, people",
        "SELECT COUNT(*) FROM people AS a JOIN visits AS A ON a.id = a.pid",
    ],
)
def test_twins_are_refused(sql: str) -> None:
    """Which of two columns of one name is meant must not be left to two readers."""
    with pytest.raises(SandboxError) as refused:
        rewritten(sql, WORLD)
    assert refused.value.code is ErrorCode.SQL_NAME_AMBIGUOUS


def test_columns_of_the_answer_are_named_as_written() -> None:
    sql = 'SELECT AGE AS "Age", COUNT(*) AS Total, SUM(days) FROM people JOIN visits ON id = pid GROUP BY age'
    assert rewritten(sql, WORLD).analyzed.authorized.resolved.output == ("Age", "Total", "sum(days)")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT u, COUNT(*) AS n FROM (SELECT LEFT(CAST(id AS VARCHAR), 1) AS u FROM people) AS q GROUP BY u",
        "SELECT COUNT(*) FROM (SELECT id, LEFT(CAST(id AS VARCHAR), 1) AS x FROM people) AS a"
        " JOIN (SELECT pid, LEFT(CAST(pid AS VARCHAR), 1) AS y FROM visits) AS b"
        " ON a.id = b.pid AND a.x = b.y",
        "SELECT COUNT(*) FROM (SELECT CAST(id AS VARCHAR) AS x FROM people) AS a"
        " WHERE x IN (SELECT CAST(pid AS VARCHAR) FROM visits)",
    ],
)
def test_what_is_computed_from_the_unit_is_not_the_unit(sql: str) -> None:
    """`id` may be joined on; its digits may be neither grouped by nor compared."""
    with pytest.raises(SandboxError) as refused:
        rewritten(sql, WORLD)
    assert refused.value.code is ErrorCode.COLUMN_USE


def test_a_masked_unit_is_not_the_unit() -> None:
    masked = POLICY.replace(
        "id: {type: integer, use: join_only, nullable: false}",
        "id: {type: text, use: join_only, nullable: false, shown_as: {prefix: 1}}",
    )
    with pytest.raises(SandboxError) as refused:
        rewritten("SELECT id, COUNT(*) AS n FROM people GROUP BY id", published(policy=masked))
    assert refused.value.code is ErrorCode.COLUMN_USE


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT v.pid, COUNT(*) FROM people LEFT JOIN visits AS v ON id = v.pid GROUP BY 1", "column-use"),
    ],
)
def test_the_other_side_of_a_left_join_is_not_the_unit(sql: str, code: str) -> None:
    """Its column is NULL for a unit without a partner, who would be counted or grouped all the same."""
    with pytest.raises(SandboxError) as refused:
        rewritten(sql, WORLD)
    assert refused.value.code == code


def test_open_tables_are_joined_two_at_a_time() -> None:
    """One row meets all open rows of its key, so a third table could multiply its time once more."""
    joins = " ".join(f"JOIN regions AS r{i} ON people.city = r{i}.city" for i in range(3))
    with pytest.raises(SandboxError) as refused:
        rewritten(f"SELECT COUNT(*) AS n FROM people {joins}", published())
    assert refused.value.code is ErrorCode.SQL_JOIN


def test_a_missing_partner_is_in_no_list_whoever_else_is_in_it() -> None:
    """NULL IN (…) is FALSE for an empty list and NULL for any other: one person would move all the others."""
    sql = (
        "SELECT COUNT(*) AS n FROM people AS p LEFT JOIN visits AS v ON p.id = v.pid"
        " WHERE NOT v.pid IN (SELECT x.id FROM people AS x WHERE x.age > 40)"
    )
    people = [(unit, unit, age, *[None] * 9) for unit, age in ((1, 20), (2, 20), (3, 50))]
    assert_bounded(sql, Rows(tuple(p[:12] for p in people), ()), (1, 1, 1), 3)


def _fingerprints(*questions: str) -> set[str]:
    return {rewritten(sql, WORLD).fingerprint for sql in questions}


def test_names_that_a_question_gives_do_not_make_it_another() -> None:
    inner = "(SELECT city AS c, COUNT(*) AS n FROM people GROUP BY city)"
    assert len(_fingerprints(
        f"SELECT a.c, b.n FROM {inner} AS a JOIN {inner} AS b ON a.c = b.c ORDER BY a.c",
        f"SELECT y.c AS d, x.n AS m FROM {inner} AS y JOIN {inner} AS x ON y.c = x.c ORDER BY y.c",
    )) == 1  # fmt: skip
    assert len(_fingerprints(
        "SELECT SUM(v.days) AS s FROM people AS p JOIN visits AS v ON p.id = v.pid WHERE p.age > v.days",
        "SELECT SUM(p.days) AS t FROM people AS v JOIN visits AS p ON v.id = p.pid WHERE v.age > p.days",
    )) == 1  # fmt: skip


def test_what_names_refer_to_makes_another_question() -> None:
    both = "FROM people AS a JOIN people AS b ON a.id = b.id WHERE a.member"
    inner = "(SELECT city AS c, COUNT(*) AS n FROM people GROUP BY city)"
    questions = [
        f"SELECT SUM(a.age) AS s {both}",
        f"SELECT SUM(b.age) AS s {both}",
        f"SELECT SUM(a.age) AS s {both} AND b.member",
        f"SELECT SUM(a.age) AS s, SUM(b.age) AS t {both}",
        f"SELECT SUM(b.age) AS s, SUM(a.age) AS t {both}",
        f"SELECT a.n, b.n AS m FROM {inner} AS a JOIN {inner} AS b ON a.c = b.c",
        f"SELECT b.n, a.n AS m FROM {inner} AS a JOIN {inner} AS b ON a.c = b.c",
        f"SELECT a.n, b.n AS m FROM {inner} AS a JOIN {inner} AS b ON a.c < b.c",
        f"SELECT a.n, b.n AS m FROM {inner} AS a JOIN {inner} AS b ON a.c = b.c ORDER BY n",
        f"SELECT a.n, b.n AS m FROM {inner} AS a JOIN {inner} AS b ON a.c = b.c ORDER BY m",
        "SELECT grp AS a, COUNT(*) AS b FROM people GROUP BY grp ORDER BY a",
        "SELECT grp AS a, COUNT(*) AS b FROM people GROUP BY grp ORDER BY b",
    ]
    assert len(_fingerprints(*questions)) == len(questions)
