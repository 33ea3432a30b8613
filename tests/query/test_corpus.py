"""Ordinary questions: most are answered, each refusal is listed, and what is accepted runs."""

from __future__ import annotations

from functools import cache

import duckdb
import pytest

from sandbox.errors import ErrorCode
from tests.query.corpus import Question, datasets, questions, refusal, world
from tests.query.corpus.rows import made_up
from tests.query.corpus.support import PAGE, answered_share, page
from tests.query.refusals import assert_helpful
from tests.query.world import silent_answer

LEAST_ANSWERED = 0.94
NEVER = frozenset({ErrorCode.QUESTION_FAILED, ErrorCode.INTERNAL})


def test_the_page_is_current() -> None:
    """If this is what you want: `python -m tests.query.corpus`, and read the difference."""
    assert PAGE.read_text("utf-8") == page()


def test_there_are_enough_questions_and_most_are_answered() -> None:
    assert len(questions()) >= 250
    assert all(sum(q.dataset == d for q in questions()) >= 20 for d in datasets())
    assert answered_share() >= LEAST_ANSWERED


@pytest.mark.parametrize("question", questions(), ids=lambda q: f"{q.dataset}: {q.wanted}")
def test_a_question_of_the_corpus_is_answered_or_refused_well(question: Question) -> None:
    """Over made-up rows, with noise off: no engine refuses what was accepted."""
    refused = refusal(question)
    if refused is not None:
        assert refused.code not in NEVER
        assert_helpful(refused, question.sql)
        return
    connection, relations = engine_of(question.dataset)
    answer = silent_answer(question.sql, world(question.dataset), connection, relations)
    assert answer.table.num_columns >= 1


@cache
def engine_of(dataset: str) -> tuple[duckdb.DuckDBPyConnection, dict[str, str]]:
    """DuckDB with made-up rows of the dataset, and their relations."""
    connection = duckdb.connect()
    return connection, made_up(dataset, connection)
