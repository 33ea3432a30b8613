"""`docs/sql-support.md`: the vocabulary as the code has it, and what becomes of the corpus."""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from sandbox.query.spellings import HISTOGRAM
from sandbox.query.vocabulary import AGGREGATES, SCALARS
from tests.house.tree import ROOT
from tests.query.corpus import Question, datasets, questions, refusal, world

PAGE = ROOT / "docs" / "sql-support.md"
HEAD = """# What analysts ask, and what is answered

This page is written by `python -m tests.query.corpus` from the code and from a corpus of ordinary questions
over real datasets (`tests/query/corpus`); a test checks that it is current. The questions were written as for
a plain database, before it was known which of them are supported. [SQL](sql.md) explains the forms.
With noise off, over made-up rows, the answers are those of plain DuckDB (`tests/query/test_corpus_answers.py`
compares them, and lists those that differ, and why: rows that tie, quantiles that come from cells, windows
and means over public groups that no row is in).
"""


def page() -> str:
    """The page's text."""
    parts = [HEAD, _summary(), _refused(), _functions()]
    return "\n".join(parts)


def answered_share() -> float:
    """Of all questions, those that are answered."""
    found = questions()
    return sum(refusal(q) is None for q in found) / len(found)


def _summary() -> str:
    lines = ["| dataset | asked | answered |", "|---|---|---|"]
    for dataset in datasets():
        own = [q for q in questions() if q.dataset == dataset]
        title = world(dataset).policies[dataset].content.title.en
        lines.append(f"| {title} (`{dataset}`) | {len(own)} | {sum(refusal(q) is None for q in own)} |")
    asked = questions()
    count = sum(refusal(q) is None for q in asked)
    lines.append(f"| **all** | {len(asked)} | {count} ({100 * count / len(asked):.1f} %) |")
    return "\n".join(lines) + "\n"


def _refused() -> str:
    refused = [(q, error) for q in questions() if (error := refusal(q)) is not None]
    lines = ["## What is refused, and why\n"]
    for question, error in refused:
        place = f", at `{error.place.text[:70]}`" if error.place is not None and error.place.text else ""
        lines.append(f"- {question.wanted} (`{question.dataset}`): `{error.code}`{place}. {error.message}")
        lines.append(f"\n  ```text\n  {question.sql}\n  ```\n")
    return "\n".join(lines)


def _functions() -> str:
    return "\n".join(
        [
            "## Functions\n",
            f"On protected rows: {_names(SCALARS)}.\n",
            f"Aggregates: {_names(AGGREGATES)}.",
            "",
        ]
    )


def _names(kinds: Iterable[type]) -> str:
    known = {kind for kind in kinds if issubclass(kind, exp.Func)}
    names = {name for kind in known - {exp.AnonymousAggFunc} for name in kind.sql_names()}
    names |= {HISTOGRAM} if exp.AnonymousAggFunc in known else set()
    return ", ".join(f"`{name}`" for name in sorted(names))


def by_code() -> dict[str, list[Question]]:
    """Refused questions by code."""
    found: dict[str, list[Question]] = {}
    for question in questions():
        error = refusal(question)
        if error is not None:
            found.setdefault(error.code.value, []).append(question)
    return found
