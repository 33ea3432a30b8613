"""The log must not tell: no literal of a question, no true or suppressed count, no engine message."""

from __future__ import annotations

import contextlib
import re
from decimal import Decimal

import pytest

from sandbox.audit.bundle import export_bundle
from sandbox.errors import SandboxError
from sandbox.query.parse import parse
from sandbox.query.pipeline import Question, ask
from sandbox.service import home as homes
from sandbox.service import opc
from tests.query.instance import context, li, make, open_instance

UNITS = 397  # a prime that nothing else here has
MARKS = ("zanzibar", "471108154711", "1987-06-05", "0815.25")
QUESTIONS = (
    "SELECT COUNT(*) AS zanzibar FROM people",
    "SELECT COUNT(*) AS n FROM people WHERE city = 'zanzibar' OR age > 471108154711",
    "SELECT grp, SUM(CASE WHEN born > DATE '1987-06-05' THEN 0815.25 END) AS s FROM people GROUP BY grp",
    "SELECT city, COUNT(*) AS n FROM people WHERE city LIKE '%zanzibar%' GROUP BY city",
)
REFUSED = (
    "SELECT * FROM people WHERE city = 'zanzibar'",
    "SELECT zanzibar471108154711 FROM people",
    "this is not SQL: zanzibar 471108154711",
    "SELECT MODE(city) FROM people WHERE age <> 471108154711",
    "SELECT HISTOGRAM(city, ['zanzibar', 471108154711]) FROM people",
    "CALL zanzibar('471108154711')",
)


@pytest.fixture(scope="module")
def leaves(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], bytes]:
    folder = tmp_path_factory.mktemp("silence")
    make(folder, units=UNITS)
    home = open_instance(folder)
    for sql in QUESTIONS:
        ask(Question(sql, "g", li(home), Decimal("1")), context(home))
        ask(Question(sql, "g", li(home), Decimal("1")), context(home))
    for sql in REFUSED:
        with pytest.raises(SandboxError):
            opc.ask(home, li(home), sql, "g", Decimal("1"))
    export_bundle(home.store, folder / "log")
    texts = [repr(e) for e in home.store.entries()]
    homes.close(home)
    exported = b"".join(p.read_bytes() for p in sorted((folder / "log").rglob("*")) if p.is_file())
    store = b"".join(p.read_bytes() for p in (folder / "home").glob("store*"))
    return texts, exported + store


@pytest.mark.parametrize("mark", MARKS)
def test_no_literal_of_a_question_is_in_the_log_or_in_the_clear_beside_it(
    leaves: tuple[list[str], bytes], mark: str
) -> None:
    texts, raw = leaves
    assert not [t for t in texts if mark in t]
    assert mark.encode() not in raw


def test_no_true_count_is_in_the_log(leaves: tuple[list[str], bytes]) -> None:
    texts, _ = leaves
    assert len(texts) > 10
    for text in texts:
        numbers = re.findall(r"(?<![\w.:-])\d+(?![\w.:-])", text)
        assert not {str(UNITS), str(2 * UNITS)} & set(numbers), text


def test_questions_and_refusals_are_all_there(leaves: tuple[list[str], bytes]) -> None:
    joined = "\n".join(leaves[0])
    for kind in ("question.intended", "question.settled", "question.repeated"):
        assert joined.count(f"kind='{kind}'") == len(QUESTIONS), kind
    assert joined.count("kind='question.refused'") == len(REFUSED)


def test_no_library_repeats_a_question_on_the_terminal(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """The parser warned of statements that it does not know, and quoted them whole."""
    for sql in (*QUESTIONS, *REFUSED):
        with contextlib.suppress(SandboxError):
            parse(sql, 65_536)
    said = caplog.text + "".join(capfd.readouterr())
    assert not [mark for mark in MARKS if mark in said]
