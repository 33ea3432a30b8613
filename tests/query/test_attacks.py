"""An analyst who wants raw data: each test is an attack that once worked, or that must never begin to.

What is attacked: sensitivity (a unit in more groups than declared), totality (a row that makes an accepted
question fail, or run for ever, tells of itself for next to nothing), the use ladder of the policy, the text
that reaches the engines, and the service's time and memory.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.errors import ErrorCode, SandboxError
from sandbox.policy.types import Use
from sandbox.query import postprocess, price
from sandbox.query.noise import Noised, noisy_table
from sandbox.query.parse import parse
from sandbox.query.price import Noise, PricedBoundary
from tests.query.attack_questions import question, row_question
from tests.query.test_neighbours import assert_bounded
from tests.query.world import (
    POLICY,
    TABLES,
    Rows,
    Silent,
    engine,
    exact_tables,
    published,
    random_rows,
    rewritten,
    silent_answer,
)

WORLD = published()
QUICK = settings(deadline=None, suppress_health_check=list(HealthCheck), database=None)
SECONDS = 60.0  # of processor time, on a slow machine; it is a second or so, and would be hours or years


def refusal(sql: str, world: Any = WORLD) -> ErrorCode:
    """The code by which a question is refused."""
    with pytest.raises(SandboxError) as refused:
        rewritten(sql, world)
    return refused.value.code


def quickly(ask: Callable[[], object]) -> object:
    """What `ask` gives, which must not take long."""
    start = time.process_time()
    answer = ask()
    assert time.process_time() - start < SECONDS
    return answer


def visit(unit: int, days: int, place: str = "u") -> tuple[Any, ...]:
    """One visit."""
    return (unit, unit, days, "p", place, Decimal(1), 1, datetime(2000, 1, 1))


def person(unit: int, age: int | None) -> tuple[Any, ...]:
    """One person."""
    return (unit, unit, age, Decimal(1), 1.0, True, "a", "rome", None, "s", 3, "x")


# -- sensitivity -----------------------------------------------------------------------------------


def test_nullif_of_a_persons_age_and_their_visits_is_no_key_of_the_person() -> None:
    """NULLIF took the left side's word for being the same in all rows of a unit: one group was declared."""
    sql = "SELECT NULLIF(age, days) AS k, COUNT(*) AS n FROM people JOIN visits ON id = pid GROUP BY 1"
    rows = Rows((person(1, 20), person(2, 30)), (visit(1, 20), visit(1, 20), visit(1, 5), visit(2, 3)))
    assert_bounded(sql, rows, (6, 1, 1), 1)
    assert_bounded(sql, rows, (6, 2, 3), 1)


@pytest.mark.parametrize("of", ["(p.id IN ({q})) IS TRUE", "COALESCE(p.id IN ({q}), FALSE)", "p.age IS NULL"])
def test_what_a_left_join_may_miss_is_no_key_of_the_unit(of: str) -> None:
    key = of.format(q="SELECT x.pid FROM visits AS x")
    joined = "visits AS v LEFT JOIN people AS p ON v.pid = p.id AND v.days > 5"
    sql = f"SELECT {key} AS k, COUNT(*) AS n FROM {joined} GROUP BY 1"
    assert_bounded(sql, Rows((person(1, 20),), (visit(1, 20), visit(1, 1), visit(1, 2))), (6, 1, 1), 1)


@settings(QUICK, max_examples=80)
@given(
    st.integers(0, 2**32),
    st.integers(0, 10_000),
    st.tuples(st.integers(1, 6), st.integers(1, 3), st.integers(1, 3)),
)
def test_no_question_moves_by_more_than_it_declares(
    seed: int, rows_seed: int, bounds: tuple[int, int, int]
) -> None:
    r = random.Random(seed)
    rows = random_rows(rows_seed, r.randint(1, 4), r.randint(0, 9))
    if not rows.units:
        return
    bounds = (bounds[0], min(bounds[1], bounds[0]), min(bounds[2], bounds[0]))
    with contextlib.suppress(SandboxError):
        assert_bounded(question(r), rows, bounds, r.choice(rows.units))


# -- totality: no row fails, and none takes all there is --------------------------------------------

WILD = [5e-324, -0.0, 1.7976931348623157e308, float("nan"), float("inf"), float("-inf")]
TEXTS = ["", "%", "😀é", " " * 5, "a" * 300, "1e400", "-9223372036854775809", "2000-13-45", "ß", "ŉ", "true"]


def wild_rows() -> Rows:
    """Rows that look for what a function cannot do."""
    rows = random_rows(1, 10, 4)
    people = [
        (100 + i, 100 + i, 0, Decimal("-9999999.99"), w, None, "a", t, None, "s", 9, "x")
        for i, (w, t) in enumerate((w, t) for w in WILD for t in TEXTS)
    ]
    visits = [
        (100 + i, 100 + i, 50, "p", "u", Decimal("999999999.999"), 2**63 - 1, datetime(9999, 12, 31))
        for i in range(len(people))
    ]
    return Rows((*rows.people, *people), (*rows.visits, *visits))


@settings(QUICK, max_examples=200)
@given(st.integers(0, 2**32))
def test_no_row_makes_an_accepted_question_fail(seed: int) -> None:
    sql = row_question(random.Random(seed))
    try:
        exact = rewritten(sql, WORLD)
    except SandboxError:
        return
    with engine(wild_rows()) as connection:
        exact_tables(exact, connection)


@pytest.mark.parametrize(
    ("table", "column", "values"),
    [
        ("people", "born", [-(2**31), -(2**31) + 2, 2**31 - 1, 2**31 - 2, -719_163, 2_932_897]),
        (
            "visits",
            "seen",
            [-(2**63), -(2**63) + 2, 2**63 - 1, 2**63 - 2, -(10**18), 9 * 10**18],
        ),
    ],
)
def test_a_day_beyond_the_calendar_is_null_and_stops_no_engine(
    table: str, column: str, values: list[int]
) -> None:
    """One such timestamp, written as text, invalidated the database of the hot store: for everybody."""
    forms = ["{c}", "YEAR({c})", "EXTRACT(week FROM {c})", "HOUR({c})", "CAST({c} AS VARCHAR)",
             "CAST({c} AS DATE)", "CAST({c} AS TIMESTAMP)", "DATE_TRUNC('week', {c})"]  # fmt: skip
    kind = TABLES[table].field(column).type
    width = pa.int32() if pa.types.is_date(kind) else pa.int64()
    made: dict[str, Any] = {f.name: pa.nulls(len(values), f.type) for f in TABLES[table]}
    made |= {
        "__unit": pa.array(range(len(values)), pa.int64()),
        "__rank": pa.array([0] * len(values), pa.int64()),
    }
    made[column] = pa.array(values, width).view(kind)
    with duckdb.connect() as connection:
        connection.register(table, pa.table(made, schema=TABLES[table]))
        for form in forms:
            sql = f"SELECT {form.format(c=column)} AS k, COUNT(*) AS n FROM {table} GROUP BY 1"
            (groups,) = exact_tables(rewritten(sql, WORLD), connection)
            found = {row["k0"]: row["m0"] for row in groups.to_pylist() if row["m0"]}
            assert found == {None: len(values)}, form


def test_comparing_a_long_decimal_with_a_large_number_does_not_fail() -> None:
    """DuckDB compares DECIMAL(38, 21) with a BIGINT as DECIMAL(38, 21), which no large number is."""
    power = "*".join(["cost"] * 7)
    sql = f"SELECT COUNT(*) AS n FROM visits WHERE {power} > level OR {power} IN (level, 1)"
    with engine(Rows((), ((1, 1, 1, "p", "u", Decimal(5), 2**63 - 1, None),))) as connection:
        assert exact_tables(rewritten(sql, WORLD), connection)[0].to_pylist() == [{"m0": 0}]


def test_a_text_cannot_be_doubled_until_memory_ends() -> None:
    source = "(SELECT CASE WHEN age = 47 THEN city ELSE '' END AS x FROM people)"
    for i in range(32):
        source = f"(SELECT x || x AS x FROM {source} AS q{i})"
    assert refusal(f"SELECT COUNT(*) FROM {source} AS q WHERE x = 'a'") is ErrorCode.SQL_TOO_LARGE
    source = "(SELECT CASE WHEN age = 47 THEN city ELSE '' END AS x FROM people)"
    for i in range(8):
        source = f"(SELECT COALESCE(UPPER(CONCAT(x, x, x, x)), 'b') AS x FROM {source} AS q{i})"
    assert refusal(f"SELECT COUNT(*) FROM {source} AS q WHERE x = 'a'") is ErrorCode.SQL_TOO_LARGE


PLAIN = "(SELECT pid FROM visits WHERE days = 1)"
GROUPED = "(SELECT pid, place FROM visits WHERE days = 1 GROUP BY pid, place)"


@pytest.mark.parametrize("make", [PLAIN, GROUPED])
def test_rows_of_one_unit_cannot_multiply_until_time_ends(make: str) -> None:
    """Six joins of a table with itself took no time for anybody, and for ever for whom the filter met."""

    def joined(times: int) -> str:
        more = "".join(f" JOIN {make} AS v{i} ON v{i}.pid = v0.pid" for i in range(1, times))
        return f"SELECT COUNT(*) AS n FROM {make} AS v0{more}"

    assert refusal(joined(9)) is ErrorCode.SQL_JOIN
    rows = Rows((), tuple(visit(1, 1, f"u{i}") for i in range(60)))
    with engine(rows) as connection:
        quickly(lambda: exact_tables(rewritten(joined(6), WORLD), connection))


def test_no_question_is_nearly_free() -> None:
    """At epsilon 1e-12 a failure, or a long wait, told a bit about a chosen row for nothing."""
    question = rewritten("SELECT COUNT(*) AS n FROM people", WORLD)
    for asked in ("1e-12", "0.0009", "0", "-1", "NaN", "Infinity", "1001", "1e999999"):
        with pytest.raises(SandboxError) as refused:
            price.epsilons(question, Decimal(asked))
        assert refused.value.code is ErrorCode.EPSILON_INVALID
    assert price.epsilons(question, Decimal("0.001"))[2] == Decimal("0.001")


# -- the use ladder --------------------------------------------------------------------------------

ID = "LEAST(GREATEST(id, 0), 1000000)"
LADDER = [
    # `id` may join and be counted, no more
    ("SELECT COUNT(NULLIF(id, 4711)) AS n FROM people", Use.JOIN_ONLY),
    ("SELECT COUNT(CASE id WHEN 4711 THEN 1 END) AS n FROM people", Use.JOIN_ONLY),
    ("SELECT COUNT(q.x) AS n FROM (SELECT NULLIF(id, 4711) AS x FROM people) AS q", Use.JOIN_ONLY),
    (f"SELECT COUNT(SQRT({ID} - 4711)) AS n FROM people", Use.JOIN_ONLY),
    (f"SELECT COUNT(*) AS n FROM (SELECT {ID} * 2 - 4711 AS x FROM people) AS q JOIN visits ON x = pid",
     Use.JOIN_ONLY),
    (f"SELECT x, COUNT(*) AS n FROM (SELECT {ID} // 10 AS x FROM people) AS q GROUP BY x", Use.JOIN_ONLY),
    (f"SELECT COUNT(*) AS n FROM visits WHERE pid IN (SELECT {ID} // 2 FROM people)", Use.JOIN_ONLY),
    ("SELECT COUNT(*) AS n FROM people HAVING COUNT(id) > 3 AND id = 4711", Use.JOIN_ONLY),
    # `filter_only` may stand in conditions, `key_only` be a key too
    ("SELECT SUM(NULLIF(filter_only, 3)) AS s FROM people", Use.FILTER),
    ("SELECT SUM(CASE WHEN member THEN filter_only END) AS s FROM people", Use.FILTER),
    ("WITH a AS (SELECT filter_only AS x FROM people) SELECT AVG(COALESCE(x, 0)) AS a FROM a", Use.FILTER),
    ("SELECT CASE WHEN member THEN filter_only END AS k, COUNT(*) AS n FROM people GROUP BY 1", Use.FILTER),
    ("SELECT SUM(LENGTH(key_only)) AS s FROM people", Use.GROUP_BY),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "most"), LADDER)
def test_no_construct_climbs_the_use_ladder(sql: str, most: Use) -> None:
    assert refusal(sql) is ErrorCode.COLUMN_USE, most


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(id) AS n, COUNT(DISTINCT id) AS u FROM people",
        "SELECT COUNT(*) AS n FROM (SELECT id AS x FROM people) AS q JOIN visits ON (q.x) = (pid)",
        "SELECT AVG(n) AS a FROM (SELECT pid, LEAST(COUNT(*), 5) AS n FROM visits GROUP BY pid) AS q",
        "SELECT SUM(CASE WHEN filter_only = 3 THEN 1 END) AS s, SUM(CASE filter_only WHEN 3 THEN 1 END) AS c"
        " FROM people",
        "SELECT COUNT(*) FILTER (WHERE filter_only > 3) AS n FROM people GROUP BY key_only",
    ],
)
def test_the_use_ladder_refuses_no_more_than_it_must(sql: str) -> None:
    rewritten(sql, WORLD)


OPEN = "city: {type: text, use: open}\n      size: {type: integer, use: open}"


@pytest.mark.parametrize(
    ("use", "sql"),
    [
        ("group_by", "SELECT size, (SELECT COUNT(*) FROM regions) AS n FROM regions"),
        ("join_only", "SELECT (SELECT r.size) AS x FROM regions AS r"),
        ("join_only", "SELECT city, (SELECT MAX(r.size) FROM regions AS o) AS x FROM regions AS r"),
        ("count_distinct_only", "SELECT city, COUNT(*) AS n FROM regions GROUP BY city HAVING MAX(size) > 1"),
        ("filter", "SELECT city FROM regions ORDER BY CASE WHEN city = 'oslo' THEN size END, size + 1"),
    ],
)
def test_open_tables_have_a_ladder_too(use: str, sql: str) -> None:
    """A SELECT in the place of a value hid what it used of the SELECT around it."""
    policy = POLICY.replace(OPEN, f"{OPEN.removesuffix('open}')}{use}}}")
    assert policy != POLICY
    if use == "filter":
        rewritten(sql, published(policy=policy))
        return
    assert refusal(sql, published(policy=policy)) in (ErrorCode.COLUMN_USE, ErrorCode.SQL_UNSUPPORTED)


# -- text that reaches an engine --------------------------------------------------------------------

OUT = "YEAR FROM DATE '2000-01-01') AS k FROM open_0; CREATE MACRO sum_of(x) AS 0; SELECT EXTRACT(YEAR"


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT city, EXTRACT(\"{OUT}\" FROM DATE '2000-01-01') AS k FROM regions",
        "SELECT city, CAST(size AS DECIMAL(10, x)) AS k FROM regions",
        "SELECT city, CAST(size AS DECIMAL('3) x', 1)) AS k FROM regions",
        "SELECT DATE_TRUNC('a'') x', born) AS k, COUNT(*) AS n FROM people GROUP BY 1",
        "WITH sqlite_master AS (SELECT city AS sql FROM regions)"
        " SELECT city, (SELECT m.sql FROM duckdb_views AS m) AS n FROM regions",
        "SELECT city, nextval('x') AS n FROM regions",
        "SELECT * FROM query('SELECT 1')",
        "SELECT city FROM regions; DROP TABLE regions",
    ],
)
def test_no_words_of_a_person_reach_an_engine(sql: str) -> None:
    assert refusal(sql).value.startswith("sql-")


def test_quotes_of_every_make_stay_within_their_text() -> None:
    for text in ("'", "''", "\\'", '"', "--", "/*", "; DROP TABLE people", "\\", "$$", "\u2019"):
        literal = text.replace("'", "''")
        name = text.replace('"', '""')
        sql = f"SELECT COUNT(*) AS \"{name}x\" FROM people WHERE city = '{literal}'"
        rows = Rows(tuple((*person(1, 1)[:7], text, *person(1, 1)[8:]) for _ in range(1)), ())
        with engine(rows) as connection:
            answer = silent_answer(sql, WORLD, connection).table
        assert answer.to_pylist() == [{f"{text}x": 1}]


# -- names -----------------------------------------------------------------------------------------


def test_an_answer_inside_an_answer_has_a_noisy_table_of_its_own() -> None:
    """Both were called noisy_0, so one was read for the other."""
    sql = "SELECT COUNT(*) AS people, (SELECT COUNT(*) FROM visits) AS visits FROM people"
    rows = Rows((person(1, 1),), (visit(1, 1), visit(1, 2), visit(2, 1)))
    with engine(rows) as connection:
        assert silent_answer(sql, WORLD, connection).table.to_pylist() == [{"people": 1, "visits": 3}]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(*) AS n FROM people AS p JOIN (SELECT p.pid FROM visits AS p WHERE p.days > 0) AS v"
        " ON p.id = v.pid",
        "SELECT ROUND(AVG(weight), 2) AS a FROM people WHERE SUBSTRING(city, 1, 2) = 'ro'",
    ],
)
def test_inner_names_do_not_trouble_outer_ones(sql: str) -> None:
    rewritten(sql, WORLD)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(*) AS n FROM people WHERE SUBSTRING(city, '²') = 'x'",
        "SELECT SUM(ROUND(weight, '²')) AS s FROM people",
        f"SELECT SUM(ROUND(weight, {'1' * 5000})) AS s FROM people",
        f"SELECT COUNT(*) AS n FROM people WHERE CAST(age AS DECIMAL({'9' * 5000})) > 3",
        f"SELECT COUNT(*) AS n FROM people WHERE age > {'9' * 5000}",
        "SELECT COUNT(*) AS n FROM people WHERE age > '1e999999999999999999'",
    ],
)
def test_odd_numbers_are_refused_and_break_nothing(sql: str) -> None:
    assert refusal(sql) in (ErrorCode.SQL_TYPE, ErrorCode.OVERFLOW_POSSIBLE)


# -- time and memory of the service -----------------------------------------------------------------


@pytest.mark.parametrize(
    "part",
    ["int(", "date(x, ", "decimal((", "(char ", "sort_array(x, ", "if[", "array[", "{'a': ", "x::struct("],
)
def test_no_text_keeps_the_parser_busy(part: str) -> None:
    closing = {"(": ")", "[": "]", "{": "}"}
    ends = "".join(closing[c] for c in reversed(part) if c in closing)
    for times in (20, 40):
        sql = f"SELECT {part * times}x{ends * times} FROM people"

        def read(text: str = sql) -> None:
            with pytest.raises(SandboxError):
                parse(text, 65_536)

        quickly(read)


def nested(form: str, times: int, start: str) -> str:
    """A form around itself, in subqueries."""
    source = f"(SELECT {start})"
    for i in range(times):
        source = f"(SELECT {form} AS x FROM {source} AS q{i})"
    return f"SELECT COUNT(*) AS n FROM {source} AS q WHERE x > 0"


def chain(times: int) -> str:
    """Columns built on one another by name."""
    columns = ", ".join(f"a{i} + a{i} AS a{i + 1}" for i in range(times))
    return f"SELECT SUM(z) AS s FROM (SELECT age + age AS a0, {columns}, 1 AS z FROM people) AS q"


def family(times: int) -> str:
    """CTEs that join the one before with itself."""
    ctes = ["c0 AS (SELECT id FROM people)"]
    ctes += [f"c{i + 1} AS (SELECT x.id FROM c{i} AS x JOIN c{i} AS y ON x.id = y.id)" for i in range(times)]
    return f"WITH {', '.join(ctes)} SELECT COUNT(*) AS n FROM c{times}"


@pytest.mark.parametrize(
    "sql",
    [
        nested("COALESCE(x, x)", 26, "age AS x FROM people"),
        nested("CASE WHEN x > 3 THEN x ELSE -x END", 26, "age AS x FROM people"),
        nested("COALESCE(x, x)", 26, "1 AS x"),
        nested("COALESCE(x, x)", 26, "COUNT(*) AS x FROM people"),
        chain(25),
        family(16),
    ],
)
def test_no_name_stands_for_more_than_can_be_written_out(sql: str) -> None:
    """The resolver and the engine's optimizer write names out, and no interrupt stops either."""

    def ask() -> None:
        assert refusal(sql) is ErrorCode.SQL_TOO_LARGE

    quickly(ask)


def test_no_question_draws_noise_for_ever() -> None:
    calls = ", ".join(f"SUM(age + {i}) AS s{i}" for i in range(40))
    keys = "age, EXTRACT(doy FROM born), grp"
    assert refusal(f"SELECT {calls} FROM people GROUP BY {keys}") is ErrorCode.SQL_TOO_LARGE


def test_an_answer_cannot_outgrow_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are read out of the engine, past its memory limit: noisy tables joined without end filled it."""
    sql = "SELECT a.k AS x, b.k AS y FROM ({q}) AS a CROSS JOIN ({q}) AS b"
    rewrote = rewritten(sql.format(q="SELECT age AS k, COUNT(*) AS n FROM people GROUP BY age"), WORLD)
    many = pa.table({"k0": pa.array(range(3000), pa.int64()), "m0": pa.array(range(3000), pa.int64())})
    noised = Noised({b.name: many for b in rewrote.analyzed.boundaries})
    assert postprocess.post_process(rewrote, None, noised, 30.0).table.num_rows == 9_000_000
    monkeypatch.setattr(postprocess, "MOST_BYTES", 1 << 20)
    with pytest.raises(SandboxError) as failed:
        postprocess.post_process(rewrote, None, noised, 30.0)
    assert failed.value.code is ErrorCode.QUESTION_FAILED


# -- what lies beneath an answer ---------------------------------------------------------------------


def test_nothing_lies_beneath_the_null_of_a_small_group() -> None:
    """Arrow keeps the number under a NULL: whoever read the buffer passed the policy's floor."""
    policy = POLICY.replace("  question:", "  minimum_group: 3\n  question:")
    sql = "SELECT grp, COUNT(*) AS n, SUM(score) AS s FROM people GROUP BY grp"
    asked = rewritten(sql, published(policy=policy))
    (boundary,) = asked.analyzed.boundaries
    silent = tuple(Noise(m, Silent(), Decimal(1), 0) for m in boundary.measures)  # type: ignore[arg-type]
    rows = Rows(tuple(replace_group(person(i, 1), "abbb"[i % 4]) for i in range(8)), ())
    with engine(rows) as connection:
        noisy = noisy_table(PricedBoundary(boundary, silent, 3), exact_tables(asked, connection)[0])
    assert noisy.column("m0").to_pylist() == [None, 6, None, None]
    for name in ("m0", "m1"):
        chunk = noisy.column(name).combine_chunks()
        array = chunk.chunk(0) if isinstance(chunk, pa.ChunkedArray) else chunk
        values = np.frombuffer(memoryview(array.buffers()[1] or b""), np.int64)
        words = array.type.byte_width // 8
        assert [i for i in range(4) if values[i * words]] == [1]


def replace_group(row: tuple[Any, ...], group: str) -> tuple[Any, ...]:
    """The person in another group."""
    return (*row[:6], group, *row[7:])


def test_the_world_is_what_these_attacks_think() -> None:
    """So that an attack does not fail for a reason of its own."""
    people = WORLD.policies["w"].content.tables["people"].columns
    assert people["id"].use is Use.JOIN_ONLY
    assert people["filter_only"].use is Use.FILTER
    assert people["key_only"].use is Use.GROUP_BY
