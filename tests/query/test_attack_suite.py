"""Each hostile question of `fixtures/attacks.sql` is refused, or answered within its sensitivity.

`test_attacks.py` holds attacks that need code of their own.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.query.fixtures import ATTACKS, REFUSED, WORLD, Block, read, refusal
from tests.query.refusals import assert_helpful
from tests.query.test_neighbours import assert_bounded
from tests.query.world import Rows, engine, random_rows, silent_answer

BLOCKS = read(ATTACKS)
BOUNDS = (6, 2, 3)
NEIGHBOURS = random_rows(1, 4, 6)
CLASSES = {
    "averaging", "cast", "comment", "differencing", "engine", "having", "huge", "ladder", "lateral", "oracle",
    "overflow", "parameter", "recursion", "regex", "rows", "shadow", "unicode",
}  # fmt: skip


def outcome(block: Block) -> tuple[str, str]:
    """What must become of it: a code with its place, `answered`, or `safe`; and its class."""
    expected, _, what = block.title.partition(" | ")
    return expected, what.partition(":")[0]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda b: b.title)
def test_an_attack_is_refused_or_bounded(block: Block) -> None:
    (question,) = block.statements
    expected, _ = outcome(block)
    refused = refusal(question)
    if expected not in ("answered", "safe"):
        assert refused is not None, "it is answered"
        assert f"{refused.code} {refused.place}" == expected
    if refused is not None:
        assert expected != "answered", str(refused)
        assert_helpful(refused, question)
        return
    assert_alike(question, NEIGHBOURS)


def assert_alike(question: str, rows: Rows) -> None:
    """Each unit moves it by what is declared at most, and the shape of the answer not at all."""
    shapes = set()
    for unit in rows.units[:2]:
        assert_bounded(question, rows, BOUNDS, unit)
        with engine(rows.without(unit)) as connection:
            shapes.add(str(silent_answer(question, WORLD, connection).table.schema))
    with engine(rows) as connection:
        shapes.add(str(silent_answer(question, WORLD, connection).table.schema))
    assert len(shapes) == 1


def test_there_are_enough_attacks_of_every_class() -> None:
    found = Counter(outcome(block)[1] for block in BLOCKS)
    assert set(found) == CLASSES
    assert min(found.values()) >= 7
    assert len(BLOCKS) >= 300
    refused = [b for b in BLOCKS if outcome(b)[0] not in ("answered", "safe")]
    assert len(refused) >= 180


def test_no_attack_is_there_twice() -> None:
    twice = [q for q, times in Counter(b.statements[0] for b in BLOCKS).items() if times > 1]
    assert not twice


@pytest.mark.parametrize("block", read(REFUSED), ids=lambda b: b.title)
def test_a_refusal_names_the_part_and_the_next_step(block: Block) -> None:
    (question,) = block.statements
    refused = refusal(question)
    assert refused is not None
    assert_helpful(refused, question)


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("SELECT COUNT(*) AS n\nFROM people\nWHERE regexp_replace(city, 'a', '') = 'b'",
         "regexp_replace(city, 'a', '')"),
        ("SELECT COUNT(*) FROM people WHERE (CAST(age AS HUGEINT)) > 1", "CAST(age AS HUGEINT)"),
        ("SELECT COUNT(*) FROM people WHERE age::HUGEINT > 1", "age::HUGEINT"),
        ("SELECT COUNT(*) FROM people WHERE CASE WHEN member THEN 1 ELSE 'x' END = 1",
         "CASE WHEN member THEN 1 ELSE 'x' END"),
        ("SELECT COUNT(*) FROM people WHERE seen(now())", "seen(now())"),
        ("SELECT COUNT(*) FROM people WHERE EXTRACT(moon FROM born) = 3", "EXTRACT(moon FROM born)"),
        ("SELECT grp, COUNT(*) + 'x' AS n FROM people GROUP BY grp", "COUNT(*) + 'x' AS n"),
        ("SELECT COUNT(*) FROM people WHERE age = $1", "$"),
        ("SELECT COUNT(*) FROM people; SELECT 1", "SELECT 1"),
        ("SELECT COUNT(*) FROM people WHERE city = 'ro", "'ro"),
        ("DELETE FROM people", "DELETE"),
    ],
)  # fmt: skip
def test_the_place_is_the_smallest_part_at_fault(sql: str, text: str) -> None:
    refused = refusal(sql)
    assert refused is not None
    assert refused.place is not None
    assert refused.place.text == text
    assert_helpful(refused, sql)


def test_a_hint_names_the_nearest_supported_form() -> None:
    hints = {
        "SELECT COUNT(*) FROM people WHERE regexp_replace(city, 'a', '') = 'b'": "LIKE",
        "SELECT COUNT(*) FROM people WHERE seen_at > now()": "DATE '",
        "SELECT STRING_AGG(city, ',') FROM people": "GROUP BY x",
        "SELECT COUNT(*) FROM read_csv('x')": "sandbox datasets",
        "SELECT AVERAGE(age) FROM people": "Supported functions",
        "SELECT ROUNDS(age) FROM people": "Did you mean ROUND?",
        "SELECT ANY_VALUE(age) FROM people": "GROUP BY x",
        "SELECT KURTOSIS(age) FROM people": "QUANTILE_CONT(x, [0.1, 0.5, 0.9])",
        "SELECT GEOMEAN(age) FROM people": "EXP(AVG(LN(x)))",
        "SELECT BOOL_OR(member) FROM people": "COUNT_IF(x) > 0",
        "SELECT COUNT(*) FROM people TABLESAMPLE 10%": "every row counts",
        "SELECT grp, COUNT(*) FROM people GROUP BY grp WITH ROLLUP": "GROUP BY ROLLUP (a, b)",
        "SELECT pid, COUNT(*) FROM visits GROUP BY pid": "Aggregate again",
        "SELECT COUNT(*) FROM people WHERE age > (SELECT AVG(age) FROM people)": "Ask it first",
    }
    for sql, words in hints.items():
        refused = refusal(sql)
        assert refused is not None
        assert words in refused.hint, sql


def listed(what: str) -> list[str]:
    """Names that the engine itself lists."""
    with engine(NEIGHBOURS) as connection:
        return sorted({str(row[0]) for row in connection.execute(what).fetchall()})


def test_every_operator_of_the_engine_is_refused_or_total() -> None:
    """A new DuckDB cannot bring one in unseen: what is not in the vocabulary is refused."""
    names = [
        n for n in listed("SELECT function_name FROM duckdb_functions()") if not n.replace("_", "").isalnum()
    ]
    assert len(names) > 20
    for name in names:
        for of in (f"(age {name} filter_only)", f"(city {name} grp)", f"({name} age)", f"(age {name})"):
            refused_or_total(f"SELECT COUNT(*) AS n FROM people WHERE {of} IS NULL")


def test_every_type_of_the_engine_is_refused_or_total() -> None:
    for name in listed("SELECT type_name FROM duckdb_types()"):
        for column in ("age", "city", "born", "weight", "member"):
            refused_or_total(f'SELECT COUNT(*) AS n FROM people WHERE CAST({column} AS "{name}") IS NULL')
            refused_or_total(f"SELECT COUNT(*) AS n FROM people WHERE CAST({column} AS {name}) IS NULL")


def refused_or_total(question: str) -> None:
    """No row fails, or the question is refused."""
    refused = refusal(question)
    if refused is not None:
        assert_helpful(refused, question)
        return
    with engine(NEIGHBOURS) as connection:
        silent_answer(question, WORLD, connection)


def test_every_view_table_and_setting_of_the_engine_is_no_table_here() -> None:
    views = listed("SELECT view_name FROM duckdb_views() WHERE internal")
    settings = listed("SELECT name FROM duckdb_settings()")
    schemas = listed("SELECT schema_name FROM duckdb_schemas()")
    assert len(views) > 30
    assert len(settings) > 100
    for name in (*views, *settings):
        for table in (name, f'"{name}"', *(f"{schema}.{name}" for schema in schemas)):
            refused = refusal(f"SELECT COUNT(*) AS n FROM {table}")
            assert refused is not None, table
            assert refused.code.value.startswith("sql-"), table
    for name in settings:
        for question in (f"SET {name} = 1", f"RESET {name}", f"SELECT current_setting('{name}') AS s"):
            assert refusal(question) is not None, question
