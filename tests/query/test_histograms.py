"""HISTOGRAM and MODE: priced, bounded and counted as the GROUP BY that they stand for; how they are shown.

The neighbour property, equivalence and the fixtures draw them, too.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from sandbox.errors import ErrorCode, SandboxError
from sandbox.privacy.ledger import Ledger
from sandbox.query.boundary import Boundary
from sandbox.query.folds import folded
from sandbox.query.histograms import Fold
from sandbox.query.postprocess import Processed
from sandbox.query.present import estimate_of, numbers
from tests.query.pricing import answered, ledger, priced, world
from tests.query.world import (
    Rows,
    engine,
    exact_tables,
    found_world,
    published,
    random_rows,
    rewritten,
    silent_answer,
)

# Of values that are never NULL: NULL is a group, but in no cell.
GRP, KIND, LATER = "COALESCE(grp, 'c')", "COALESCE(kind, 's')", "COALESCE(days > 0, FALSE)"
PAIRS = [
    (f"SELECT HISTOGRAM({GRP}) FROM people", f"SELECT {GRP}, COUNT(*) FROM people GROUP BY 1"),
    (f"SELECT MODE({GRP}) FROM people", f"SELECT {GRP}, COUNT(*) FROM people GROUP BY 1"),
    (
        f"SELECT member, HISTOGRAM({GRP}), MODE({GRP}) FROM people GROUP BY member",
        f"SELECT member, {GRP}, COUNT(*) FROM people GROUP BY 1, 2",
    ),
    (
        f"SELECT kind, HISTOGRAM({LATER}) FROM visits GROUP BY kind",
        f"SELECT kind, {LATER}, COUNT(*) FROM visits GROUP BY 1, 2",
    ),
    (f"SELECT HISTOGRAM({KIND}) FROM visits", f"SELECT {KIND}, COUNT(*) FROM visits GROUP BY 1"),
    (
        f"SELECT HISTOGRAM({GRP}) FROM people JOIN visits ON id = pid",
        f"SELECT {GRP}, COUNT(*) FROM people JOIN visits ON id = pid GROUP BY 1",
    ),
]
BOUNDS = [(6, 2, 3), (2, 2, 2), (64, 64, 64), (9, 1, 4)]


def _counts(sql: str, *bounds: int) -> Boundary:
    return rewritten(sql, published(*bounds)).analyzed.boundaries[-1]


@pytest.mark.parametrize("bounds", BOUNDS, ids=str)
@pytest.mark.parametrize(("cell", "grouped"), PAIRS, ids=[cell for cell, _ in PAIRS])
def test_counts_are_bounded_as_those_of_the_group_by(
    cell: str, grouped: str, bounds: tuple[int, int, int]
) -> None:
    """Groups and rows of a unit, and what it moves in either norm."""
    ours, theirs = _counts(cell, *bounds), _counts(grouped, *bounds)
    (mine,), (its,) = ours.measures, theirs.measures
    assert ours.sensitivity(mine) == theirs.sensitivity(its)
    assert (ours.domain, ours.groups, ours.limit_groups) == (
        theirs.domain,
        theirs.groups,
        theirs.limit_groups,
    )
    assert (ours.once, ours.by_row, ours.unit) == (theirs.once, theirs.by_row, theirs.unit)
    assert replace(mine, label="") == replace(its, label="")


@pytest.mark.parametrize(("cell", "grouped"), PAIRS, ids=[cell for cell, _ in PAIRS])
def test_a_cell_costs_what_the_group_by_costs(cell: str, grouped: str, tmp_path: Path) -> None:
    """The whole epsilon goes to the counts, and their noise is the same."""
    books = ledger(tmp_path)
    ours, theirs = (priced(sql, world(), books) for sql in (cell, grouped))
    (mine,) = (n for b in ours.boundaries for n in b.noise)
    (its,) = (n for b in theirs.boundaries for n in b.noise)
    assert ours.loss.epsilon == theirs.loss.epsilon
    assert ours.loss.delta == theirs.loss.delta == 0
    assert (mine.epsilon, mine.mechanism, mine.half_width) == (its.epsilon, its.mechanism, its.half_width)


@pytest.mark.parametrize(("cell", "grouped"), PAIRS, ids=[cell for cell, _ in PAIRS])
def test_a_cell_counts_what_the_group_by_counts(cell: str, grouped: str) -> None:
    with engine(random_rows(5, 60, 4, clean=True)) as connection:
        mine = exact_tables(rewritten(cell, published(64, 64, 64)), connection)[-1]
        its = exact_tables(rewritten(grouped, published(64, 64, 64)), connection)[-1]

    def keyed(table: pa.Table) -> dict[tuple[object, ...], int]:
        return {tuple(row)[:-1]: row[-1] for row in zip(*table.to_pydict().values(), strict=True) if row[-1]}

    assert keyed(mine) == keyed(its)


@pytest.mark.parametrize("group", ["", "member", "grp"])
def test_a_mode_is_counted_most(group: str) -> None:
    """Any of equals may be it for plain DuckDB; here it is the first of them in the declared order."""
    keys = f"{group}, " if group else ""
    by = f" GROUP BY {group}" if group else ""
    with engine(random_rows(3, 90, 0, clean=True)) as connection:
        ours = silent_answer(
            f"SELECT {keys}MODE(age // 10) AS m FROM people{by}", published(), connection
        ).table
        plain = connection.sql(
            f"SELECT {keys}age // 10 AS v, COUNT(*) AS n FROM people WHERE age IS NOT NULL GROUP BY ALL"
        ).fetchall()
    counts: dict[object, Counter[int]] = {}
    for *of, value, n in plain:
        counts.setdefault(of[0] if of else None, Counter())[value] = n
    assert counts
    for row in ours.to_pylist():
        known = counts.get(row.get(group))
        best = None if known is None else min(v for v, n in known.items() if n == max(known.values()))
        assert row["m"] == best


def test_nobody_counts_nowhere() -> None:
    """Every public value appears all the same, and no value is the mode."""
    with engine(Rows((), ())) as connection:
        sql = "SELECT grp, HISTOGRAM(member) AS h, MODE(member) AS m FROM people GROUP BY grp"
        answer = silent_answer(sql, published(), connection).table
    assert answer.column("h").to_pylist() == [[(False, 0), (True, 0)]] * 4
    assert answer.column("m").to_pylist() == [None] * 4


def _people(*rows: tuple[int, str | None, int]) -> Rows:
    return Rows(
        tuple((u, u, age, None, None, True, grp, "rome", None, "s", 1, "x") for u, grp, age in rows), ()
    )


def test_null_and_what_is_on_no_list_are_in_no_cell() -> None:
    with engine(_people((1, "a", 1), (2, None, 2), (3, "?", 3), (4, "a", 1000))) as connection:
        answer = silent_answer(
            "SELECT HISTOGRAM(grp) AS h, HISTOGRAM(age, [1, 2]) AS b FROM people", published(), connection
        ).table
    assert answer.to_pylist() == [
        {"h": [("a", 2), ("b", 0), ("c", 0)], "b": [(1, 1), (2, 1), (2**63 - 1, 2)]}
    ]


@pytest.mark.parametrize(
    ("call", "labels", "kind"),
    [
        ("HISTOGRAM(age, [3, 1, 3])", [1, 3, 2**63 - 1], pa.int64()),
        ("HISTOGRAM(score, [-1.5, 2])", [-1.5, 2.0, float("inf")], pa.float64()),
        ("HISTOGRAM(weight, [50])", [50.0, float("inf")], pa.float64()),
        ("HISTOGRAM(city, ['r', 'm'])", ["m", "r", ""], pa.string()),
        ("HISTOGRAM(born, [DATE '2000-01-01'])", [date(2000, 1, 1), date.max], pa.date32()),
        ("HISTOGRAM(born, ['2000-01-01'])", [date(2000, 1, 1), date.max], pa.date32()),
        (
            "HISTOGRAM(CAST(born AS TIMESTAMP), [TIMESTAMP '2000-01-01 12:00:00'])",
            [datetime(2000, 1, 1, 12), datetime.max],
            pa.timestamp("us"),
        ),
        ("HISTOGRAM(member)", [False, True], pa.bool_()),
        ("HISTOGRAM(LENGTH(city))", None, None),
    ],
)
def test_a_cell_is_a_map_as_duckdb_has_it(call: str, labels: list[object] | None, kind: pa.DataType) -> None:
    """A bin is named by its upper border, and the one above all by the greatest value of its kind."""
    with engine(random_rows(5, 40, 0, clean=True)) as connection:
        if labels is None:
            with pytest.raises(SandboxError, match="public values"):
                silent_answer(f"SELECT {call} AS h FROM people", published(), connection)
            return
        ours = silent_answer(f"SELECT {call} AS h FROM people", published(), connection).table.column("h")
        ((plain,),) = connection.sql(f"SELECT {call} AS h FROM people").fetchall()
    assert ours.type == pa.map_(kind, pa.int64())
    assert [key for key, _ in ours[0].as_py()] == labels
    assert {k: n for k, n in ours[0].as_py() if n} == {k: n for k, n in plain.items() if n}


def _shown(sql: str, rows: Rows, books: Ledger, **settings: int) -> tuple[Processed, int]:
    asked = priced(sql, world(**settings), books, "10")
    half = max(n.half_width for b in asked.boundaries for n in b.noise)
    with engine(rows) as connection:
        return answered(asked, connection), half


def test_every_count_has_the_half_width_of_the_group_by(tmp_path: Path) -> None:
    """Estimate and answer say the same; of 300 to 100, noise of a few units does not change the mode.

    Laplace passes k half-widths with probability 20**-k; counts lie further than 30 of them apart.
    """
    rows = _people(*((u, "a" if u > 100 else "b", 5) for u in range(1, 401)))
    sql = "SELECT HISTOGRAM(grp) AS h, MODE(grp) AS m FROM people"
    books = ledger(tmp_path)
    asked = priced(sql, world(), books, "1")
    estimate = estimate_of(asked.rewritten.analyzed, asked, books)
    half = asked.boundaries[-1].noise[0].half_width
    assert [(c.name, c.half_width, c.mechanism) for c in estimate.columns] == [
        ("h", float(half), "laplace"),
        ("m", None, "derived"),
    ]
    with engine(rows) as connection:
        answer = answered(asked, connection)
    assert answer.errors.to_pylist() == [{"h": float(half)}]
    cell = dict(answer.table.column("h")[0].as_py())
    assert abs(cell["a"] - 300) <= 8 * half
    assert abs(cell["b"] - 100) <= 8 * half
    assert answer.table.column("m").to_pylist() == ["a"]


def test_a_least_group_hides_the_counts_below_it(tmp_path: Path) -> None:
    """As in GROUP BY: NULL, where the noisy count of units is under the floor. Noise never comes to 100."""
    rows = _people(*((u, "a", 5) for u in range(1, 401)))
    sql = "SELECT HISTOGRAM(grp) AS h, MODE(grp) AS m FROM people"
    answer, half = _shown(sql, rows, ledger(tmp_path), minimum_group=100)
    cell = dict(answer.table.column("h")[0].as_py())
    assert abs(cell.pop("a") - 400) <= 8 * half
    assert cell == {"b": None, "c": None}
    assert answer.table.column("m").to_pylist() == ["a"]


def test_groups_that_the_data_names_hold_what_passed_the_threshold(tmp_path: Path) -> None:
    """Cells have partition selection of their own there: a value that one unit has is not told."""
    rows = Rows(
        tuple(
            (u, u, 5, None, None, True, "a" if u > 1 else "b", "rome" if u > 2 else "oslo", None, "s", 1, "x")
            for u in range(1, 401)
        ),
        (),
    )
    sql = "SELECT city, HISTOGRAM(grp) AS h, MODE(grp) AS m FROM people GROUP BY city"
    answer, _ = _shown(sql, rows, ledger(tmp_path))
    assert answer.table.column("city").to_pylist() == ["rome"]
    assert [key for key, _ in answer.table.column("h")[0].as_py()] == ["a"]
    assert answer.table.column("m").to_pylist() == ["a"]


def test_clamps_that_are_found_apply_to_cells() -> None:
    counts = rewritten("SELECT HISTOGRAM(kind) FROM visits", found_world(64, 64, 64)).analyzed.boundaries[-1]
    assert counts.measures[0].found


def test_a_question_with_other_labels_is_another_question() -> None:
    """Same counts, other names of the bins; and a mode is no histogram."""
    calls = ["HISTOGRAM(age, [1, 2])", "HISTOGRAM(age, [1, 3])", "HISTOGRAM(grp)", "MODE(grp)"]
    found = {rewritten(f"SELECT {call} FROM people", published()).fingerprint for call in calls}
    assert len(found) == len(calls)
    spelled = ["histogram(age, [2, 1, 1])", 'HISTOGRAM("age", [1, 2])']
    assert {
        rewritten(f"SELECT {call} AS other FROM people", published()).fingerprint for call in spelled
    } <= found


def test_equal_values_share_one_count() -> None:
    sql = "SELECT HISTOGRAM(grp), MODE(grp), HISTOGRAM(grp), MODE(age), COUNT(*) FROM people"
    analyzed = rewritten(sql, published()).analyzed
    assert len(analyzed.boundaries) == 3
    assert len(analyzed.folds) == 3


def test_no_more_numbers_than_are_drawn() -> None:
    """Cells count in what one question may draw, as groups do."""
    calls = [f"HISTOGRAM(age + {i})" for i in range(199)]
    assert rewritten(f"SELECT age, {', '.join(calls[:190])} FROM people GROUP BY age", published())
    with pytest.raises(SandboxError) as refused:
        rewritten(f"SELECT age, {', '.join(calls)} FROM people GROUP BY age", published())
    assert refused.value.code is ErrorCode.SQL_TOO_LARGE


def test_the_numbers_of_a_cell_are_those_that_a_wanted_error_is_about() -> None:
    class Answer:
        table = pa.table({"h": pa.array([[("a", 3), ("b", None)]], pa.map_(pa.string(), pa.int64()))})
        errors = pa.table({"h": [2.0]})

    assert list(numbers(Answer, 0)) == [(3.0, 2.0)]  # type: ignore[arg-type]


def test_folding_reads_nothing_but_counts() -> None:
    """One row of the table for each group, in its order; the first of equal counts is the mode."""
    question = rewritten("SELECT grp, HISTOGRAM(member), MODE(member) FROM people GROUP BY grp", published())
    folds: tuple[Fold, ...] = question.analyzed.folds
    tables = {
        "noisy_0": pa.table({"k0": ["b", "a"]}),
        "noisy_0_0": pa.table({"k0": ["a", "a", "b"], "k1": [False, True, True], "m0": [7, 7, -1]}),
    }
    made = folded(tables, folds)["noisy_0"].to_pylist()
    assert made == [
        {"k0": "b", "c0": [(True, -1)], "c1": None},
        {"k0": "a", "c0": [(False, 7), (True, 7)], "c1": False},
    ]
