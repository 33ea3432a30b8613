"""What the corpus is answered, with noise off, is what plain DuckDB answers over the same rows."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from sandbox.policy.published import Published, Version
from sandbox.policy.types import TablePolicy
from sandbox.query.parse import parse
from tests.query import equivalence
from tests.query.corpus import Question, questions, refusal, world
from tests.query.test_corpus import engine_of
from tests.query.world import silent_answer

TIES = "rows that compare equal come in any order"
EMPTY = "a window, or a mean of answers, also runs over public groups that no row is in"
CELLS = "quantiles come from cells of the value's range"
FAN_OUT = "of the open rows that a unit's row meets, as many count as the policy bounds"
DIFFERENT = {
    "The three most frequent occupations of each sex": TIES,
    "The most frequent age": TIES,
    "Change against the year before": TIES,
    "Change of spending from year to year": TIES,
    "Cumulative deaths by year of follow-up": EMPTY,
    "行业内按省份排名": EMPTY,
    "A moving mean of daily flights": EMPTY,
    "Growth from month to month": EMPTY,
    "Turnover so far in the year": EMPTY,
    "Three-month means of value": EMPTY,
    "Turnover by quarter with a running total": EMPTY,
    "Growth against the month before": EMPTY,
    "A mean day of the holidays and of other days": EMPTY,
    "Median of the median gap by size": CELLS,
    "Quantiles of the gap": CELLS,
    "Mean value of an invoice": CELLS,
    "The median price by country": CELLS,
    "各级城市的企业": FAN_OUT,
}
NEAR = 0.002  # of a quantile's value: cells are at most that wide where it is not said otherwise
ANSWERED = [q for q in questions() if refusal(q) is None]


@pytest.mark.parametrize(
    "question",
    [q for q in ANSWERED if q.wanted not in DIFFERENT],
    ids=lambda q: f"{q.dataset}: {q.wanted}",
)
def test_an_answer_is_that_of_plain_duckdb(question: Question, monkeypatch: pytest.MonkeyPatch) -> None:
    exactly = equivalence.same

    def near(ours: object, plain: object) -> bool:
        if exactly(ours, plain):
            return True
        numbers = (ours, plain)
        if any(n is None or isinstance(n, str | bool) for n in numbers):
            return False
        try:
            a, b = (float(n) for n in numbers)  # type: ignore[arg-type]
        except TypeError:
            return False
        return abs(a - b) <= NEAR * max(1.0, abs(b))

    monkeypatch.setattr(equivalence, "same", near)
    connection, relations = engine_of(question.dataset)
    answer = silent_answer(question.sql, roomy(question.dataset), connection, relations)
    tree = parse(question.sql, 65_536).tree
    if tree.args.get("limit") is not None:
        equivalence.assert_best(question.sql, answer.table, connection)
        return
    tree.set("order", None)  # ties; what is ordered is compared by the property tests
    equivalence.assert_rows(tree.sql("duckdb"), answer.table, connection)


def test_what_differs_is_asked_and_answered() -> None:
    assert DIFFERENT.keys() <= {q.wanted for q in ANSWERED}
    assert len(ANSWERED) - len(DIFFERENT) >= 240


@cache
def roomy(dataset: str) -> Published:
    """The dataset's policy with bounds that no made-up unit reaches, and no least group."""
    published = world(dataset)
    version = published.policies[dataset]
    policy = version.content.model_copy(
        update={
            "tables": {name: _roomy(table) for name, table in version.content.tables.items()},
            "privacy": version.content.privacy.model_copy(update={"minimum_group": 0}),
        }
    )
    return replace(published, policies={dataset: Version(version.digest, policy)})


def _roomy(table: TablePolicy) -> TablePolicy:
    bounds = table.bounds
    if bounds is None or bounds.rows_per_unit == 1:
        return table
    fields = ("rows_per_unit", "groups_per_unit", "rows_per_group")
    wide = {name: 64 for name in fields if getattr(bounds, name) is not None}
    return table.model_copy(update={"bounds": bounds.model_copy(update=wide)})
