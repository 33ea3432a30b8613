"""Private forms of nine TPC-H questions (unit = customer) against the same text in DuckDB without privacy.

Private: the whole way of a question, from its text to a settled answer with receipt, warm, encrypted at
rest, bounded for each customer. Every round asks with another date, so that no stored answer is given.
What is computed from the noisy numbers has no date in it: its text and its plan are known from the first
round. "First of its kind" is a question of which they are not. Not private: DuckDB over the plain
Parquet files of the same rows, and over native DuckDB tables, with the same dates and as many threads.

    python -m benchmarks tpch
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal

import duckdb

from benchmarks.instances import GRANT, TPCH_TABLES, analyst, load_tpch, tpch_file, tpch_home
from benchmarks.report import Goal, Report
from benchmarks.scale import Scale
from benchmarks.steps import PHASES, Spent, phases, watched
from benchmarks.steps import WHOLE as WHOLE_QUESTION
from benchmarks.timing import Timing, interleaved
from benchmarks.tpch_questions import QUESTIONS, TpchQuestion
from sandbox.api.collector import collector_spared, tidy
from sandbox.query import pipeline
from sandbox.query.execute import execute, locate
from sandbox.query.post_plan import plan_of
from sandbox.query.post_text import WRITTEN
from sandbox.service import home as homes
from sandbox.service import opc
from sandbox.service.home import Home

ALONE = {"Q1": 1.2, "Q6": 1.2}
BROKEN_DOWN = ("Q1", "Q3", "Q5", "Q6", "Q18")
ON_PARQUET = 1.0
ON_NATIVE = 2.0
EPSILON = Decimal("0.5")
WHOLE = "the whole way"
FIRST = "first of its kind"
ENGINE = "planned and run only"
PARQUET = "DuckDB on Parquet"
NATIVE = "native DuckDB"


def run(scale: Scale) -> list[Report]:
    """Measure all questions."""
    with tpch_home() as home, duckdb.connect() as plain:
        files = {table: tpch_file(scale.tpch, table, "parquet") for table in TPCH_TABLES}
        if home.settings.engine_threads:
            plain.execute(f"SET threads = {home.settings.engine_threads}")
        for table, file in files.items():
            load_tpch(home, scale.tpch, table, "parquet")
            plain.execute(f"CREATE TABLE {table} AS FROM '{file}'")
        paths = {table: f"'{file}'" for table, file in files.items()}
        with collector_spared():  # as `sandbox serve` does
            times = {q.name: _compared(q, home, plain, paths, scale.rounds) for q in QUESTIONS}
            spent = {q.name: _asked(q, home, scale.rounds) for q in QUESTIONS if q.name in BROKEN_DOWN}
    title = f"TPC-H, scale {scale.tpch:g}, unit = customer, warm, median of {scale.rounds}"
    return [
        _table(title, times, "ms", processor=False),
        _table(title, times, "processor ms", processor=True),
        _parts(f"{title}: where the time goes (ms)", {q: s.wall for q, s in spent.items()}),
        _parts(f"{title}: where the time goes (processor ms)", {q: s.processor for q, s in spent.items()}),
    ]


def _compared(
    question: TpchQuestion,
    home: Home,
    plain: duckdb.DuckDBPyConnection,
    paths: Mapping[str, str],
    rounds: int,
) -> Mapping[str, Timing]:
    me = analyst(home)
    protected = {table: f"tpch.{table}" for table in TPCH_TABLES}
    native = {table: table for table in TPCH_TABLES}

    def engine_alone(number: int) -> None:
        context = pipeline.Context(
            home.registry.snapshot(), home.catalog, home.ledger, home.store, home.hot, home.settings,
            homes.today(),
        )  # fmt: skip
        asked = pipeline.Question(question.text(protected, number), GRANT, me)
        rewritten = pipeline.decide(asked, context)
        execute(rewritten, locate(rewritten, home.catalog), home.hot, home.settings.question_seconds)

    def first_of_its_kind(number: int) -> None:
        WRITTEN.clear()
        plan_of.cache_clear()
        opc.ask(home, me, question.text(protected, 2 * rounds + 1 + number), GRANT, EPSILON)

    return interleaved(
        {
            WHOLE: lambda n: opc.ask(home, me, question.text(protected, n), GRANT, EPSILON),
            FIRST: first_of_its_kind,
            ENGINE: engine_alone,
            PARQUET: lambda n: plain.sql(question.text(paths, n)).to_arrow_table(),
            NATIVE: lambda n: plain.sql(question.text(native, n)).to_arrow_table(),
        },
        rounds,
        between=lambda: _meanwhile(home),
    )


def _asked(question: TpchQuestion, home: Home, rounds: int) -> Spent:
    """The steps of the whole way, with dates that were not asked before."""
    me = analyst(home)
    protected = {table: f"tpch.{table}" for table in TPCH_TABLES}
    with watched() as spent:
        whole = spent.timed(WHOLE_QUESTION, opc.ask)
        for number in range(rounds + 1, 2 * rounds + 1):
            whole(home, me, question.text(protected, number), GRANT, EPSILON)
            _meanwhile(home)
    return spent


def _meanwhile(home: Home) -> None:
    """What `sandbox serve` does between answers: free what they left, compress what they decrypted."""
    tidy()
    home.hot.compress()


def _parts(title: str, taken: Mapping[str, Mapping[str, list[float]]]) -> Report:
    rows: list[tuple[str | float, ...]] = [(name, *phases(times).values()) for name, times in taken.items()]
    return Report(title, ("", *PHASES, "rest", "whole"), tuple(rows))


def _table(title: str, times: Mapping[str, Mapping[str, Timing]], unit: str, *, processor: bool) -> Report:
    def ratio(a: Timing, b: Timing) -> float:
        return a.processor_ratio(b) if processor else a.ratio(b)

    def median(t: Timing) -> float:
        return 1000 * (t.median_processor if processor else t.median)

    def ratios(who: str) -> dict[str, tuple[float, float]]:
        return {q: (ratio(t[who], t[PARQUET]), ratio(t[who], t[NATIVE])) for q, t in times.items()}

    whole, first, engine = ratios(WHOLE), ratios(FIRST), ratios(ENGINE)
    rows: list[tuple[str | float, ...]] = [
        (
            q,
            *map(median, (t[WHOLE], t[FIRST], t[ENGINE], t[PARQUET], t[NATIVE])),
            *whole[q],
            *first[q],
            *engine[q],
        )
        for q, t in times.items()
    ]
    means = [_geometric_mean([r[i] for r in of.values()]) for of in (whole, first, engine) for i in (0, 1)]
    on_parquet, on_native, first_on_parquet, first_on_native = means[:4]
    rows.append(("geometric mean", "", "", "", "", "", *means))
    columns = (
        "", WHOLE, FIRST, ENGINE, PARQUET, NATIVE, "x Parquet", "x native", "first x P.", "first x n.",
        "run only x P.", "run only x n.",
    )  # fmt: skip
    goals = [Goal(f"{q}, ratio to DuckDB on Parquet", whole[q][0], bound) for q, bound in ALONE.items()]
    goals.append(Goal("geometric mean, ratio to DuckDB on Parquet", on_parquet, ON_PARQUET))
    goals.append(Goal("geometric mean, ratio to native DuckDB", on_native, ON_NATIVE))
    goals.append(Goal("first of its kind, ratio to DuckDB on Parquet", first_on_parquet, ON_PARQUET))
    goals.append(Goal("first of its kind, ratio to native DuckDB", first_on_native, ON_NATIVE))
    return Report(f"{title} ({unit})", columns, tuple(rows), tuple(goals))


def _geometric_mean(ratios: Sequence[float]) -> float:
    return math.exp(sum(map(math.log, ratios)) / len(ratios))
