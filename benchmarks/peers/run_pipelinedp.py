"""PipelineDP on its local backend. It has no SQL: what its API can say is written out for each question."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pipeline_dp as dp
from turns import Rows, run

M = dp.Metrics
TESTS = ["chol", "dbp", "fib4", "hdl", "sbp", "smoke"]
BANDS = ["a", "b", "c"]
Row = tuple[Any, ...]


def prepare(data: Path, epsilon: float) -> Callable[[dict[str, Any], int], tuple[Rows, float]]:
    people = list(
        pd.read_parquet(data / "people.parquet")[["id", "age", "male", "futime", "status"]].itertuples(
            index=False
        )
    )
    labs = list(
        pd.read_parquet(data / "labs.parquet")[["id", "days", "test", "value"]].itertuples(index=False)
    )

    def one(
        rows: list[Row],
        key: Any,
        keys: list[Any] | None,
        metrics: list[Any],
        value: Any = None,
        **limits: Any,
    ) -> Rows:
        """One aggregation; keys come from the data where there are none."""
        accountant = dp.NaiveBudgetAccountant(total_epsilon=epsilon, total_delta=1e-6)
        engine = dp.DPEngine(accountant, dp.LocalBackend())
        take = dp.DataExtractors(
            privacy_id_extractor=lambda r: r[0],
            partition_extractor=key,
            value_extractor=value or (lambda _: 0),
        )
        bounds = (
            limits
            if "max_contributions" in limits
            else {"max_partitions_contributed": 1, "max_contributions_per_partition": 1, **limits}
        )
        params = dp.AggregateParams(noise_kind=dp.NoiseKind.LAPLACE, metrics=metrics, **bounds)
        given = engine.aggregate(rows, params, take, public_partitions=keys)
        accountant.compute_budgets()
        return [(*([k] if keys != [0] else []), *v) for k, v in given]

    def band(age: int) -> str:
        return "a" if age < 40 else "b" if age < 65 else "c"

    many = {"max_contributions": 100}
    ages = {"min_value": 18, "max_value": 100}

    plans: dict[str, Callable[[], Rows]] = {
        "count": lambda: one(people, lambda _: 0, [0], [M.COUNT]),
        "count by key": lambda: one(people, lambda r: r.male, [0, 1], [M.COUNT]),
        "mean by key": lambda: one(people, lambda r: r.male, [0, 1], [M.MEAN], lambda r: r.age, **ages),
        "sum": lambda: one(
            people, lambda _: 0, [0], [M.SUM], lambda r: r.futime, min_value=0, max_value=8000
        ),
        "sum of an expression": lambda: one(
            people, lambda _: 0, [0], [M.SUM], lambda r: 2 * r.age, min_value=36, max_value=200
        ),
        "conditional sum": lambda: one(
            people, lambda r: r.male, [0, 1], [M.SUM], lambda r: int(r.age > 60), min_value=0, max_value=1
        ),
        "standard deviation": lambda: [
            (row[0] ** 0.5,) for row in one(people, lambda _: 0, [0], [M.VARIANCE], lambda r: r.age, **ages)
        ],
        "median": lambda: one(people, lambda _: 0, [0], [M.PERCENTILE(50)], lambda r: r.age, **ages),
        "keys from the data": lambda: one(people, lambda r: r.age, None, [M.COUNT]),
        "bands": lambda: one(people, lambda r: band(r.age), BANDS, [M.COUNT]),
        "many rows of a person": lambda: one(labs, lambda r: r.test, TESTS, [M.COUNT], **many),
        "mean over many rows": lambda: one(
            labs, lambda r: r.test, TESTS, [M.MEAN], lambda r: r.value, min_value=0, max_value=500, **many
        ),
        "persons by key": lambda: one(
            labs, lambda r: r.test, TESTS, [M.PRIVACY_ID_COUNT], max_partitions_contributed=6
        ),
    }

    def ask(question: dict[str, Any], turn: int) -> tuple[Rows, float]:
        if question["name"] not in plans:
            raise NotImplementedError("nothing in its API says this")
        del turn
        return plans[question["name"]](), epsilon

    return ask


run(prepare)
