"""ROLLUP, CUBE and GROUPING SETS: levels share the price, agree with one another, and are honest about it."""

from __future__ import annotations

import math
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from sandbox.policy.published import Published
from sandbox.privacy.ledger import Ledger
from sandbox.query.agree import _estimate, _shaped, _total, agreed
from sandbox.query.families import Family, _rounding, half_widths
from sandbox.query.notes import notes_on
from tests.query.pricing import answered, ledger, priced, world
from tests.query.test_neighbours import assert_bounded
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


@pytest.mark.parametrize("family", FAMILIES)
def test_agreement_is_the_best_linear_unbiased_estimate(family: Family) -> None:
    """Against generalised least squares by linear algebra: the estimate and its variances, no draws."""
    r = np.random.default_rng(3)
    levels = list(family.levels)
    leaves = int(np.prod(family.sizes))
    unit = np.eye(leaves).reshape(leaves, *family.sizes)
    # Each level is a linear map of the leaves, in its own order of cells.
    maps = {level: np.array([totals(family, leaf, level) for leaf in unit]).T for level in levels}
    variances = {level: float(r.integers(50, 500)) for level in levels}
    whole = np.concatenate([maps[level] for level in levels])
    weights = np.concatenate([np.full(len(maps[level]), 1 / variances[level]) for level in levels])
    covariance = np.linalg.inv(whole.T @ (weights[:, None] * whole))
    noisy = {
        level: r.integers(-40, 40, len(maps[level])) + maps[level] @ np.arange(leaves) for level in levels
    }
    best = covariance @ whole.T @ (weights * np.concatenate([noisy[level] for level in levels]))
    shaped = {k: _shaped(family, k, np.rint(v).astype(np.int64)) for k, v in noisy.items()}
    first = shaped[family.finest]
    axes = tuple(range(len(family.sizes)))
    residuals = {k: (v - _total(first, axes, family.levels[k])).astype(float) for k, v in shaped.items()}
    found = first + _estimate(family, residuals, variances)
    assert np.allclose(found.reshape(-1), best, atol=1e-6)
    noise = {level: (v, 1_000_000) for level, v in variances.items()}
    widths = half_widths(family, noise)
    assert widths is not None
    for level in levels:
        cells = np.diag(maps[level] @ covariance @ maps[level].T)
        better = cells.mean()
        assert np.allclose(cells, better)
        # Never worse than alone; better wherever another level tells something of it, which here all do.
        assert better < variances[level] * (1 - 1e-9)
        rounded = better + _rounding(family, family.levels[level])
        assert abs(widths[level] - 1_000_000 * math.sqrt(rounded / variances[level])) <= 1


ROLLUP = (
    "SELECT grp, member, COUNT(*) AS n, SUM(age) AS s, AVG(score) AS a FROM people GROUP BY {} ORDER BY 1, 2"
)
VISITS = (
    "SELECT kind, days > 0 AS later, COUNT(*) AS n, SUM(cost) AS s, AVG(days) AS a, COUNT(days) AS m,"
    " COUNT(DISTINCT pid) AS u FROM visits GROUP BY {} ORDER BY 1, 2"
)
ADDED_UP = [
    (ROLLUP.format("ROLLUP (grp, member)"), random_rows(5, 2000, 0, clean=True)),
    (ROLLUP.format("CUBE (member, grp)"), random_rows(5, 2000, 0, clean=True)),
    (VISITS.format("ROLLUP (kind, (days > 0))"), random_rows(5, 400, 12)),
    (VISITS.format("CUBE ((days > 0), kind)"), random_rows(5, 400, 12)),
]


@pytest.mark.parametrize(("sql", "rows"), ADDED_UP, ids=lambda v: v[-40:] if isinstance(v, str) else "")
def test_parts_add_up_and_half_widths_cover(tmp_path: Path, sql: str, rows: Rows) -> None:
    asked = priced(sql, world(), ledger(tmp_path), "1")
    shared = {
        (level, m) for f in asked.rewritten.analyzed.families for n in f.shared for level, m in n.items()
    }
    names = {frozenset(k.label for k in b.boundary.keys): b for b in asked.boundaries}
    for b in asked.boundaries:
        for n in b.noise:
            alone = n.mechanism.half_width()
            assert n.half_width <= alone
            better = (b.boundary.name, n.measure.name) in shared and len(b.boundary.keys) < 2
            assert n.half_width < alone or not better
    assert len(names) == len(asked.boundaries)
    hits = whole = 0
    with engine(rows) as connection:
        truth = silent_answer(sql, world(), connection).table.to_pylist()
        for _ in range(24):
            answer = answered(asked, connection)
            rows_ = answer.table.to_pylist()
            total = max(rows_, key=lambda row: row["n"])
            twice = 4 if "CUBE" in sql else 3
            for name in ("n", "s"):
                assert sum(row[name] for row in rows_) == twice * total[name]
            for row, exact, width in zip(rows_, truth, answer.errors.to_pylist(), strict=True):
                whole += 2
                hits += sum(abs(float(row[c]) - float(exact[c])) <= width[c] for c in ("n", "s"))
    # Numbers of one answer hang together: of 200 answers the share held was 0.951 +- 0.041, so that the mean
    # of 24 lies nine standard deviations above this.
    assert hits > 0.87 * whole, (hits, whole)


def test_means_of_the_levels_agree_with_their_parts(tmp_path: Path) -> None:
    """The mean of a total is that of its parts, weighed by their counts: exactly, but for floating point.

    At epsilon 8 a kind's count, of more than five hundred rows, is off by a few: no mean is near its bounds,
    where it would be held (noise of 100 comes once in e**100 answers).
    """
    sql = "SELECT kind, COUNT(days) AS n, AVG(days) AS a FROM visits GROUP BY ROLLUP (kind)"
    asked = priced(sql, world(), ledger(tmp_path), "8")
    with engine(random_rows(5, 2000, 12, clean=True)) as connection:
        rows = answered(asked, connection).table.to_pylist()
    total = max(rows, key=lambda row: row["n"])
    weighed = sum(row["a"] * row["n"] for row in rows)
    assert abs(weighed - 2 * total["a"] * total["n"]) <= 1e-6 * total["n"]


def test_keys_that_the_data_knows_have_levels_of_their_own() -> None:
    asked = rewritten(
        "SELECT city, member, COUNT(*) AS n FROM people GROUP BY ROLLUP (city, member)", world()
    )
    assert [len(b.keys) for b in asked.analyzed.boundaries] == [2, 1, 0]
    assert [b.selects for b in asked.analyzed.boundaries] == [True, True, False]
    assert not asked.analyzed.families
    some = rewritten("SELECT member, city, COUNT(*) AS n FROM people GROUP BY CUBE (member, city)", world())
    (family,) = some.analyzed.families
    public = [b.name for b in some.analyzed.boundaries if not b.selects]
    assert len(public) == 2
    assert set(family.levels) == set(public), "what the data knows nothing of agrees"


MANY = "SELECT kind, days > 0 AS later, COUNT(*) AS n, SUM(days) AS s{} FROM visits GROUP BY {}"


@pytest.mark.parametrize("bounds", [(6, 2, 3), (6, 6, 6), (4, 1, 4), (6, 3, 2), (1000, 5, 7)])
@pytest.mark.parametrize("by", ["ROLLUP (kind, (days > 0))", "CUBE ((days > 0), kind)"])
def test_exact_totals_of_units_with_many_rows_are_sums_of_their_parts(
    bounds: tuple[int, int, int], by: str
) -> None:
    """Also where contribution bounds bind, on rows with strange keys and values."""
    question = rewritten(MANY.format(", COUNT(DISTINCT place) AS d", by), published(*bounds))
    (family,) = question.analyzed.families
    assert len(family.levels) == len(question.analyzed.boundaries)
    with engine(random_rows(7, 60, 14)) as connection:
        tables = dict(zip(family.levels, exact_tables(question, connection), strict=True))
    whole = sum(tables[family.finest].column(family.shared[0][family.finest]).to_pylist())
    assert whole > 0
    for names in family.shared:
        sizes = [family.sizes[i] for i in family.levels[family.finest]]
        finest = np.array(tables[family.finest].column(names[family.finest]).to_pylist()).reshape(sizes)
        finest = np.transpose(finest, np.argsort(family.levels[family.finest]))
        for level, measure in names.items():
            assert (totals(family, finest, level) == tables[level].column(measure).to_pylist()).all()


@pytest.mark.parametrize("bounds", [(6, 2, 3), (6, 6, 6), (6, 3, 2), (1000, 5, 7)])
def test_a_total_moves_by_no_more_than_its_parts_together(bounds: tuple[int, int, int]) -> None:
    """And by just as much for the worst unit: the noise of a total could not be less."""
    sql = MANY.format("", "ROLLUP (kind, (days > 0))")
    question = rewritten(sql, published(*bounds))
    finest, *coarser = question.analyzed.boundaries
    for level in coarser:
        for m, part in zip(level.measures, finest.measures, strict=True):
            assert level.sensitivity(m).l1 == finest.sensitivity(part).l1
    kept = min(bounds[0], bounds[1] * bounds[2])
    kinds = ["p", "q", "r", "s", None]
    rows = Rows((), tuple((1, 1, 50, kinds[i // bounds[2]], "u", Decimal(1), 1, None) for i in range(kept)))
    with engine(rows) as whole:
        (*_, total) = exact_tables(question, whole)
    assert total.to_pylist() == [{"m0": kept, "m1": 50 * kept}]
    assert [level.sensitivity(m).l1 for m in coarser[-1].measures] == [kept, 50 * kept]
    assert_bounded(sql, rows, bounds, 1)


def test_clamps_that_are_found_are_each_level_s_own() -> None:
    question = rewritten(MANY.format("", "ROLLUP (kind, (days > 0))"), found_world())
    assert not question.analyzed.families


def notes(sql: str, of: Published, books: Ledger) -> str:
    return " ".join(note.en for note in notes_on(priced(sql, of, books, "1")))


def test_what_adds_up_is_said(tmp_path: Path) -> None:
    books = ledger(tmp_path)
    sql = "SELECT kind, COUNT(*) AS n, AVG(days) AS a{} FROM visits GROUP BY ROLLUP (kind)"
    said = notes(sql.format(""), world(), books)
    assert "these add up, parts to totals: count(*), sum(visits.days - 0), count(visits.days)." in said
    assert "need not add up" not in said
    mixed = notes(sql.format(", COUNT(DISTINCT pid) AS u, MEDIAN(days) AS m"), world(), books)
    assert "these add up, parts to totals: count(*), sum(visits.days - 0), count(visits.days)." in mixed
    assert "these need not add up, as each has its own noise: units, visits.days." in mixed
    found = notes(sql.format(""), found_world(), books)
    assert "these add up" not in found
    assert (
        "need not add up, as each has its own noise: count(*), sum(visits.days - 0), count(visits.days)."
        in found
    )
    unknown = notes("SELECT city, COUNT(*) AS n FROM people GROUP BY ROLLUP (city)", world(), books)
    assert "these need not add up, as each has its own noise: units." in unknown
    assert "parts need not add up to their total" in notes("SELECT COUNT(*) FROM people", world(), books)


def test_a_row_counts_on_every_level_or_on_none() -> None:
    """A key on no list has no group, so it is in no total either: else parts could not add up to it."""
    person = random_rows(1, 1, 0, clean=True).people[0]
    rows = Rows((person, (2, 2, *person[2:6], "?", *person[7:])), ())
    sql = "SELECT grp, COUNT(*) AS n FROM people GROUP BY ROLLUP (grp) ORDER BY n DESC LIMIT 1"
    with engine(rows) as connection:
        assert silent_answer(sql, world(), connection).table.to_pylist()[0]["n"] == 1
    assert_bounded(sql, rows, (6, 2, 3), 2)
