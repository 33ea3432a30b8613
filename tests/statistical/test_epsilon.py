"""The epsilon that is charged bounds what neighbours' answers tell, for each aggregate, by the service."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from sandbox.query.answer import Answer, Share
from sandbox.service import home as homes
from sandbox.service.home import Home
from tests.statistical.audit import epsilon_at_least
from tests.statistical.instance import CELLS, asked, cellular

pytestmark = pytest.mark.long
EPSILON = Decimal(1)
Pair = tuple[Home, Home]
Row = dict[str, Any]
NOTHING = -1e9  # what NULL counts as
_LITERALS = count()  # each question has one of its own, so that none is answered from another's answer


@dataclass(frozen=True)
class Audit:
    """A question, what is told from each of its rows, and the epsilon that the audit must see at least.

    `told`: from a cell's row (the column `a` unless said otherwise) and the noise to one number, which an
    adversary would put a limit to. Where something is seen for sure the target moves all noisy numbers as far
    as it may, and the number rises with the likelihood ratio. `sees` lies six standard errors or more below
    what is seen, so that it is not missed by chance.
    """

    sql: str
    told: Callable[[Row, Sequence[Share]], float | None] = lambda row, _: row["a"]
    sees: float = 0.0
    times: int = 2


def per_cell(call: str) -> str:
    """One aggregate for each cell."""
    return f"SELECT cell, {call} AS a FROM once WHERE {{mine}} GROUP BY cell ORDER BY cell"


def ratio(seen: float, without: float, with_target: float, scale: float) -> float:
    """The logarithm of the likelihood ratio of one Laplace number."""
    return (abs(seen - without) - abs(seen - with_target)) / scale


def count_and_sums(row: Row, shares: Sequence[Share]) -> float:
    return (
        ratio(row["n"], 2, 3, shares[0].scale)
        + ratio(float(row["d"]), 0, 5, shares[1].scale)
        + ratio(row["s"], 0, 50, shares[2].scale)
    )


def mean_and_count(row: Row, shares: Sequence[Share]) -> float | None:
    """A mean and its count give the noisy sum back."""
    if row["a"] is None:
        return ratio(row["n"], 2, 3, shares[1].scale)
    moved = (row["a"] - 50) * row["n"]
    return ratio(row["n"], 2, 3, shares[1].scale) + ratio(moved, 0, 50, shares[0].scale)


MOMENTS = {"n": (60, 61), "x": (0, 50), "xx": (60 * 625, 60 * 625 + 2500)}  # without the target, and with it


def moments(row: Row, shares: Sequence[Share]) -> float:
    """A mean and a variance give the noisy sums back, with their count."""
    n, squares, total = sorted(
        shares, key=lambda share: (share.measure != "units", "^2" not in share.measure)
    )
    told = ratio(row["n"], *MOMENTS["n"], n.scale)
    if row["m"] is None or row["v"] is None:
        return told
    mean = row["m"] - 50
    told += ratio(mean * row["n"], *MOMENTS["x"], total.scale)
    return told + ratio((row["v"] + mean * mean) * row["n"], *MOMENTS["xx"], squares.scale)


PARTS = "SELECT cell, side, GROUPING(side) AS whole, COUNT(*) AS a FROM once WHERE {mine} GROUP BY "
AUDITS = {
    "COUNT(*)": Audit(per_cell("COUNT(*)"), sees=0.2, times=4),
    "COUNT(x)": Audit(per_cell("COUNT(x)"), sees=0.2, times=4),
    "COUNT_IF": Audit(per_cell("COUNT_IF(x > 60)"), sees=0.2, times=4),
    "FILTER": Audit(per_cell("COUNT(*) FILTER (WHERE x > 60)"), sees=0.2, times=4),
    "SUM(d)": Audit(per_cell("SUM(d)"), sees=0.2, times=4),
    "SUM(x - 50)": Audit(per_cell("SUM(x - 50)"), sees=0.2, times=4),
    "SUM(x)": Audit(per_cell("SUM(x)"), sees=0.2, times=4),
    "SUM of a CASE": Audit(per_cell("SUM(CASE WHEN x > 60 THEN d END)"), sees=0.2, times=4),
    "SUM of a root": Audit(per_cell("SUM(SQRT(x))"), sees=0.2, times=4),
    "units": Audit(per_cell("COUNT(DISTINCT id)"), sees=0.2, times=4),
    "COUNT(DISTINCT x)": Audit(per_cell("COUNT(DISTINCT x)"), sees=0.2, times=4),
    "three at once": Audit(
        "SELECT cell, COUNT(*) AS n, SUM(d) AS d, SUM(x - 50) AS s FROM once WHERE {mine}"
        " GROUP BY cell ORDER BY cell",
        count_and_sums,
        sees=0.1,
        times=8,
    ),
    "AVG(x) and its count": Audit(
        "SELECT cell, AVG(x) AS a, COUNT(*) AS n FROM once WHERE {mine} GROUP BY cell ORDER BY cell",
        mean_and_count,
        sees=0.1,
        times=8,
    ),
    "moments": Audit(
        "SELECT cell, COUNT(*) AS n, AVG(x) AS m, VAR_POP(x) AS v FROM spread WHERE {mine} GROUP BY cell"
        " ORDER BY cell",
        moments,
        times=8,
    ),
    "AVG(x)": Audit(per_cell("AVG(x)")),
    "AVG(d)": Audit(per_cell("AVG(d)")),
    "AVG of a logarithm": Audit(per_cell("AVG(LN(x + 1))")),
    "VAR_POP": Audit(per_cell("VAR_POP(x)")),
    "VAR_SAMP": Audit(per_cell("VAR_SAMP(x)")),
    "STDDEV": Audit(per_cell("STDDEV(x)")),
    "STDDEV_POP": Audit(per_cell("STDDEV_POP(d)")),
    "COVAR_POP": Audit(per_cell("COVAR_POP(x, y)")),
    "COVAR_SAMP": Audit(per_cell("COVAR_SAMP(x, y)")),
    "CORR": Audit(per_cell("CORR(x, y)")),
    "REGR_SLOPE": Audit(per_cell("REGR_SLOPE(x, y)")),
    "REGR_INTERCEPT": Audit(per_cell("REGR_INTERCEPT(x, y)")),
    "MEDIAN": Audit(per_cell("MEDIAN(x)")),
    "MEDIAN of two values": Audit(per_cell("MEDIAN(side)")),
    "QUANTILE_CONT": Audit(per_cell("QUANTILE_CONT(d, 0.8)")),
    "QUANTILE_DISC": Audit(per_cell("QUANTILE_DISC(side, 0.7)")),
    "MIN": Audit(per_cell("MIN(x)")),
    "MAX": Audit(per_cell("MAX(x)")),
    "a histogram": Audit(
        "SELECT cell, FLOOR(x / 25) * 25 AS band, COUNT(*) AS a FROM once WHERE {mine} GROUP BY cell, band"
        " ORDER BY cell, band",
        lambda row, _: row["a"] if row["band"] == 100 else None,
        sees=0.2,
        times=4,
    ),
    "HISTOGRAM": Audit(
        "SELECT cell, HISTOGRAM(x, [25, 50, 75, 99]) AS h FROM once WHERE {mine} GROUP BY cell ORDER BY cell",
        lambda row, _: row["h"][-1][1],  # above 99, where the target is
        sees=0.2,
        times=4,
    ),
    "MODE": Audit(per_cell("MODE(side)")),
    # The cell's whole is made to agree with its parts: of each cell, the part that the target is in.
    "ROLLUP": Audit(
        PARTS + "ROLLUP (cell, side) ORDER BY cell, side",
        lambda row, _: row["a"] if row["side"] == 1 and row["cell"] is not None else None,
        times=8,
    ),
    "GROUPING SETS": Audit(
        PARTS + "GROUPING SETS ((cell, side), (cell)) ORDER BY cell, side",
        lambda row, _: row["a"] if row["side"] == 1 else None,
        times=8,
    ),
    "two boundaries": Audit(
        "SELECT p.cell AS cell, p.n AS n, q.d AS d FROM (SELECT cell, COUNT(*) AS n FROM once WHERE {mine}"
        " GROUP BY cell) AS p JOIN (SELECT cell, SUM(d) AS d FROM once WHERE {mine} GROUP BY cell) AS q"
        " ON p.cell = q.cell ORDER BY cell",
        lambda row, shares: (
            ratio(row["n"], 2, 3, shares[0].scale) + ratio(float(row["d"]), 0, 5, shares[1].scale)
        ),
        times=8,
    ),
}
# Of the instance of many rows: what a cell holds without the target, and what the target adds.
OFTEN = {
    "COUNT(*)": (1, 3),
    "SUM(x)": (50, 300),
    "COUNT(DISTINCT id)": (1, 1),
    "AVG(x)": None,
    "VAR_POP(x)": None,
    "COUNT(DISTINCT x)": None,
    "MEDIAN(x)": None,
    "MAX(x)": None,
}


def opened(factory: pytest.TempPathFactory, delta: str = "0") -> Pair:
    """The instance with the target in every cell, and the one without.

    Without a delta noise is Laplace's, whatever the accounts have paid before.
    """

    def one(with_target: bool) -> Home:
        of_question = delta if delta == "0" else "1e-7"
        return cellular(factory.mktemp("lab"), with_target=with_target, delta=delta, of_question=of_question)

    return one(True), one(False)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    both = opened(tmp_path_factory)
    yield both
    for home in both:
        homes.close(home)


def shares_of(answer: Answer) -> Sequence[Share]:
    assert answer.cost is not None
    assert answer.cost.pure is not None
    assert answer.cost.pure <= EPSILON
    return answer.cost.shares


def samples(home: Home, audit: Audit) -> list[float]:
    """What is told of each cell in each answer."""
    found: list[float] = []
    for _ in range(audit.times):
        sql = audit.sql.replace("{mine}", f"x >= -{next(_LITERALS)}")
        answer = asked(home, sql, EPSILON)
        shares = shares_of(answer)
        told = [audit.told(row, shares) for row in answer.table.to_pylist()]
        if len(told) == CELLS:
            told = [NOTHING if value is None else value for value in told]
        kept = [float(value) for value in told if value is not None]
        assert len(kept) == CELLS, (sql, len(kept))
        found += kept
    return found


def audited(pair: Pair, audit: Audit) -> float:
    """The epsilon that an audit of this pair refutes."""
    return epsilon_at_least(samples(pair[0], audit), samples(pair[1], audit))


@pytest.mark.parametrize("name", AUDITS)
def test_neighbours_tell_no_more_than_was_charged(pair: Pair, name: str) -> None:
    bound = audited(pair, AUDITS[name])
    print(f"{name}: {bound:.2f}")
    assert bound <= float(EPSILON)
    assert bound >= AUDITS[name].sees, "the audit sees too little to mean anything"


@pytest.mark.parametrize("call", OFTEN)
def test_a_unit_in_several_cells_tells_no_more_either(pair: Pair, call: str) -> None:
    """The target of a pair of cells is in both, with as many rows as count; both tell no more together."""

    def pairs(values: list[float]) -> list[float]:
        return [a + b for a, b in zip(values[::2], values[1::2], strict=True)]

    sql = f"SELECT cell, {call} AS a FROM often WHERE {{mine}} GROUP BY cell ORDER BY cell"
    audit, known = Audit(sql), OFTEN[call]
    if known is not None:
        without, more = known
        audit = Audit(
            sql, lambda row, shares: ratio(row["a"], without, without + more, shares[0].scale), times=8
        )
    a, b = (pairs(samples(home, audit)) for home in pair)
    bound = epsilon_at_least(a, b)
    print(f"{call} of many: {bound:.2f}")
    assert bound <= float(EPSILON)


def test_the_first_row_of_each_unit_tells_no_more_than_one_row(pair: Pair) -> None:
    first = "SELECT cell, ROW_NUMBER() OVER (PARTITION BY id ORDER BY cell) AS r FROM often WHERE {mine}"
    audit = Audit(f"SELECT cell, COUNT(*) AS a FROM ({first}) AS q WHERE r = 1 GROUP BY cell ORDER BY cell")
    a, b = (samples(home, audit)[::2] for home in pair)  # it is in the even cell of its pair
    assert 0.2 <= epsilon_at_least(a, b) <= float(EPSILON)


def test_gaussian_noise_tells_no_more_than_its_curve(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Thirty counts that the target moves all: at each delta no more than their rho converts to."""
    from sandbox.privacy.accountant import rho_to_epsilon  # noqa: PLC0415

    calls = ", ".join(f"COUNT_IF(x > {i + 51}) AS s{i}" for i in range(30))
    both = opened(tmp_path_factory, "1e-6")
    told: list[list[float]] = []
    for home in both:
        values: list[float] = []
        for n in range(3):
            sql = f"SELECT cell, {calls} FROM once WHERE x >= -{n} GROUP BY cell ORDER BY cell"
            answer = asked(home, sql, Decimal(2))
            assert answer.cost is not None
            assert answer.cost.pure is None
            rho = answer.cost.rho
            rows = answer.table.drop_columns(["cell"]).to_pylist()
            values += [float(sum(row.values())) for row in rows]
        told.append(values)
        homes.close(home)
    for delta in ("0.1", "0.01", "0.001"):
        most = float(rho_to_epsilon(rho, Decimal(delta)))
        bound = epsilon_at_least(told[0], told[1], float(delta))
        print(f"Gaussian at {delta}: {bound:.2f} of {most:.2f}")
        assert bound <= most
