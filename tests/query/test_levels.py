"""ROLLUP, CUBE and GROUPING SETS: levels share the price, agree with one another, and are honest about it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from sandbox.query.agree import agreed
from sandbox.query.families import Family, half_widths
from tests.query.pricing import answered, ledger, priced, world
from tests.query.test_neighbours import assert_bounded
from tests.query.world import Rows, engine, published, random_rows, rewritten, silent_answer

FAMILIES = [
    Family({"f": (0, 1), "a": (0,), "t": ()}, (4, 30), "f"),
    Family({"f": (1, 0), "a": (0,), "b": (1,), "t": ()}, (5, 7), "f"),
    Family({"t": (), "f": (0, 1, 2), "b": (2, 0)}, (3, 4, 5), "f"),
    Family({"f": (0, 1), "a": (0,)}, (3, 1), "f"),
]


def totals(family: Family, truth: np.ndarray, level: str) -> np.ndarray:
    """The exact table of a level, flat, in the order of its own keys."""
    own = family.levels[level]
    table = truth.sum(axis=tuple(i for i in range(truth.ndim) if i not in own))
    return np.transpose(table, [sorted(own).index(i) for i in own]).reshape(-1) if own else table.reshape(1)


@pytest.mark.parametrize("family", FAMILIES)
def test_levels_agree_and_are_no_less_exact(family: Family) -> None:
    """Of 400 draws: a standard deviation within 12 % (more than three of its own), from a fixed seed."""
    r = np.random.default_rng(1)
    truth = r.integers(0, 1000, family.sizes)
    exact = {level: totals(family, truth, level) for level in family.levels}
    variances = dict.fromkeys(family.levels, 2 * 9.0**2)
    errors: dict[str, list[np.ndarray]] = {level: [] for level in family.levels}
    for _ in range(400):
        noise = {k: np.rint(r.laplace(0, 9, v.shape)).astype(np.int64) for k, v in exact.items()}
        found = agreed(family, {k: v + noise[k] for k, v in exact.items()}, variances)
        leaves = found[family.finest].reshape([family.sizes[i] for i in family.levels[family.finest]])
        leaves = np.transpose(leaves, np.argsort(family.levels[family.finest]))
        for level in family.levels:
            assert (found[level] == totals(family, leaves, level)).all()
            errors[level].append(found[level] - exact[level])
    raw = math.ceil(9 * math.log(20))
    widths = half_widths(family, {k: (v, raw) for k, v in variances.items()})
    assert widths is not None
    assert any(w < raw for w in widths.values())
    for level, found in errors.items():
        whole = np.concatenate(found)
        assert abs(whole.mean()) < 3 * whole.std() / math.sqrt(len(whole)) * 2 + 0.5
        assert whole.std() < 1.12 * math.sqrt(variances[level])
        assert (abs(whole) <= widths[level]).mean() > 0.93
        assert widths[level] <= raw


@pytest.mark.parametrize("family", FAMILIES)
def test_levels_that_agree_already_stay_as_they_are(family: Family) -> None:
    truth = np.random.default_rng(2).integers(-(10**15), 10**15, family.sizes)
    exact = {level: totals(family, truth, level) for level in family.levels}
    found = agreed(family, exact, dict.fromkeys(exact, 3.0))
    assert all((found[level] == exact[level]).all() for level in exact)


def test_agreement_that_would_make_a_level_worse_is_none() -> None:
    """Rounding moves a very exact number further than the others can help it."""
    family = FAMILIES[0]
    assert half_widths(family, {"f": (0.01, 1), "a": (0.01, 1), "t": (0.01, 1)}) is None


ROLLUP = (
    "SELECT grp, member, COUNT(*) AS n, SUM(age) AS s, AVG(score) AS a FROM people GROUP BY {} ORDER BY 1, 2"
)


@pytest.mark.parametrize("by", ["ROLLUP (grp, member)", "CUBE (member, grp)"])
def test_parts_add_up_and_half_widths_cover(tmp_path: Path, by: str) -> None:
    sql = ROLLUP.format(by)
    asked = priced(sql, world(), ledger(tmp_path), "1")
    names = {frozenset(k.label for k in b.boundary.keys): b for b in asked.boundaries}
    for b in asked.boundaries:
        for n in b.noise:
            alone = n.mechanism.half_width()
            assert n.half_width <= alone
            assert n.half_width < alone or len(b.boundary.keys) == 2
    assert len(names) == len(asked.boundaries)
    hits = whole = 0
    with engine(random_rows(5, 2000, 0, clean=True)) as connection:
        truth = silent_answer(sql, world(), connection).table.to_pylist()
        for _ in range(24):
            answer = answered(asked, connection)
            rows = answer.table.to_pylist()
            total = max(rows, key=lambda row: row["n"])
            twice = 4 if by.startswith("CUBE") else 3
            for name in ("n", "s"):
                assert sum(row[name] for row in rows) == twice * total[name]
            for row, exact, width in zip(rows, truth, answer.errors.to_pylist(), strict=True):
                whole += 2
                hits += sum(abs(float(row[c]) - float(exact[c])) <= width[c] for c in ("n", "s"))
    # Numbers of one answer hang together: of 200 answers the share held was 0.951 +- 0.041, so that the mean
    # of 24 lies nine standard deviations above this.
    assert hits > 0.87 * whole, (hits, whole)


def test_keys_that_the_data_knows_have_levels_of_their_own() -> None:
    asked = rewritten(
        "SELECT city, member, COUNT(*) AS n FROM people GROUP BY ROLLUP (city, member)", world()
    )
    assert [len(b.keys) for b in asked.analyzed.boundaries] == [2, 1, 0]
    assert [b.selects for b in asked.analyzed.boundaries] == [True, True, False]
    assert not asked.analyzed.families
    many = rewritten("SELECT kind, COUNT(*) AS n FROM visits GROUP BY ROLLUP (kind)", published())
    assert not many.analyzed.families


def test_a_row_counts_on_every_level_or_on_none() -> None:
    """A key on no list has no group, so it is in no total either: else parts could not add up to it."""
    person = random_rows(1, 1, 0, clean=True).people[0]
    rows = Rows((person, (2, 2, *person[2:6], "?", *person[7:])), ())
    sql = "SELECT grp, COUNT(*) AS n FROM people GROUP BY ROLLUP (grp) ORDER BY n DESC LIMIT 1"
    with engine(rows) as connection:
        assert silent_answer(sql, world(), connection).table.to_pylist()[0]["n"] == 1
    assert_bounded(sql, rows, (6, 2, 3), 2)
