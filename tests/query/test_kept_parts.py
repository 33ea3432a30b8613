"""Trees that have parts in common say what their copies say."""

from __future__ import annotations

import pytest
import sqlglot
from hypothesis import given
from sqlglot import exp

from sandbox.query.execute import sql_of
from sandbox.query.kept_parts import different, parts, replaced
from sandbox.query.meaning import digest
from sandbox.query.relations import column
from sandbox.query.shared_parts import shared
from tests.query.test_shared_parts import NUMBERS, select, values
from tests.query.world import published, rewritten

PART = column("m1", "noisy_0")
BY = exp.Paren(this=exp.Add(this=PART.copy(), expression=column("h", "noisy_0")))


def parsed(text: str) -> exp.Expr:
    return sqlglot.parse_one(text.replace("noisy_0.m1", '"noisy_0"."m1"'), read="duckdb")


@given(values())
def test_a_part_is_replaced_wherever_it_stands(text: str) -> None:
    tree = parsed(text)
    before = tree.sql("duckdb")
    written = before.replace('"noisy_0"."m1"', BY.sql("duckdb"))
    assert replaced(tree, PART, BY).sql("duckdb") == written
    assert tree.sql("duckdb") == before


def test_what_does_not_change_is_the_same_object() -> None:
    tree = parsed('CASE WHEN a > 0 THEN (b + c) * "noisy_0"."m1" ELSE d END')
    made = replaced(tree, PART, BY)
    old, new = tree.find(exp.Mul), made.find(exp.Mul)
    assert old is not None
    assert new is not None
    assert new.this is old.this
    assert made.args["default"] is tree.args["default"]
    assert replaced(tree, column("absent"), BY) is tree


def test_a_window_is_one_part_whatever_it_holds() -> None:
    tree = parsed('"noisy_0"."m1" / SUM("noisy_0"."m1") OVER ()')
    made = replaced(tree, PART, BY)
    assert made.sql("duckdb") == f'{BY.sql("duckdb")} / SUM("noisy_0"."m1") OVER ()'
    window = tree.find(exp.Window)
    assert window is not None
    assert replaced(tree, window, exp.Literal.number(1)).sql("duckdb") == '"noisy_0"."m1" / 1'


def test_every_object_is_met_once() -> None:
    part = parsed("a + b")
    tree = exp.Mul(this=part, expression=exp.Abs(this=part))
    assert sorted(map(id, different(tree))) == sorted({id(node) for node in tree.walk()})
    assert len(list(tree.walk())) > len(list(different(tree)))


@given(values(), values())
def test_kept_parts_are_named_as_copies_are(first: str, second: str) -> None:
    tree = select(first)
    value = tree.selects[0]
    other = parsed(second)
    tree.set("expressions", [value, exp.Add(this=value, expression=other), replaced(other, PART, value)])
    assert shared(tree, NUMBERS).sql("duckdb") == shared(tree.copy(), NUMBERS).sql("duckdb")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT kind, COUNT(*) AS n, AVG(days) AS d FROM visits GROUP BY kind",
        "SELECT MEDIAN(days) AS m FROM visits WHERE kind = 'p'",
        "SELECT COUNT(*) AS n FROM people JOIN visits ON id = pid",
    ],
)
def test_a_tree_stays_as_it_was_when_its_sql_is_written(sql: str) -> None:
    (exact, *_) = rewritten(sql, published()).exact
    for tree in exact.trees:
        relations = {table.name: f'"h1"."main"."{table.name}"' for table in parts(tree, exp.Table)}
        before, of_copy = digest(tree), sql_of(tree.copy(), relations)
        assert all(f'."{name}"' in of_copy for name in relations)
        assert [sql_of(tree, relations) for _ in range(2)] == [of_copy, of_copy]
        assert digest(tree) == before
        if relations:
            with pytest.raises(KeyError):
                sql_of(tree, {})
        assert digest(tree) == before
