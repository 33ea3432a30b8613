"""Each mechanism has its exact distribution: alone, with many draws, and in the answers that people get."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

import pytest
from scipy import stats

from sandbox.privacy.mechanisms import Gaussian, Laplace, Mechanism
from sandbox.privacy.selection import threshold
from sandbox.query.answer import Answer
from sandbox.service import home as homes
from sandbox.service.home import Home
from tests.privacy.test_noise import probability
from tests.statistical import unlikely
from tests.statistical.instance import CELLS, asked, cellular, make

pytestmark = pytest.mark.long
DRAWS = 100_000
ASKED = 8
CROWD = 15  # units that share a tag
TAGGED = """
  tagged:
    unit: {name: person, column: id, when_null: drop}
    bounds: {rows_per_unit: 1}
    columns:
      id: {type: integer, use: join_only, nullable: false}
      x: {type: integer, use: open, between: [0, 100], nullable: false}
      tag: {type: text, use: open, nullable: false}
"""


def chi_square(seen: Counter[int | str], expected: dict[int | str, float]) -> float:
    """P-value of the counts; values that are expected less than ten times are taken together."""
    often = {k: e for k, e in expected.items() if e >= 10}
    total = sum(seen.values())
    rest = total - math.fsum(often.values())
    pairs = [(seen[k], e) for k, e in often.items()]
    pairs.append((total - sum(n for n, _ in pairs), max(rest, 1e-9)))
    if rest < 10:  # too few for a term of their own: they join the rarest
        n, e = pairs.pop()
        at = min(range(len(pairs)), key=lambda i: pairs[i][1])
        pairs[at] = (pairs[at][0] + n, pairs[at][1] + e)
    statistic = math.fsum((n - e) ** 2 / e for n, e in pairs)
    return float(stats.chi2(len(pairs) - 1).sf(statistic))


def fits(noise: Mechanism, drawn: list[int]) -> float:
    """P-value of draws against the exact distribution on the integers."""
    reach = int(12 * noise.scale) + 12
    return chi_square(
        Counter(drawn), {k: probability(noise, k) * len(drawn) for k in range(-reach, reach + 1)}
    )


@pytest.mark.parametrize("kind", [Laplace, Gaussian])
@pytest.mark.parametrize("scale", [0.4, 2.5, 12.0])
def test_noise_has_its_exact_distribution(kind: type[Mechanism], scale: float) -> None:
    assert not unlikely(fits(kind(scale), kind(scale).add([0] * DRAWS)))


@pytest.mark.parametrize("kind", [Laplace, Gaussian])
def test_noise_that_is_5_percent_off_is_found_out(kind: type[Mechanism]) -> None:
    assert unlikely(fits(kind(2.5), kind(2.5 * 1.05).add([0] * DRAWS)))
    assert unlikely(fits(kind(2.5), [k + (k > 0 and k % 31 == 0) for k in kind(30.0).add([0] * DRAWS)]))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = cellular(tmp_path_factory.mktemp("lab"), with_target=True, delta="0", of_question="0")
    yield home
    homes.close(home)


def mechanism_of(answer: Answer, at: int = 0) -> tuple[Mechanism, Decimal]:
    """The mechanism that an answer states for one of its measures, and the sensitivity it is for."""
    assert answer.cost is not None
    share = answer.cost.shares[at]
    kind: type[Mechanism] = Laplace if share.mechanism == "laplace" else Gaussian
    return kind(share.scale), share.sensitivity


@pytest.mark.parametrize(
    ("call", "truth", "step", "sensitivity"),
    [("COUNT(*)", 3, 1, 1), ("SUM(d)", 500, 100, 5), ("COUNT_IF(x > 60)", 1, 1, 1)],
)
def test_answers_carry_laplace_noise_of_the_scale_that_was_paid_for(
    lab: Home, call: str, truth: int, step: int, sensitivity: int
) -> None:
    """The noise of an answer's whole steps, and its scale: sensitivity over epsilon."""
    drawn = []
    for n in range(ASKED):
        where = f"x >= -{n} AND y >= -{len(call)}"
        epsilon = Decimal("0.5") if step == 1 else Decimal(100)
        answer = asked(lab, f"SELECT cell, {call} AS a FROM once WHERE {where} GROUP BY cell", epsilon)
        mechanism, moved = mechanism_of(answer)
        assert isinstance(mechanism, Laplace)
        assert moved == sensitivity
        assert mechanism.scale == pytest.approx(sensitivity / float(epsilon), rel=1e-9)
        mechanism = Laplace(mechanism.scale * step)
        drawn += [round(a * step) - truth for a in answer.table.column("a").to_pylist()]
    assert not unlikely(fits(mechanism, drawn))


def test_answers_carry_gaussian_noise_of_the_scale_that_was_paid_for(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Thirty sums at once: their rho is that of the question's epsilon at its delta, split evenly."""
    home = cellular(tmp_path_factory.mktemp("lab"), with_target=True)
    calls = ", ".join(f"COUNT_IF(x > {i}) AS s{i}" for i in range(30))
    drawn: list[int] = []
    for n in range(2):
        answer = asked(home, f"SELECT cell, {calls} FROM once WHERE x >= -{n} GROUP BY cell", Decimal(2))
        assert answer.cost is not None
        assert answer.cost.pure is None
        assert {s.mechanism for s in answer.cost.shares} == {"gaussian"}
        mechanism, moved = mechanism_of(answer)
        rho = float(answer.cost.rho) / len(answer.cost.shares)
        assert mechanism.scale == pytest.approx(float(moved) / math.sqrt(2 * rho), rel=1e-6)
        assert {s.scale for s in answer.cost.shares} == {mechanism.scale}
        drawn += [a - 3 for i in range(30) for a in answer.table.column(f"s{i}").to_pylist()]
    homes.close(home)
    assert not unlikely(fits(mechanism, drawn))


def test_groups_that_the_data_names_pass_the_threshold_as_often_as_they_should(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """1,000 tags of 15 units: shown with probability P(15 + Z >= T), and then with 15 + Z as their count."""
    lines = [(CROWD * tag + i, 50, f"t{tag}") for tag in range(CELLS) for i in range(CROWD)]
    home = make(tmp_path_factory.mktemp("tagged"), TAGGED, {"tagged": (("id", "x", "tag"), lines)})
    seen: Counter[int | str] = Counter()
    for n in range(ASKED):
        sql = f"SELECT tag, COUNT(*) AS n FROM tagged WHERE x >= -{n} GROUP BY tag"
        answer = asked(home, sql, Decimal(1))
        assert answer.cost is not None
        mechanism, _ = mechanism_of(answer)
        least = threshold(mechanism, 1, answer.cost.delta)
        shown = answer.table.column("n").to_pylist()
        seen.update(shown)
        seen["hidden"] += CELLS - len(shown)
    homes.close(home)
    assert CROWD - 2 < least < CROWD + 8
    assert not [k for k in seen if k != "hidden" and int(k) < least]
    total = CELLS * ASKED
    expected: dict[int | str, float] = {
        k: probability(mechanism, k - CROWD) * total for k in range(least, least + 100)
    }
    expected["hidden"] = (1 - mechanism.tail(least - CROWD)) * total
    assert not unlikely(chi_square(seen, expected))
