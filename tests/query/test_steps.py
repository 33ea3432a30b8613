"""What is told while a question runs: its step, and a share that depends on declarations alone."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from sandbox.query.execute import Executed
from sandbox.query.noise import noise
from sandbox.query.pipeline import Question, ask
from sandbox.query.steps import Step, steps_of
from sandbox.service import home as homes
from tests.query.instance import context, li, make, open_instance
from tests.query.pricing import ledger, priced, world
from tests.query.world import Rows, bucket_tables, engine, exact_tables, random_rows, rank_tables

Told = list[tuple[Step, int, int]]


def _told(sql: str, rows: Rows, folder: Path) -> Told:
    asked, said = priced(sql, world(), ledger(folder)), Told()
    with engine(rows) as connection:
        exact = Executed(
            tuple(exact_tables(asked.rewritten, connection)),
            (),
            tuple(bucket_tables(asked.rewritten, connection)),
            rank_tables(asked.rewritten, connection),
        )
    steps = steps_of(asked.rewritten.analyzed, lambda *step: said.append(step))
    steps.at(Step.COUNT)
    noise(asked, exact, steps)
    steps.at(Step.ANSWER)
    return said


@pytest.mark.parametrize(
    ("sql", "numbers"),
    [
        ("SELECT grp, COUNT(*), SUM(age) FROM people GROUP BY grp", 8),
        ("SELECT COUNT(*) FROM people", 1),
        ("SELECT age, age + 1 AS b, COUNT(*) FROM people GROUP BY ALL", 102 * 102),
        ("SELECT grp, HISTOGRAM(member), MEDIAN(age) FROM people GROUP BY grp", 8),
        ("SELECT grp, member, COUNT(*) FROM people GROUP BY ROLLUP (grp, member)", 12 + 4 + 1),
    ],
)
def test_the_same_is_told_whatever_the_rows_are(sql: str, numbers: int, tmp_path: Path) -> None:
    told = []
    for i, rows in enumerate((random_rows(1, 40, 0), Rows((), ()))):
        (tmp_path / str(i)).mkdir()
        told.append(_told(sql, rows, tmp_path / str(i)))
    assert told[0] == told[1]
    assert told[0][0] == (Step.COUNT, 0, numbers)
    assert told[0][-1] == (Step.ANSWER, numbers, numbers)
    shares = [done for step, done, total in told[0] if step is Step.NOISE and total == numbers]
    assert shares == sorted(shares)
    assert shares[-1] == numbers


def test_nothing_is_told_where_the_data_names_the_groups(tmp_path: Path) -> None:
    """Not even of the other part of the question: how long the noise takes would count the groups."""
    sql = (
        "SELECT city, COUNT(*) AS n FROM people GROUP BY city UNION ALL "
        "SELECT grp, COUNT(*) FROM people GROUP BY grp"
    )
    assert _told(sql, random_rows(1, 40, 0), tmp_path) == []


def test_the_one_who_asks_is_told_and_not_of_what_is_repeated(tmp_path: Path) -> None:
    make(tmp_path, units=20)
    home = open_instance(tmp_path)
    said = Told()
    question = Question("SELECT grp, COUNT(*) AS n FROM people GROUP BY grp", "g", li(home), Decimal(1))
    listening = replace(context(home), tell=lambda *step: said.append(step))
    ask(question, listening)
    assert [step for step, _, _ in said] == [Step.COUNT, Step.NOISE, Step.ANSWER]
    ask(question, listening)
    assert len(said) == 3
    homes.close(home)
