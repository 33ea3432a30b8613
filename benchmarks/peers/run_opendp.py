"""OpenDP's Polars interface. It has no SQL: what its API can say is written out for each question."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import opendp.prelude as dp
import polars as pl
from turns import Rows, run

dp.enable_features("contrib")
AGES = (18, 100)
TESTS = ["chol", "dbp", "fib4", "hdl", "sbp", "smoke"]


def prepare(data: Path, epsilon: float) -> Callable[[dict[str, Any], int], tuple[Rows, float]]:
    warnings.filterwarnings("ignore")
    people = (
        pl.scan_parquet(data / "people.parquet")
        .select("id", "age", "male", "futime", "status")
        .collect()
        .lazy()
    )
    labs = pl.scan_parquet(data / "labs.parquet").select("id", "days", "test", "value").collect().lazy()
    margins = [
        dp.polars.Margin(by=(), max_length=1_000_000),
        dp.polars.Margin(by=["male"], max_length=1_000_000, max_groups=2),
        dp.polars.Margin(by=["test"], max_length=10_000_000, max_groups=6),
    ]

    def over(rows: pl.LazyFrame, *, many: bool = False, delta: float | None = None) -> Any:
        unit = dp.unit_of(contributions=1, identifier="id") if many else dp.unit_of(contributions=1)
        loss = dp.loss_of(epsilon=epsilon) if delta is None else dp.loss_of(epsilon=epsilon, delta=delta)
        used = [m for m in margins if not m.by or m.by[0] in rows.collect_schema().names()]
        return dp.Context.compositor(
            data=rows, privacy_unit=unit, privacy_loss=loss, split_evenly_over=1, margins=used
        ).query()

    def rows_of(query: Any) -> Rows:
        return query.release().collect().rows()

    def by_male(rows: Any, *aggregates: Any) -> Rows:
        keys = pl.LazyFrame({"male": [0, 1]})
        return rows_of(rows.group_by("male").agg(*aggregates).with_keys(keys))

    def by_test(rows: Any, *aggregates: Any) -> Rows:
        keys = pl.LazyFrame({"test": TESTS})
        return rows_of(rows.group_by("test").agg(*aggregates).with_keys(keys))

    count = dp.len(signed=True)
    age = pl.col("age").cast(int).fill_null(0)
    value = pl.col("value").fill_null(0.0).fill_nan(0.0)
    plans: dict[str, Callable[[], Rows]] = {
        "count": lambda: rows_of(over(people).select(count)),
        "count by key": lambda: by_male(over(people), count),
        "mean by key": lambda: [(k, s / n) for k, s, n in by_male(over(people), age.dp.sum(AGES), count)],
        "sum": lambda: rows_of(over(people).select(pl.col("futime").fill_null(0).dp.sum((0, 8000)))),
        "sum of an expression": lambda: rows_of(over(people).select((age * 2).dp.sum((36, 200)))),
        "conditional sum": lambda: by_male(over(people).filter(pl.col("age") > 60), count),
        "median": lambda: rows_of(over(people).select(age.dp.median(list(range(18, 101))))),
        "keys from the data": lambda: rows_of(over(people, delta=1e-6).group_by("age").agg(count)),
        "many rows of a person": lambda: by_test(over(labs, many=True).truncate_per_group(100), count),
        "mean over many rows": lambda: [
            (k, s / n)
            for k, s, n in by_test(
                over(labs, many=True).truncate_per_group(100), value.dp.sum((0.0, 500.0)), count
            )
        ],
        "persons by key": lambda: by_test(
            over(labs, many=True).truncate_per_group(1, by=["test"]).truncate_num_groups(6, by=["test"]),
            count,
        ),
        "distinct values": lambda: rows_of(
            over(labs, many=True).truncate_per_group(6).select(pl.col("test").dp.n_unique(signed=True))
        ),
    }

    def ask(question: dict[str, Any], turn: int) -> tuple[Rows, float]:
        if question["name"] not in plans:
            raise NotImplementedError("nothing in its API says this")
        del turn
        return plans[question["name"]](), epsilon

    return ask


run(prepare)
