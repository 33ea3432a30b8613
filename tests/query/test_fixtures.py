"""Fixtures: what questions are rewritten to, run both ways; and what is refused, by code and place."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest
from sqlglot import exp

from sandbox.errors import ErrorCode, SandboxError
from sandbox.query.folds import folded
from sandbox.query.noise import noisy_table
from sandbox.query.parse import parse
from sandbox.query.price import Noise, PricedBoundary
from sandbox.query.vocabulary import ALLOWED
from tests.query.equivalence import assert_rows
from tests.query.fixtures import REFUSED, REWRITES, WORLD, Block, expected, read
from tests.query.world import Silent, engine, random_rows, rewritten, silent_answer

PAIRS = read(REWRITES)
REFUSALS = read(REFUSED)
# At most two visits of each unit: the bounds of the fixtures' world (6 rows, 2 groups of 3) do not bind.
CLEAN = random_rows(11, 80, 2, clean=True)


@pytest.mark.parametrize("block", PAIRS, ids=lambda b: b.title)
def test_a_question_is_rewritten_as_the_fixture_says(block: Block) -> None:
    """If this is what you want: `python -m tests.query.fixtures`, and read the difference."""
    assert expected(block.statements[0]) == block.statements[1:]


@pytest.mark.parametrize("block", PAIRS, ids=lambda b: b.title)
def test_the_fixture_and_the_question_give_the_same_answer(block: Block) -> None:
    """The text of the fixture is run: boundaries, no noise, post-processing; and the question as it is."""
    question, *statements = block.statements
    analyzed = rewritten(question, WORLD).analyzed
    boundaries = analyzed.boundaries
    with engine(CLEAN) as connection:
        for name in ("people", "visits", "regions", "cities"):
            connection.register(f"w.{name}", connection.table(name).to_arrow_table())
        made = {b.name: b for b in boundaries}
        ranks: dict[str, list[pa.Table]] = {}
        noisy: dict[str, pa.Table] = {}
        for statement in statements[:-1]:
            name = statement.removeprefix("-- ").partition("\n")[0].partition(",")[0]
            table = connection.sql(statement).to_arrow_table()
            if name.startswith("ranks of "):
                ranks.setdefault(name.removeprefix("ranks of "), []).append(table)
                continue
            if name in made:
                silent = tuple(Noise(m, Silent(), Decimal(1), 0) for m in made[name].vectors)  # type: ignore[arg-type]
                table = noisy_table(PricedBoundary(made[name], silent, 0), table, ranks.get(name, ()))
            noisy[name] = table
        for name, table in folded(noisy, analyzed.folds).items():
            connection.register(name, table)
        assert_rows(question, connection.sql(statements[-1]).to_arrow_table(), connection)


def test_there_are_enough_pairs() -> None:
    assert len(PAIRS) >= 40
    assert len({b.title for b in PAIRS}) == len(PAIRS)


@pytest.mark.parametrize("block", REFUSALS, ids=lambda b: b.title)
def test_a_question_is_refused_as_the_fixture_says(block: Block) -> None:
    """The title is `code line:column | why`, without a place where the parser keeps none."""
    (question,) = block.statements
    code, _, place = block.title.partition(" | ")[0].partition(" ")
    with engine(CLEAN) as connection, pytest.raises(SandboxError) as refused:
        silent_answer(question, WORLD, connection)
    assert refused.value.code == code
    assert str(refused.value.place or "") == place
    assert refused.value.hint
    assert "sqlglot" not in str(refused.value)
    assert "Binder" not in str(refused.value)


def test_there_are_enough_refusals() -> None:
    assert len(REFUSALS) >= 90


def _refusal(sql: str) -> SandboxError:
    with engine(CLEAN) as connection, pytest.raises(SandboxError) as refused:
        silent_answer(sql, WORLD, connection)
    return refused.value


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT({}) AS n FROM people",
        "SELECT COUNT(*) AS n FROM people WHERE {} = 'x'",
        "SELECT {}, COUNT(*) AS n FROM people GROUP BY {}",
        "SELECT COUNT(*) AS n FROM people ORDER BY {}",
        "SELECT COUNT(p.{}) AS n FROM people AS p",
        "SELECT COUNT(*) AS n FROM people JOIN visits USING ({})",
        "SELECT COUNT(*) AS n FROM (SELECT {} FROM people) AS q",
    ],
)
def test_a_hidden_column_and_an_absent_one_are_refused_to_the_letter_alike(sql: str) -> None:
    """`secret` exists and is hidden; `secreT` + a letter does not exist."""
    hidden, absent = (_refusal(sql.replace("{}", name)) for name in ("secret", "secrex"))
    assert str(hidden).replace("secret", "secrex") == str(absent)


def test_a_megabyte_of_sql_is_refused_by_its_size() -> None:
    assert (
        _refusal("SELECT COUNT(*) FROM people WHERE " + "age > 1 AND " * 90_000 + "TRUE").code
        == "sql-too-large"
    )


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + "(" * 10_000 + "1" + ")" * 10_000,
        "SELECT COUNT(*) FROM people WHERE " + "NOT " * 10_000 + "member",
        "SELECT COUNT(*) FROM people WHERE " + "(" * 3_000 + "member" + ")" * 3_000,
        "SELECT " + "-" * 10_000 + "1",
        "SELECT " + "- " * 10_000 + "1",
        "SELECT * FROM " + "(SELECT * FROM " * 2_000 + "people" + ") AS q" * 2_000,
        "SELECT COUNT(*) FROM people WHERE " + "CASE WHEN member THEN " * 2_000 + "TRUE" + " END" * 2_000,
        "SELECT COUNT(*) FROM people WHERE age IN (" + "1," * 9_000 + "1)",
        "SELECT " + "COALESCE(" * 4_000 + "1" + ", 2)" * 4_000,
        "WITH "
        + ", ".join(f"a{i} AS (SELECT * FROM a{i - 1})" for i in range(1, 900))
        + " SELECT 1 AS x FROM a1",
        "SELECT COUNT(*) FROM people WHERE age = " + "9" * 60_000,
    ],
    ids=range(11),
)
def test_deep_and_large_questions_are_refused_and_break_nothing(sql: str) -> None:
    assert _refusal(sql).code in {
        ErrorCode.SQL_TOO_LARGE, ErrorCode.SQL_SYNTAX, ErrorCode.SQL_TYPE, ErrorCode.SQL_UNSUPPORTED,
        ErrorCode.SQL_NAME_UNKNOWN,
    }  # fmt: skip


@pytest.mark.parametrize(
    "step",
    ["{} + 1.5", "ROUND({} * 1.1)", "CASE WHEN member THEN {} ELSE weight END + 1", "ABS({} - weight)"],
)
def test_nested_arithmetic_does_not_grow_without_bound(step: str) -> None:
    """Holding a value within its bounds repeats it; nested, that would double the question at each level."""
    value = "weight"
    for _ in range(25):
        value = step.format(value)
    sql = f"SELECT COUNT(*) AS n FROM people WHERE {value} > 1"
    code, size = _code_and_size(sql)
    assert code in {None, ErrorCode.SQL_TOO_LARGE, ErrorCode.OVERFLOW_POSSIBLE}
    assert size < 200_000


def _code_and_size(sql: str) -> tuple[ErrorCode | None, int]:
    try:
        return None, len(rewritten(sql, WORLD).exact[0].tree.sql("duckdb"))
    except SandboxError as refused:
        return refused.code, 0


def test_every_function_of_the_engine_outside_the_vocabulary_is_refused() -> None:
    """Written in a question, as a value, over a column, and as a table."""
    with engine(CLEAN) as connection:
        names = [
            r[0]
            for r in connection.execute("SELECT DISTINCT function_name FROM duckdb_functions()").fetchall()
        ]
    names = sorted(n for n in names if n.isidentifier() and n.isascii())
    assert len(names) > 500
    allowed = set()
    for name in names:
        for sql in (f"SELECT {name}()", f"SELECT {name}(age) AS x FROM people", f"SELECT * FROM {name}('x')",
                    f"SELECT {name}(age, 1) AS x FROM people"):  # fmt: skip
            if _is_read(sql):
                allowed.add(name)
    ours = {name.lower() for t in ALLOWED if issubclass(t, exp.Func) for name in t.sql_names()}
    # sqlglot has other names for these
    others = {
        "histogram",
        "approx_count_distinct",
        "mod",
        "quantile_cont",
        "quantile_disc",
        "log2",
        "log10",
        "regexp_matches",
        "strftime",
    }
    assert allowed <= ours | others


def _is_read(sql: str) -> bool:
    try:
        parse(sql, 65_536)
    except SandboxError as refused:
        if refused.code not in {"sql-function-unknown", "sql-unsupported", "sql-syntax"}:
            raise
        return False
    return True
