"""Error of clamps that are found privately, where nothing but a wide bound on a unit's total is declared.

Four questions of R2T's evaluation on TPC-H (Dong et al., SIGMOD 2022), at epsilon 0.8, as policies that
declare no more than a bound of 10**6 on a unit's total let them be asked: read, priced and run once by the
pipeline; noise drawn anew for each of many answers. Beside it R2T itself on the same totals: totals clamped
at powers of two, each with Laplace noise and its penalty, the largest taken (its section 4, beta = 0.1).
And both on totals with heavier tails, made from a fixed seed.

    python -m benchmarks accuracy
"""

from __future__ import annotations

import math
import random
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from statistics import fmean, quantiles
from tempfile import TemporaryDirectory

import duckdb

from benchmarks.instances import DATA, GRANT, HERE, analyst, load_tpch, opened_home, tpch_file
from benchmarks.report import Cell, Goal, Report
from benchmarks.scale import Scale
from sandbox.privacy.calibrate import Sensitivity, laplace_for
from sandbox.privacy.mechanisms import Laplace
from sandbox.query import pipeline
from sandbox.query.clamp import SHARE, choose, grid
from sandbox.query.execute import execute, locate
from sandbox.query.noise import noise
from sandbox.query.price import price
from sandbox.service import home as homes
from sandbox.service.home import Home

EPSILON = Decimal("0.8")
MOST = 10**6
FAILURE = 0.1  # R2T's beta
LINES = (
    "orders JOIN lineitem ON l_orderkey = o_orderkey"
    " WHERE o_orderdate < DATE '1997-01-01' AND l_shipdate > DATE '1994-01-01'"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: its unit, rows that a unit may have in orders and lineitem, and its goal in percent."""

    name: str
    sql: str
    unit: str
    rows: tuple[int, int]
    goal: float
    totals: str


QUESTIONS = (
    Asked(
        "COUNT customer ⋈ orders ⋈ lineitem, two dates",
        f"SELECT COUNT(*) AS a FROM customer JOIN orders ON c_custkey = o_custkey JOIN {LINES[12:]}",
        "customer",
        (1_000, 1_000),
        0.02,
        f"SELECT COUNT(*) FROM {LINES} GROUP BY o_custkey",
    ),
    Asked(
        "COUNT customer ⋈ orders",
        "SELECT COUNT(*) AS a FROM customer JOIN orders ON c_custkey = o_custkey",
        "customer",
        (MOST, 1_000),
        0.02,
        "SELECT COUNT(*) FROM orders GROUP BY o_custkey",
    ),
    Asked(
        "COUNT orders ⋈ lineitem, unit order",
        "SELECT COUNT(*) AS a FROM orders JOIN lineitem ON o_orderkey = l_orderkey",
        "order",
        (1, MOST),
        0.001,
        "SELECT COUNT(*) FROM lineitem GROUP BY l_orderkey",
    ),
    Asked(
        "SUM(l_quantity) customer ⋈ orders ⋈ lineitem",
        "SELECT SUM(l_quantity) AS a FROM customer JOIN orders ON c_custkey = o_custkey"
        " JOIN lineitem ON l_orderkey = o_orderkey",
        "customer",
        (1_000, 1_000),
        0.02,
        "SELECT SUM(l_quantity)::BIGINT FROM orders JOIN lineitem ON l_orderkey = o_orderkey"
        " GROUP BY o_custkey",
    ),
)


def run(scale: Scale) -> list[Report]:
    """Measure the four questions, then the tails."""
    return [_tpch(scale), _tails(scale)]


def _tpch(scale: Scale) -> Report:
    rows: list[tuple[Cell, ...]] = []
    goals = []
    for asked in QUESTIONS:
        totals = _totals(scale, asked.totals)
        errors = _percent(_answers(asked, scale), sum(totals))
        rival = _percent(r2t(totals, scale.answers), sum(totals))
        rows.append((asked.name, *_told(errors), *_told(rival)))
        goals.append(Goal(f"{asked.name}, mean error in %", fmean(errors), asked.goal))
    title = (
        f"TPC-H, scale {scale.tpch:g}: error in % of the truth, epsilon {EPSILON}, {scale.answers} answers"
    )
    columns = ("", "found: mean", "p95", "R2T: mean", "p95")
    return Report(title, columns, tuple(rows), tuple(goals))


def _tails(scale: Scale) -> Report:
    r = random.Random(7)

    def lognormal(spread: float, units: int) -> list[int]:
        return [min(MOST, 1 + int(r.lognormvariate(3, spread))) for _ in range(units)]

    made = {
        "Zipf 1.8, 100,000 units": [min(MOST, int(r.paretovariate(0.8))) for _ in range(100_000)],
        "lognormal (3, 1.5), 100,000": lognormal(1.5, 100_000),
        "lognormal (3, 1), 1,000": lognormal(1, 1_000),
        "50,000 below 10, 150 at 4,000": [r.randint(1, 9) for _ in range(50_000)] + [4_000] * 150,
    }
    rows = []
    for name, totals in made.items():
        ours = _percent(found(totals, scale.answers), sum(totals))
        rival = _percent(r2t(totals, scale.answers), sum(totals))
        rows.append((name, *_told(ours), *_told(rival)))
    title = f"Heavier tails: error in % of the truth, epsilon {EPSILON}, {scale.answers} answers"
    return Report(title, ("", "found: mean", "p95", "R2T: mean", "p95"), tuple(rows))


def found(totals: Sequence[int], times: int) -> list[float]:
    """Answers by the product's own choice of a clamp, on totals that are in the open."""
    clamps = grid(MOST)
    counts = [0] * len(clamps)
    for total in totals:
        counts[bisect_left(clamps, total)] += 1
    searching = laplace_for(Sensitivity(1, 1), EPSILON * SHARE)
    clamped = {clamp: sum(min(total, clamp) for total in totals) for clamp in clamps}
    answers = []
    for _ in range(times):
        clamp = clamps[choose(searching.add(counts), clamps, searching)]
        mechanism = laplace_for(Sensitivity.bounded(1, clamp), EPSILON * (1 - SHARE))
        answers.append(float(mechanism.add([clamped[clamp]])[0]))
    return answers


def r2t(totals: Sequence[int], times: int) -> list[float]:
    """Answers by R2T: the race of totals clamped at 2, 4, … up to the bound."""
    steps = math.ceil(math.log2(MOST))
    clamped = {2**j: sum(min(total, 2**j) for total in totals) for j in range(1, steps + 1)}
    answers = []
    for _ in range(times):
        best = 0.0
        for clamp, total in clamped.items():
            scale = steps * clamp / float(EPSILON)
            best = max(best, Laplace(scale).add([total])[0] - math.log(steps / FAILURE) * scale)
        answers.append(best)
    return answers


def _answers(asked: Asked, scale: Scale) -> list[float]:
    """Many answers to one question, whose exact part is computed once."""
    with _home(asked) as home:
        for table in ("customer", "orders", "lineitem"):
            load_tpch(home, scale.tpch, table, "parquet")
        context = pipeline.Context(
            home.registry.snapshot(), home.catalog, home.ledger, home.store, home.hot, home.settings,
            homes.today(),
        )  # fmt: skip
        rewritten = pipeline.decide(pipeline.Question(asked.sql, GRANT, analyst(home)), context)
        priced = price(rewritten, EPSILON, home.ledger)
        assert priced is not None
        located = locate(rewritten, home.catalog)
        executed = execute(rewritten, located, home.hot, 10 * home.settings.question_seconds)
        answers = []
        for _ in range(scale.answers):
            noised = noise(priced, executed)
            answers.append(float(noised.tables["noisy_0"].column("m0")[0].as_py()))
        return answers


@contextmanager
def _home(asked: Asked) -> Iterator[Home]:
    """An instance whose policy declares one wide bound, and has clamps found privately."""
    DATA.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=DATA) as folder:
        papers = Path(folder)
        (papers / "grants").mkdir()
        for name in ("people.yaml", f"grants/{GRANT}.yaml"):
            (papers / name).write_text((HERE / "tpch" / name).read_text("utf-8"), "utf-8")
        units = (HERE / "tpch" / "units.yaml").read_text("utf-8")
        (papers / "units.yaml").write_text(units.replace("customer:", f"{asked.unit}:"), "utf-8")
        policy = (HERE / "tpch" / "tpch.policy.yaml").read_text("utf-8")
        (papers / "tpch.policy.yaml").write_text(_widened(policy, asked), "utf-8")
        files = ("units.yaml", "tpch.policy.yaml", f"grants/{GRANT}.yaml")
        with opened_home(papers, "people.yaml", "sun", files) as home:
            yield home


def _widened(policy: str, asked: Asked) -> str:
    """The TPC-H policy with nothing but these bounds on rows."""
    rows = dict(zip(("orders", "lineitem"), asked.rows, strict=True))
    return "".join(_table(part, asked.unit, rows) for part in re.split(r"(?m)^(?=  \w+:\n    title)", policy))


def _table(part: str, unit: str, rows: Mapping[str, int]) -> str:
    table = part.strip().partition(":")[0]
    if table in rows:
        bounds = f"bounds: {{rows_per_unit: {rows[table]}, totals: found_privately}}"
        part = re.sub(r"bounds: \{.*\}", bounds, part)
    if unit == "order":
        part = re.sub(r"unit: \{.*\}", _ORDER_UNITS.get(table, ""), part)
        part = part.replace(
            "o_orderkey: {type: integer, use: group_by", "o_orderkey: {type: integer, use: join_only"
        )
        if table == "customer":
            part = part.replace("bounds: {rows_per_unit: 1}", "protection: open")
    return part


_ORDER_UNITS = {
    "orders": "unit: {name: order, column: o_orderkey, when_null: drop}",
    "lineitem": "unit: {name: order, column: l_orderkey, when_null: drop}",
}


def _totals(scale: Scale, sql: str) -> list[int]:
    with duckdb.connect() as plain:
        for table in ("orders", "lineitem"):
            plain.execute(f"CREATE VIEW {table} AS FROM '{tpch_file(scale.tpch, table, 'parquet')}'")
        return [row[0] for row in plain.execute(sql).fetchall()]


def _percent(answers: Sequence[float], truth: float) -> list[float]:
    return [100 * abs(answer - truth) / truth for answer in answers]


def _told(errors: Sequence[float]) -> tuple[float, float]:
    return fmean(errors), (quantiles(errors, n=20)[-1] if len(errors) > 1 else errors[0])
