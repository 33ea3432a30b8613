"""Answers that follow from stored ones: free, marked, sums of what was released and of nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from sandbox.audit.bundle import export_bundle
from sandbox.audit.verify import verify_bundle
from sandbox.privacy.mechanisms import Gaussian, Laplace
from sandbox.query import pipeline
from sandbox.query.answer import Answer
from sandbox.query.cube import cube_of, follows
from sandbox.service import home as homes
from sandbox.service.home import Home
from tests.query.instance import context, li, load, make, open_instance
from tests.query.test_pipeline import ACCOUNT
from tests.query.world import published, rewritten

CUBE = (
    "SELECT grp, member, age > 50 AS old, COUNT(*) AS n, SUM(score) AS s, AVG(age) AS a"
    " FROM people WHERE filter_only < 8 GROUP BY grp, member, age > 50"
)
FROM = "FROM people WHERE filter_only < 8"
FOLLOW = [
    f"SELECT COUNT(*) AS n {FROM}",
    f"SELECT grp, COUNT(*) AS n {FROM} GROUP BY grp",
    f"SELECT member AS m, grp, SUM(score) / COUNT(*) AS r {FROM} GROUP BY 1, 2 ORDER BY r DESC LIMIT 3",
    f"SELECT COUNT(*) AS n {FROM} AND member",
    f"SELECT grp, SUM(score) AS s {FROM} AND age > 50 GROUP BY grp HAVING COUNT(*) > 10",
    f"SELECT SUM(score) AS s {FROM} AND grp IN ('a', 'b') AND NOT member",
    f"SELECT age > 50, grp, member, COUNT(*) AS n {FROM} GROUP BY ALL",
    "SELECT p.grp, COUNT(*) AS n FROM people AS p WHERE p.filter_only < 8 AND (p.member) GROUP BY p.grp",
    f"SELECT COUNT(DISTINCT id) AS n {FROM}",  # one row per unit: it is in one group
]
OTHER = [
    "SELECT COUNT(*) AS n FROM people",
    "SELECT COUNT(*) AS n FROM people WHERE filter_only < 7",
    f"SELECT COUNT(*) AS n {FROM} AND age > 40",
    f"SELECT AVG(age) AS a {FROM} AND age > 50",  # of values between 51 and 100: measured more exactly
    f"SELECT COUNT(*) AS n {FROM} AND (age > 50 OR score > 1)",
    f"SELECT SUM(weight) AS s {FROM}",
    f"SELECT city, COUNT(*) AS n {FROM} GROUP BY city",
    f"SELECT COUNT(*) AS n {FROM} AND id IN (SELECT pid FROM visits)",
    "SELECT COUNT(*) AS n FROM people JOIN visits ON id = pid WHERE filter_only < 8",
]


@pytest.mark.parametrize(("sql", "whether"), [(s, True) for s in FOLLOW] + [(s, False) for s in OTHER])
def test_what_follows_and_what_does_not(sql: str, whether: bool) -> None:
    cube = cube_of(rewritten(CUBE, published()).analyzed)
    assert cube is not None
    asked = rewritten(sql, published()).analyzed
    found = cube_of(asked) is not None and follows(asked, cube) is not None
    assert found is whether


def test_units_do_not_add_up_over_groups_that_share_them() -> None:
    cube = cube_of(
        rewritten("SELECT kind, COUNT(DISTINCT pid) AS u FROM visits GROUP BY kind", published()).analyzed
    )
    assert cube is not None
    units = rewritten("SELECT COUNT(DISTINCT pid) AS u FROM visits", published()).analyzed
    some = rewritten(
        "SELECT kind, COUNT(DISTINCT pid) AS u FROM visits WHERE kind = 'p' GROUP BY kind", published()
    )
    assert follows(units, cube) is None
    assert follows(some.analyzed, cube) is not None
    values = "SELECT {} COUNT(DISTINCT level) AS v FROM visits {}"
    cube = cube_of(rewritten(values.format("kind,", "GROUP BY kind"), published()).analyzed)
    assert cube is not None
    assert follows(rewritten(values.format("", ""), published()).analyzed, cube) is None


def test_groups_that_only_the_data_knows_or_that_a_floor_may_empty_are_no_cube() -> None:
    median = "SELECT grp, MEDIAN(age) AS m, COUNT(*) AS n FROM people GROUP BY grp"
    assert cube_of(rewritten(median, published()).analyzed) is None
    assert (
        cube_of(rewritten("SELECT place, COUNT(*) AS n FROM visits GROUP BY place", published()).analyzed)
        is None
    )
    two = "SELECT a.n - b.n AS d FROM (SELECT COUNT(*) AS n FROM people) AS a CROSS JOIN "
    assert cube_of(rewritten(two + "(SELECT COUNT(*) AS n FROM visits) AS b", published()).analyzed) is None


def test_rows_that_depend_on_each_other_take_no_further_condition() -> None:
    """A condition below a window would change what it counts; above it, it only leaves rows out."""
    rank = "ROW_NUMBER() OVER (PARTITION BY pid ORDER BY days, kind) AS r"
    by_kind = f"SELECT kind, SUM(LEAST(r, 3)) AS s FROM (SELECT kind, days, {rank} FROM visits {{}}) AS v"
    by_kind += " {} GROUP BY kind"
    cube = cube_of(rewritten(by_kind.format("", ""), published()).analyzed)
    assert cube is not None
    above = rewritten(by_kind.format("", "WHERE kind = 'p'"), published()).analyzed
    below = rewritten(by_kind.format("WHERE kind = 'p'", ""), published()).analyzed
    assert follows(above, cube) is not None
    assert follows(below, cube) is None


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    make(folder, units=3_000)
    return folder


@pytest.fixture
def home(prepared: Path, tmp_path: Path) -> Iterator[Home]:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    opened = open_instance(tmp_path)
    yield opened
    homes.close(opened)


def ask(home: Home, sql: str, epsilon: str) -> Answer:
    return pipeline.ask(pipeline.Question(sql, "g", li(home), Decimal(epsilon)), context(home))


def spent(home: Home) -> Decimal:
    pure = home.ledger.state(ACCOUNT).pure
    assert pure is not None
    return round(pure, 9)


def test_what_follows_is_free_marked_and_the_sum_of_what_was_released(home: Home, tmp_path: Path) -> None:
    cube = ask(home, CUBE, "6")
    before = spent(home)
    rows = cube.table.to_pylist()
    for sql in FOLLOW:
        answer = ask(home, sql, "0.1")
        assert answer.derived, sql
        assert answer.repeated
        assert answer.cost is None
        assert answer.question == cube.question
        assert "Derived" in answer.notes[0].en
    assert spent(home) == before
    whole = ask(home, FOLLOW[0], "0.1")
    assert whole.table.column("n").to_pylist() == [sum(r["n"] for r in rows)]
    (cell,) = set(cube.errors.column("n").to_pylist())
    width = whole.errors.column("n")[0].as_py()
    assert cell * len(rows) ** 0.5 <= width < cell * len(rows) ** 0.5 + 1
    members = ask(home, FOLLOW[3], "0.1")
    assert members.table.column("n").to_pylist() == [sum(r["n"] for r in rows if r["member"])]
    assert members.errors.column("n")[0].as_py() < width, "fewer cells, less noise"
    some = ask(home, FOLLOW[5], "0.1").table.column("s")[0].as_py()
    assert some == sum(r["s"] for r in rows if r["grp"] in ("a", "b") and r["member"] is False)
    old = ask(home, FOLLOW[4], "0.1").table.to_pylist()
    assert {r["grp"] for r in old} <= {"a", "b", "c", None}
    assert old
    for group in old:
        assert group["s"] == sum(r["s"] for r in rows if r["grp"] == group["grp"] and r["old"])
    export_bundle(home.store, tmp_path / "log")
    assert verify_bundle(tmp_path / "log").exit_code == 0


def test_who_asks_for_more_accuracy_pays_for_it(home: Home) -> None:
    ask(home, CUBE, "1")
    answer = ask(home, FOLLOW[0], "2")
    assert not answer.derived
    assert answer.cost is not None
    assert ask(home, FOLLOW[0], "0.01").repeated


def test_a_wanted_error_is_met_by_what_follows_or_paid_for(home: Home) -> None:
    ask(home, CUBE, "6")
    before = spent(home)

    def wanting(sql: str, within: str) -> Answer:
        return pipeline.ask(pipeline.Question(sql, "g", li(home), None, within), context(home))

    assert wanting(FOLLOW[0], "60").derived
    assert wanting(FOLLOW[1], "60").derived
    assert spent(home) == before
    finer = wanting(FOLLOW[0], "1")
    assert not finer.derived
    assert finer.errors.column("n")[0].as_py() <= 1
    assert before < spent(home) <= before + 4


def test_what_does_not_follow_is_charged(home: Home) -> None:
    ask(home, CUBE, "6")
    before = spent(home)
    for i, sql in enumerate(OTHER[:5]):
        assert not ask(home, sql, "0.01").repeated
        assert spent(home) == before + Decimal("0.01") * (i + 1)


def test_nothing_follows_for_another_version_of_the_data(home: Home, tmp_path: Path) -> None:
    ask(home, CUBE, "6")
    load(home, tmp_path, 3_000)
    assert not ask(home, FOLLOW[0], "0.01").repeated


@pytest.mark.parametrize("noise", [Laplace(40.0), Gaussian(40.0)])
@pytest.mark.parametrize("cells", [2, 3, 10, 100])
def test_the_half_width_of_a_sum_covers_95_percent(noise: Laplace | Gaussian, cells: int) -> None:
    """20,000 sums: a standard error is 0.16 %, so 94 % is passed by chance once in 10**10."""
    drawn = np.array(noise.add([0] * (20_000 * cells))).reshape(20_000, cells).sum(axis=1)
    covered = (np.abs(drawn) <= np.ceil(noise.half_width() * cells**0.5)).mean()
    assert 0.94 <= covered <= 0.98
