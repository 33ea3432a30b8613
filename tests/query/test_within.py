"""A wanted error instead of an epsilon: the least price that meets it, and never a word from a row."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from sandbox.errors import ErrorCode, SandboxError
from sandbox.privacy.ledger import Ledger
from sandbox.query import pipeline
from sandbox.query.answer import Answer, Estimate
from sandbox.query.price import Priced, half_width, price
from sandbox.query.within import STEP, Given, Width, goals, least_price, second_epsilon
from sandbox.service import home as homes
from sandbox.service.home import Home
from tests.query.instance import context, li, make, open_instance
from tests.query.pricing import ledger, world
from tests.query.test_pipeline import ACCOUNT
from tests.query.world import rewritten

MANY = "SELECT place, COUNT(*) AS n FROM visits GROUP BY place"
QUESTIONS = [
    ("SELECT COUNT(*) AS n FROM people", "7"),
    ("SELECT COUNT(*) AS n, SUM(age) AS s FROM people", "150"),
    ("SELECT grp, COUNT(*) AS n, SUM(score) AS s FROM people GROUP BY grp", "20.5"),
    (MANY, "40"),
    ("SELECT " + ", ".join(f"COUNT_IF(age > {i}) AS s{i}" for i in range(30)) + " FROM people", "60"),
]


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    return ledger(tmp_path_factory.mktemp("books"))


def _widest(priced: Priced) -> Decimal:
    tables = {b.boundary.name: b for b in priced.boundaries}
    direct = priced.rewritten.analyzed.direct.values()
    return max(half_width(tables[table], measure) for table, measure in direct)


@pytest.mark.parametrize(("sql", "width"), QUESTIONS)
@pytest.mark.parametrize("groups", [2, 40])
def test_the_least_epsilon_that_meets_a_width(books: Ledger, sql: str, width: str, groups: int) -> None:
    asked = rewritten(sql, world(groups, groups, 1))
    found, cap = least_price(asked, goals(width, asked.analyzed), None, books)
    assert cap == 10
    assert _widest(found) <= Decimal(width)
    less = price(asked, found.epsilon - STEP, books)
    assert less is not None
    assert _widest(less) > Decimal(width)


def test_widths_by_column(books: Ledger) -> None:
    asked = rewritten("SELECT COUNT(*) AS n, SUM(age) AS s FROM people", world())
    both, _ = least_price(asked, goals({"N": "7", "s": "150"}, asked.analyzed), None, books)
    sum_only, _ = least_price(asked, goals({"s": "1000"}, asked.analyzed), None, books)
    everything, _ = least_price(asked, goals({"n": "3", "s": "100"}, asked.analyzed), None, books)
    assert sum_only.epsilon < both.epsilon < everything.epsilon


def test_what_it_would_take_is_said(books: Ledger) -> None:
    asked = rewritten("SELECT SUM(age) AS s FROM people", world())
    wish = goals("5", asked.analyzed)
    with pytest.raises(SandboxError) as refused:
        least_price(asked, wish, None, books)
    assert refused.value.code is ErrorCode.EPSILON_INVALID
    assert "s within 5 would take about epsilon 5" in refused.value.message  # Gaussian; Laplace would take 60
    assert "may spend 10 here" in refused.value.message
    fine = rewritten("SELECT SUM(cost) AS s FROM visits", world())
    with pytest.raises(SandboxError) as refused:
        least_price(fine, goals("0.001", fine.analyzed), Decimal("0.5"), books)
    assert "more than epsilon 1000; the question may spend 0.5 here" in refused.value.message


@pytest.mark.parametrize("width", ["", "%", "0", "-3", "nan", "inf%", "1e-30", "5 percent", "1e400"])
def test_odd_widths_are_refused(width: str) -> None:
    asked = rewritten("SELECT COUNT(*) AS n FROM people", world())
    for given in (width, {"n": width}):
        with pytest.raises(SandboxError) as refused:
            goals(given, asked.analyzed)
        assert refused.value.code is ErrorCode.ARGUMENT


def test_a_width_of_a_column_that_is_not_there_or_has_none() -> None:
    asked = rewritten("SELECT COUNT(*) AS n FROM people", world())
    with pytest.raises(SandboxError) as refused:
        goals({"m": "5"}, asked.analyzed)
    assert refused.value.code is ErrorCode.SQL_NAME_UNKNOWN
    most = "SELECT MAX(n) AS r FROM (SELECT grp, COUNT(*) AS n FROM people GROUP BY grp) AS q"
    with pytest.raises(SandboxError) as refused:
        goals("5%", rewritten(most, world()).analyzed)
    assert refused.value.code is ErrorCode.SQL_UNSUPPORTED


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    make(folder, units=4_000)
    return folder


@pytest.fixture
def home(prepared: Path, tmp_path: Path) -> Iterator[Home]:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    opened = open_instance(tmp_path)
    yield opened
    homes.close(opened)


def _question(home: Home, sql: str, within: Given, most: str | None = None) -> pipeline.Question:
    return pipeline.Question(sql, "g", li(home), None if most is None else Decimal(most), within)


def ask(home: Home, sql: str, within: Given, most: str | None = None) -> Answer:
    return pipeline.ask(_question(home, sql, within, most), context(home))


def estimate(home: Home, sql: str, within: Given, most: str | None = None) -> Estimate:
    return pipeline.estimate(_question(home, sql, within, most), context(home))


def spent(home: Home) -> Decimal:
    pure = home.ledger.state(ACCOUNT).pure
    assert pure is not None
    return round(pure, 9)


def test_an_absolute_width_is_priced_beforehand_and_asked_once(home: Home) -> None:
    sql = "SELECT COUNT(*) AS n FROM people WHERE age > 3"
    expected = estimate(home, sql, "25")
    answer = ask(home, sql, "25")
    assert answer.cost is not None
    assert answer.cost.epsilon == expected.cost.epsilon == spent(home)
    assert answer.errors.column("n")[0].as_py() == expected.columns[0].half_width <= 25
    again = ask(home, sql, "25")
    assert again.repeated
    assert ask(home, sql, "30").repeated  # a wider wish is met by what was paid for
    assert spent(home) == expected.cost.epsilon


@pytest.mark.parametrize(
    ("sql", "within"),
    [
        ("SELECT COUNT(*) AS n FROM people", "1%"),
        ("SELECT AVG(age) AS a FROM people", "0.2"),
        ("SELECT AVG(age) AS a, COUNT(*) AS n FROM people", {"a": "0.3%", "N": "20"}),
        # Without HAVING, the empty group NULL would stand out from noise once in a hundred times.
        ("SELECT grp, COUNT(*) AS n FROM people GROUP BY grp HAVING COUNT(*) > 300", "1%"),
    ],
)
def test_what_depends_on_the_answer_takes_a_first_one(home: Home, sql: str, within: Given) -> None:
    expected = estimate(home, sql, within)
    assert "a first question" in expected.notes[0].en
    answer = ask(home, sql, within)
    assert answer.cost is not None
    for name, width in (within if isinstance(within, dict) else {}).items() or [("", within)]:
        for at, column in enumerate(answer.table.column_names):
            if column not in answer.errors.column_names or name not in ("", column, column.upper()):
                continue
            values = answer.table.column(at).to_pylist()
            for value, half in zip(values, answer.errors.column(column).to_pylist(), strict=True):
                goal = float(str(width).removesuffix("%"))
                goal = goal / 100 * value if str(width).endswith("%") else goal
                assert half <= 1.1 * goal
    second = spent(home) - answer.cost.epsilon
    assert second == 0 or second == expected.cost.epsilon
    assert ("set the price" in answer.notes[0].en) == (second > 0)
    before = spent(home)
    assert ask(home, sql, within).repeated  # both answers are kept
    assert spent(home) == before


def test_a_second_question_that_would_spend_too_much_is_refused_after_the_first(home: Home) -> None:
    sql = "SELECT COUNT(*) AS n FROM people WHERE age = 3"
    with pytest.raises(SandboxError) as refused:
        ask(home, sql, "0.5%", most="0.2")
    assert refused.value.code is ErrorCode.EPSILON_INVALID
    assert "A first answer was paid for" in refused.value.hint
    assert spent(home) == Decimal("0.01")
    assert pipeline.ask(pipeline.Question(sql, "g", li(home), Decimal("0.01")), context(home)).repeated


def test_a_number_that_noise_hides_tells_no_price(home: Home) -> None:
    """It rounds to 0, whatever the noise: 5,000 would be 25 scales of it."""
    with pytest.raises(SandboxError) as refused:
        ask(home, "SELECT ROUND(COUNT(*) / 10000) AS n FROM people WHERE age = 3", "5%", most="0.1")
    assert "cannot tell" in refused.value.message


def test_only_numbers_that_stand_out_from_noise_set_the_price() -> None:
    """Four numbers with half-widths of 6: one stands out beyond ln(400) / ln(20) = 2 of them."""

    def needed(*values: float, percent: str = "1") -> Decimal | None:
        wish = {0: Width(Decimal(percent) / 100, relative=True)}
        return second_epsilon(wish, lambda _: [(v, 6.0) for v in values], Decimal(1))

    assert needed(1206, 2406, -11.9, 11.9) == Decimal("0.5")
    assert needed(1206, 2406, -12.1, 0) == Decimal("103.278689")  # 6 / (0.01 * 6.1) and SPARE
    assert needed(11.9, -11, 3, 0) is None
    assert needed(9.3) == Decimal("190.909091")  # alone, beyond 1.54 of them
    assert needed(9.2) is None
    assert needed() == 0


def test_open_tables_are_exact_whatever_is_wanted(home: Home) -> None:
    assert ask(home, "SELECT SUM(size) AS s FROM regions", "1%").table.to_pylist() == [{"s": 8}]
    assert estimate(home, "SELECT SUM(size) AS s FROM regions", "1%").cost.epsilon == 0


def test_the_whole_way_keeps_to_the_most(home: Home) -> None:
    answer = ask(home, "SELECT COUNT(*) AS n FROM people WHERE age > 50", "2%", most="0.5")
    assert answer.cost is not None
    assert spent(home) <= Decimal("0.5")
