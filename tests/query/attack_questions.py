"""Questions of an analyst who wants raw data: every function on every value, keys and sources of every make.

Unlike `questions.py` this grammar does not care to be answered: what is refused is refused, and what is
accepted must neither raise for any row (`expression`) nor move by more than is declared (`question`).
"""

from __future__ import annotations

import random
import re

LEAVES = {
    "n": ["age", "score", "weight", "days", "cost", "level", "0", "1", "2.5", "1e300", "123456789012345678"],
    "t": ["city", "grp", "place", "kind", "'a'", "''", "'%_'", "'罗马'", "'1e5'"],
    "b": ["member", "TRUE", "age > 30", "filter_only = 3"],
    "d": ["born", "DATE '2000-02-29'"],
    "s": ["seen", "TIMESTAMP '2000-02-29 12:34:56'"],
}
FORMS = {
    "n": [
        "({n} + {n})", "({n} - {n})", "({n} * {n})", "({n} / {n})", "({n} // {n})", "({n} % {n})", "(-{n})",
        "ABS({n})", "SIGN({n})", "ROUND({n})", "ROUND({n}, 2)", "FLOOR({n})", "CEIL({n})", "SQRT({n})",
        "LN({n})", "EXP({n})", "POW({n}, {n})", "COALESCE({n}, {n})", "NULLIF({n}, {n})", "LEAST({n}, {n})",
        "GREATEST({n}, {n})", "CAST({n} AS DOUBLE)", "CAST({n} AS BIGINT)", "CAST({n} AS DECIMAL(12, 4))",
        "CAST({t} AS INT)", "CAST({t} AS DOUBLE)", "CAST({b} AS INT)", "LENGTH({t})", "YEAR({d})",
        "EXTRACT(week FROM {s})", "EXTRACT(doy FROM {d})", "HOUR({s})", "CASE WHEN {b} THEN {n} ELSE {n} END",
        "CASE {n} WHEN {n} THEN {n} END", "IF({b}, {n}, {n})", "LEAST(GREATEST({n}, -5), 5)",
        "LOG10({n})", "LOG2({n})", "DATE_DIFF('day', {d}, {s})", "DATE_DIFF('week', {d}, {d})", "({d} - {d})",
        "DATE_DIFF('second', {s}, {s})", "MINUTE({s})", "POW({n}, 3)", "TRY_CAST({t} AS BIGINT)",
    ],
    "t": [
        "LOWER({t})", "UPPER({t})", "TRIM({t})", "({t} || {t})", "CONCAT({t}, {t})", "LEFT({t}, 2)",
        "RIGHT({t}, 3)", "SUBSTRING({t}, 2, 3)", "CAST({n} AS VARCHAR)", "CAST({d} AS VARCHAR)",
        "CAST({s} AS VARCHAR)", "CAST({b} AS VARCHAR)", "COALESCE({t}, {t})", "NULLIF({t}, {t})",
        "LEAST({t}, {t})", "CASE WHEN {b} THEN {t} END",
        "SPLIT_PART({t}, ' ', 2)", "STRFTIME({s}, '%Y-%m-%d')", "DAYNAME({d})", "MONTHNAME({s})",
    ],
    "b": [
        "{n} < {n}", "{n} = {n}", "{n} <> {n}", "{n} IS NOT DISTINCT FROM {n}", "{n} BETWEEN {n} AND {n}",
        "{n} IN ({n}, {n})", "{t} LIKE '%a_%'", "{t} ILIKE 'R%'", "{t} = {t}", "{t} IN ({t}, {t})",
        "STARTS_WITH({t}, {t})", "CONTAINS({t}, {t})", "ENDS_WITH({t}, {t})", "{d} < {s}", "{d} = {d}",
        "{d} BETWEEN {d} AND {s}", "{d} IN ({d}, {s})", "{s} > '2000-01-01'", "{n} IS NULL", "({b}) IS TRUE",
        "({b}) AND ({b})", "({b}) OR NOT ({b})", "({b}) = ({b})", "CASE {b} WHEN {b} THEN {b} END",
        "CAST({n} AS BOOLEAN)", "{t} NOT LIKE '_'", "REGEXP_MATCHES({t}, '^[a-z]+ ?(a|b)*$')",
        "{t} SIMILAR TO '.*o.*'",
    ],
    "d": ["CAST({s} AS DATE)", "COALESCE({d}, {d})", "NULLIF({d}, {d})", "CASE WHEN {b} THEN {d} END"],
    "s": [
        "CAST({d} AS TIMESTAMP)", "DATE_TRUNC('month', {d})", "DATE_TRUNC('week', {s})",
        "CASE WHEN {b} THEN {s} ELSE {d} END",
    ],
}  # fmt: skip
PEOPLE = [
    "people",
    "(SELECT * FROM people WHERE age > 10)",
    "(SELECT id, member, MAX(age) AS age, MIN(score) AS score, AVG(weight) AS weight, MAX(grp) AS grp,"
    " MIN(city) AS city, MAX(born) AS born, 3 AS filter_only FROM people GROUP BY id, member)",
]
VISITS = [
    "visits",
    "(SELECT pid, kind, SUM(days) AS days, MAX(cost) AS cost, COUNT(*) AS level, MIN(seen) AS seen,"
    " MAX(place) AS place FROM visits GROUP BY pid, kind)",
    "(SELECT pid, MIN(kind) AS kind, AVG(days) AS days, SUM(cost) AS cost, COUNT(DISTINCT place) AS level,"
    " MIN(seen) AS seen, MAX(place) AS place FROM visits GROUP BY pid HAVING COUNT(*) > 1)",
]
SOURCES = [
    "{p} AS p JOIN {v} AS v ON p.id = v.pid",
    "{p} AS p LEFT JOIN {v} AS v ON p.id = v.pid AND v.days > 0",
    "{v} AS v LEFT JOIN {p} AS p ON p.id = v.pid AND v.days > 0",
    "{p} AS p JOIN {v} AS v ON p.id = v.pid JOIN regions AS r ON p.city = r.city",
    "{p} AS p JOIN {v} AS v ON p.id = v.pid JOIN visits AS w ON w.pid = v.pid",
]
AGGREGATES = [
    "COUNT(*)", "COUNT({n})", "SUM({n})", "AVG({n})", "VAR_SAMP({n})", "CORR({n}, {n})",
    "COUNT(*) FILTER (WHERE {b})", "SUM({n}) FILTER (WHERE {b})",
]  # fmt: skip
CONDITIONS = [
    "TRUE", "{b}", "p.id IN (SELECT x.pid FROM visits AS x WHERE x.days > 0)",
    "NOT v.pid IN (SELECT x.id FROM people AS x WHERE x.age > 40)",
]  # fmt: skip


def expression(r: random.Random, kind: str, depth: int) -> str:
    """An expression of a kind: number, text, boolean, date or stamp."""
    if depth == 0:
        return r.choice(LEAVES[kind])
    return fill(r, r.choice(FORMS[kind]), depth - 1)


def fill(r: random.Random, form: str, depth: int) -> str:
    """The form with an expression in each of its gaps."""
    before, gap, after = form.partition("{")
    if not gap:
        return form
    kind, _, rest = after.partition("}")
    return before + expression(r, kind, depth) + fill(r, rest, depth)


def row_question(r: random.Random) -> str:
    """A question that evaluates one expression for every row."""
    forms = {
        "b": "SELECT COUNT(*) AS c FROM people JOIN visits ON id = pid WHERE {e}",
        "n": r.choice(["SELECT SUM({e}) AS s", "SELECT AVG({e}) AS a"])
        + " FROM people JOIN visits ON id = pid",
    }
    kind = r.choice("nbtds")
    grouped = "SELECT {e} AS k, COUNT(*) AS c FROM people JOIN visits ON id = pid GROUP BY 1"
    form = r.choice([forms.get(kind, grouped), grouped])
    return form.format(e=expression(r, kind, r.choice([1, 2, 2, 3])))


def question(r: random.Random) -> str:
    """A grouped question over sources of every make."""
    keys = [expression(r, r.choice("nbtds"), r.choice([0, 1, 1])) for _ in range(r.choice([0, 1, 1, 2]))]
    calls = [fill(r, r.choice(AGGREGATES), r.choice([0, 0, 1])) for _ in range(r.choice([1, 2]))]
    source = r.choice(SOURCES).format(p=r.choice(PEOPLE), v=r.choice(VISITS))
    outputs = [*(f"{k} AS g{i}" for i, k in enumerate(keys)), *(f"{c} AS a{i}" for i, c in enumerate(calls))]
    body = f" WHERE {fill(r, r.choice(CONDITIONS), 0)}" + (f" GROUP BY {', '.join(keys)}" if keys else "")
    select = _qualified(f"SELECT {', '.join(outputs)}")
    return f"{select} FROM {source}{_qualified(body)}"


def _qualified(sql: str) -> str:
    """Bare names with the alias of their table."""
    sql = re.sub(r"(?<![\w.])(age|score|weight|member|grp|city|born|filter_only)\b", r"p.\1", sql)
    return re.sub(r"(?<![\w.])(days|cost|level|kind|place|seen)\b", r"v.\1", sql)
