"""Two whole instances that differ in one person: nothing but noise tells them apart.

Every attack is asked of both: the same status, the same refusal to the letter, the same price, and an answer
of the same shape wherever its keys are public.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

import pytest

from sandbox.errors import ErrorCode, SandboxError
from sandbox.query.answer import Answer
from sandbox.service import home as homes
from sandbox.service import opc
from sandbox.service.home import Home
from tests.query.fixtures import ATTACKS, read
from tests.query.instance import BOUNDED, UNBOUNDED, li, make, open_instance
from tests.query.world import POLICY, published, rewritten

WORLD = published(policy=POLICY.replace(UNBOUNDED, BOUNDED))
UNITS, GONE = 60, 47
EPSILON = Decimal("0.02")
Pair = tuple[Home, Home]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    opened = []
    for without in (None, GONE):
        folder = tmp_path_factory.mktemp("neighbour")
        make(folder, units=UNITS, without=without)
        opened.append(open_instance(folder))
    yield opened[0], opened[1]
    for home in opened:
        homes.close(home)


def asked(home: Home, sql: str) -> Answer | SandboxError:
    """The answer, or the refusal."""
    try:
        return opc.ask(home, li(home), sql, "g", EPSILON)
    except SandboxError as refused:
        return refused


def assert_indistinguishable(pair: Pair, sql: str) -> bool:
    """Whether both answered; they do the same in all that is not noise."""
    whole, less = (asked(home, sql) for home in pair)
    if isinstance(whole, SandboxError) or isinstance(less, SandboxError):
        assert isinstance(whole, SandboxError), sql
        assert isinstance(less, SandboxError), sql
        assert str(whole) == str(less)
        assert whole.code is not ErrorCode.QUESTION_FAILED, sql
        return False
    assert whole.table.schema == less.table.schema
    assert whole.cost == less.cost
    assert whole.columns == less.columns
    assert said(whole) == said(less)
    if keys_are_public(sql):
        assert whole.table.num_rows == less.table.num_rows, sql
    return True


def said(answer: Answer) -> list[str]:
    """The notes; a question's name is drawn at random."""
    return [re.sub(r"q-[0-9a-f]{32}", "q", note.en + note.zh) for note in answer.notes]


def keys_are_public(sql: str) -> bool:
    """Whether the number of rows is known beforehand: public keys, and nothing that picks among them."""
    analyzed = rewritten(sql, WORLD).analyzed
    picks = any(analyzed.post.args.get(part) for part in ("where", "having", "limit", "offset"))
    return not picks and all(b.domain is not None or not b.keys for b in analyzed.boundaries)


def test_no_attack_tells_two_neighbours_apart(pair: Pair) -> None:
    blocks = read(ATTACKS)
    open_to = [b for b in blocks if b.title.startswith(("answered", "safe"))]
    refused = [b for b in blocks if b not in open_to][::6]
    answered = sum(assert_indistinguishable(pair, b.statements[0]) for b in (*open_to, *refused))
    assert answered > 60
