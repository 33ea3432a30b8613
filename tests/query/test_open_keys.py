"""Open tables joined by a declared key: bounds of the protected rows hold; otherwise they are enforced."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Via
from sandbox.query import pipeline
from sandbox.query.pipeline import Question
from sandbox.service import home as homes
from sandbox.service import loading, steward
from sandbox.service.reports import LoadRequest
from tests.query.instance import BOUNDED, BOUNDS, UNBOUNDED, context, li, make, open_instance
from tests.query.test_neighbours import assert_bounded
from tests.query.world import POLICY, published, random_rows, rewritten

WORLD = published(6, 6, 6)
KEYED = [
    "SELECT COUNT(*) FROM visits JOIN cities ON place = city",
    "SELECT COUNT(*) FROM visits, cities WHERE place = city AND days > 0",
    "SELECT COUNT(*) FROM visits LEFT JOIN cities ON city = place",
    "SELECT COUNT(*) FROM visits LEFT JOIN cities ON (city) = (place) AND size > 1",
    "SELECT COUNT(*) FROM visits, cities WHERE level = size AND kind = mark",
    "SELECT COUNT(*) FROM visits LEFT JOIN cities ON level = size WHERE kind = mark",
    "SELECT COUNT(*) FROM visits JOIN cities AS a ON place = a.city JOIN cities AS b ON a.city = b.city "
    "JOIN cities AS c ON c.city = b.city JOIN cities AS d ON d.city = a.city",
]
NOT_KEYED = [
    "SELECT COUNT(*) FROM visits JOIN regions ON place = city",  # declares none
    "SELECT COUNT(*) FROM visits JOIN cities ON level = size",  # half a key
    "SELECT COUNT(*) FROM visits JOIN cities ON kind = mark AND (place = city OR level = size)",
    "SELECT COUNT(*) FROM visits JOIN cities ON place = LOWER(city) AND level = size",
    "SELECT COUNT(*) FROM visits JOIN cities ON cost = size AND kind = mark",  # a decimal and a whole number
    "SELECT COUNT(*) FROM visits JOIN cities AS c ON level = c.size LEFT JOIN regions AS r ON place = r.city "
    "AND kind = mark",
    "SELECT COUNT(*) FROM visits JOIN cities AS a ON level = a.size JOIN cities AS b ON a.city = b.city",
]


@pytest.mark.parametrize("sql", KEYED)
def test_a_declared_key_adds_no_rows(sql: str) -> None:
    """One pass over the rows, no unit looked at apart; and no unit moves more than its rows."""
    question = rewritten(sql, WORLD)
    assert question.analyzed.boundaries[0].by_row
    assert {(key.dataset, key.table) for key in question.analyzed.keys} == {("w", "cities")}
    for seed in range(5):
        rows = random_rows(seed, 3, 9)
        for unit in rows.units:
            assert_bounded(sql, rows, (6, 6, 6), unit)


@pytest.mark.parametrize("sql", NOT_KEYED)
def test_what_is_no_whole_key_bounds_nothing(sql: str) -> None:
    question = rewritten(sql, WORLD)
    assert not question.analyzed.boundaries[0].by_row
    assert " AS b " in sql or not question.analyzed.keys


def test_open_tables_that_name_only_each_other_are_not_fixed() -> None:
    """Each one's key equals the other's: a row meets all of their pairs."""
    sql = "SELECT COUNT(*) FROM visits JOIN cities AS a ON level = a.size JOIN cities AS b ON a.city = b.city"
    question = rewritten(sql + " AND b.city = a.city", WORLD)
    assert not question.analyzed.boundaries[0].by_row


def test_a_mask_makes_keys_alike() -> None:
    masked = "      city: {type: text, use: open}\n      size: {type: integer, use: open}\n      mark"
    shown = masked.replace("open}", "open, shown_as: {prefix: 1}}", 1)
    world = published(6, 6, 6, POLICY.replace(masked, shown))
    question = rewritten(KEYED[0], world)
    assert not question.analyzed.boundaries[0].by_row
    assert not question.analyzed.keys


def test_one_row_of_a_unit_stays_one_row() -> None:
    sql = "SELECT size, COUNT(*) FROM people JOIN cities AS c ON people.city = c.city GROUP BY 1"
    question = rewritten(sql, WORLD)
    assert question.analyzed.boundaries[0].once


def test_a_version_that_was_not_checked_for_its_key_is_not_relied_on(tmp_path: Path) -> None:
    """Its rows may repeat the key, whatever the policy says since; an operator loads them again."""
    make(tmp_path, units=30)
    home = open_instance(tmp_path)
    policy = tmp_path / "papers" / "w.policy.yaml"
    rows = tmp_path / "cities.csv"
    rows.write_text("city,size,mark\noslo,1,p\noslo,2,p\n")
    operator = homes.actor(home, None, Via.CLI)
    text = POLICY.replace(UNBOUNDED, BOUNDED) % BOUNDS
    policy.write_text(text.replace("    checks: {unique: [[city], [size, mark]]}\n", ""))
    steward.publish(home, homes.actor(home, "wang", Via.CLI), policy)
    loading.load(home, operator, LoadRequest(str(rows), "w", "cities"))
    policy.write_text(text)
    steward.publish(home, homes.actor(home, "wang", Via.CLI), policy)
    sql = "SELECT COUNT(*) AS n FROM people JOIN cities ON people.city = cities.city"
    question = Question(sql, "g", li(home), Decimal(1))
    with pytest.raises(SandboxError) as refused:
        pipeline.ask(question, context(home))
    assert refused.value.code is ErrorCode.DATASET_UNKNOWN
    assert "load it again" in refused.value.hint
    with pytest.raises(SandboxError) as refused:
        loading.load(home, operator, LoadRequest(str(rows), "w", "cities"))
    assert refused.value.code is ErrorCode.LOAD_REFUSED
    rows.write_text("city,size,mark\noslo,1,p\nrome,2,p\n")
    loading.load(home, operator, LoadRequest(str(rows), "w", "cities"))
    assert pipeline.ask(question, context(home)).table.num_rows == 1
    version = home.catalog.current("w", "cities")
    assert version is not None
    assert version.unique == (("city",), ("size", "mark"))
    homes.close(home)
