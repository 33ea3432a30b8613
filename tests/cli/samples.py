"""Answers and estimates made by hand, for what is shown of them."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa

from sandbox.query.answer import Answer, AnswerColumn, BudgetState, Cost, Estimate, Note, Share

DIGEST = "sha256:" + "ab" * 32
BUDGETS = (
    BudgetState(
        "grant-dataset:liver-2026/nafld",
        Decimal(4),
        Decimal("0.4000004"),
        Decimal("3.5999996"),
        Decimal("1E-6"),
        Decimal(0),
    ),
)
COST = Cost(
    Decimal("0.4"),
    Decimal("1E-8"),
    Decimal("0.4"),
    Decimal("0.08"),
    (Share("units", "laplace", Decimal("0.4"), Decimal(1), 2.5, 6.98),),
)
NOTE = Note("Every number carries noise.", "每个数都带噪声。")


def answer(
    table: pa.Table | None = None,
    errors: pa.Table | None = None,
    columns: tuple[AnswerColumn, ...] | None = None,
    cost: Cost | None = COST,
    repeated: bool = False,
) -> Answer:
    """An answer to `SELECT test, AVG(value) AS mean, COUNT(*) AS n … GROUP BY test`."""
    return Answer(
        question="q-1",
        table=table
        if table is not None
        else pa.table({"test": ["chol", "hdl", None], "mean": [201.23456, 52.1, None], "n": [1200, 7, -3]}),
        errors=errors
        if errors is not None
        else pa.table({"mean": pa.array([0.4321, 8.0, None]), "n": pa.array([15.0, 15.0, 15.0])}),
        columns=columns
        or (
            AnswerColumn("test", "string", False, None, None),
            AnswerColumn("mean", "double", True, None, "derived"),
            AnswerColumn("n", "int64", True, 15.0, "laplace"),
        ),
        cost=cost,
        budgets=BUDGETS,
        repeated=repeated,
        notes=(NOTE,),
        decided_by=(f"nafld@{DIGEST}",),
        attribution=("Cohort: Clinic. LGPL",),
        receipt={"index": 3, "proof": ["00"]},
    )


def estimate(affordable: bool = True) -> Estimate:
    """An estimate of the same question."""
    return Estimate(
        columns=answer().columns,
        cost=COST,
        affordable=affordable,
        budgets=BUDGETS,
        notes=(NOTE,),
        decided_by=(f"nafld@{DIGEST}",),
    )
