from __future__ import annotations

import pytest
import sqlglot
from sqlglot import exp

from sandbox.query.meaning import meaning
from sandbox.query.parse import DIALECT


def tree(sql: str) -> exp.Select:
    found = sqlglot.parse_one(sql, dialect=DIALECT)
    assert isinstance(found, exp.Select)
    return found


ROWS = "(SELECT {0}.x FROM t AS {0} WHERE {0}.x > 1) AS {0}"
INNER = f"SELECT {{0}}.x AS x, {{1}}.y AS y FROM {ROWS} CROSS JOIN u AS {{1}}"


def test_what_sources_are_called_means_nothing() -> None:
    said = {
        meaning(tree(INNER.format(*names))) for names in (("a", "b"), ("b", "a"), ("s1", "s0"), ("x", "y"))
    }
    assert len(said) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT a.x FROM t AS a, u AS b", "SELECT b.x FROM t AS a, u AS b"),
        ("SELECT a.x FROM t AS a", "SELECT a.y FROM t AS a"),
        ("SELECT a.x FROM t AS a", "SELECT a.x FROM u AS a"),
        ("SELECT a.x AS p FROM t AS a", "SELECT a.x AS q FROM t AS a"),
        ("SELECT 1 FROM t", "SELECT '1' FROM t"),
        ("SELECT x FROM t", "SELECT DISTINCT x FROM t"),
        ("SELECT 'a,b' FROM t", "SELECT 'a', 'b' FROM t"),
        ("SELECT '''' FROM t", """SELECT '"' FROM t"""),
        ("SELECT x - (y - z) FROM t", "SELECT x - y - z FROM t"),
        ("SELECT x FROM t ORDER BY x", "SELECT x FROM t ORDER BY x DESC"),
        ("SELECT CAST(x AS INT) FROM t", "SELECT TRY_CAST(x AS INT) FROM t"),
        ("SELECT CAST(x AS DECIMAL(5, 2)) FROM t", "SELECT CAST(x AS DECIMAL(5, 3)) FROM t"),
        ('SELECT "s0".x FROM t AS a', "SELECT a.x FROM t AS a"),
        ("SELECT x FROM t AS a WHERE x IN (1, 2)", "SELECT x FROM t AS a WHERE x IN (1)"),
    ],
)
def test_what_differs_says_different_things(one: str, other: str) -> None:
    assert meaning(tree(one)) != meaning(tree(other))


def test_a_tree_is_not_changed_and_parts_can_be_left_out() -> None:
    read = tree("SELECT a.x AS x FROM t AS a WHERE a.y = 1")
    before = read.sql(DIALECT)
    same, different = tree("SELECT b.z AS z FROM t AS b"), tree("SELECT b.z AS z FROM u AS b")
    bare = meaning(read, starred=[read], without=[read.args["where"]])
    assert bare == meaning(same, starred=[same])
    assert bare != meaning(different, starred=[different])
    assert read.sql(DIALECT) == before
