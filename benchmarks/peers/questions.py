"""Ordinary questions about the NAFLD cohort, in SQL that DuckDB runs as it stands.

`{n}` is a day before all follow-up, another one each time: no answer is one that was stored.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PeerQuestion:
    """One question.

    Attributes:
        name: what it shows.
        sql: names of tables in braces, and `{n}`.
        keys: the leading columns that name a row; the others are the figures.

    """

    name: str
    sql: str
    keys: int = 0


QUESTIONS = (
    PeerQuestion("count", "SELECT COUNT(*) AS n FROM {people} WHERE futime > {n}"),
    PeerQuestion(
        "count by key", "SELECT male, COUNT(*) AS n FROM {people} WHERE futime > {n} GROUP BY male", 1
    ),
    PeerQuestion(
        "mean by key", "SELECT male, AVG(age) AS a FROM {people} WHERE futime > {n} GROUP BY male", 1
    ),
    PeerQuestion("sum", "SELECT SUM(futime) AS s FROM {people} WHERE futime > {n}"),
    PeerQuestion("sum of an expression", "SELECT SUM(age * 2) AS s FROM {people} WHERE futime > {n}"),
    PeerQuestion(
        "conditional sum",
        "SELECT male, SUM(CASE WHEN age > 60 THEN 1 ELSE 0 END) AS n FROM {people} "
        "WHERE futime > {n} GROUP BY male",
        1,
    ),
    PeerQuestion("standard deviation", "SELECT STDDEV(age) AS d FROM {people} WHERE futime > {n}"),
    PeerQuestion("median", "SELECT MEDIAN(age) AS m FROM {people} WHERE futime > {n}"),
    PeerQuestion("correlation", "SELECT CORR(age, futime) AS c FROM {people} WHERE futime > {n}"),
    PeerQuestion(
        "keys from the data", "SELECT age, COUNT(*) AS n FROM {people} WHERE futime > {n} GROUP BY age", 1
    ),
    PeerQuestion(
        "bands",
        "SELECT CASE WHEN age < 40 THEN 'a' WHEN age < 65 THEN 'b' ELSE 'c' END AS band, COUNT(*) AS n "
        "FROM {people} WHERE futime > {n} "
        "GROUP BY CASE WHEN age < 40 THEN 'a' WHEN age < 65 THEN 'b' ELSE 'c' END",
        1,
    ),
    PeerQuestion(
        "subtotals",
        "SELECT male, status, COUNT(*) AS n FROM {people} WHERE futime > {n} GROUP BY ROLLUP (male, status)",
        2,
    ),
    PeerQuestion(
        "rank above the noise",
        "SELECT male, n FROM (SELECT male, n, RANK() OVER (ORDER BY n DESC) AS r FROM "
        "(SELECT male, COUNT(*) AS n FROM {people} WHERE futime > {n} GROUP BY male) AS t) AS u WHERE r <= 2",
        1,
    ),
    PeerQuestion(
        "many rows of a person",
        "SELECT test, COUNT(*) AS n FROM {labs} WHERE days > {n} * 1000 GROUP BY test",
        1,
    ),
    PeerQuestion(
        "mean over many rows",
        "SELECT test, AVG(value) AS a FROM {labs} WHERE days > {n} * 1000 GROUP BY test",
        1,
    ),
    PeerQuestion(
        "persons by key",
        "SELECT test, COUNT(DISTINCT id) AS n FROM {labs} WHERE days > {n} * 1000 GROUP BY test",
        1,
    ),
    PeerQuestion("distinct values", "SELECT COUNT(DISTINCT test) AS n FROM {labs} WHERE days > {n} * 1000"),
    PeerQuestion(
        "join",
        "SELECT p.male, COUNT(*) AS n FROM {people} AS p JOIN {labs} AS l ON p.id = l.id "
        "WHERE p.futime > {n} GROUP BY p.male",
        1,
    ),
    PeerQuestion(
        "mean of a person's count",
        "WITH t AS (SELECT id, COUNT(*) AS n FROM {labs} WHERE days > {n} * 1000 GROUP BY id) "
        "SELECT AVG(n) AS a FROM t",
    ),
    PeerQuestion(
        "exists",
        "SELECT COUNT(*) AS n FROM {people} AS p WHERE p.futime > {n} AND EXISTS "
        "(SELECT 1 FROM {labs} AS l WHERE l.id = p.id AND l.test = 'smoke')",
    ),
    PeerQuestion(
        "two answers in one",
        "SELECT 'people' AS what, COUNT(*) AS n FROM {people} WHERE futime > {n} "
        "UNION ALL SELECT 'labs' AS what, COUNT(*) AS n FROM {labs} WHERE days > {n} * 1000",
        1,
    ),
    PeerQuestion(
        "ratio of two answers",
        "SELECT (SELECT COUNT(*) FROM {people} WHERE status = 1 AND futime > {n}) * 1.0 / "
        "(SELECT COUNT(*) FROM {people} WHERE futime > {n}) AS r",
    ),
    PeerQuestion(
        "noisy having",
        "SELECT test, COUNT(*) AS n FROM {labs} WHERE days > {n} * 1000 "
        "GROUP BY test HAVING COUNT(*) > 20000",
        1,
    ),
)


def day(number: int) -> int:
    """A day before all follow-up (and, times 1,000, before all measurements)."""
    return -41 - number
