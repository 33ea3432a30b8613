"""Random scalar expressions over the people of the small world, of every kind, nested freely."""

from __future__ import annotations

from hypothesis import strategies as st

NUMBERS = [
    "age", "score", "weight", "filter_only", "0", "1", "-3", "2.5", "0.001", "100", "1e10", "1e-9",
    "99999999.999999",
    "123456789012345", "CAST(member AS INTEGER)", "YEAR(born)", "MONTH(born)", "DAY(born)",
    "EXTRACT(week FROM born)",
    "LENGTH(city)", "LEAST(GREATEST(LENGTH(city), 1), 8)", "HOUR(born)", "SIGN(weight)",
]  # fmt: skip
TEXTS = ["city", "grp", "key_only", "''", "'rome'", "'罗马'", "'%'", "'2000-01-01'"]
MOMENTS = [
    "born", "DATE '2000-02-29'", "TIMESTAMP '1999-12-31 23:59:59.999999'",
    "DATE_TRUNC('month', born)",
           "CAST(born AS TIMESTAMP)", "DATE '9999-12-31'", "DATE '0001-01-01'"]  # fmt: skip
CONDITIONS = ["member", "TRUE", "NULL IS NULL", "age IS NULL", "grp = 'a'"]
COMPARE = ["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"]


def _form(draw: st.DrawFn, forms: list[str], **parts: st.SearchStrategy[str]) -> str:
    """One of the forms, each of its places filled by a draw of its own."""
    text = draw(st.sampled_from(forms))
    for name, part in parts.items():
        while "{" + name + "}" in text:
            text = text.replace("{" + name + "}", draw(part), 1)
    return text


@st.composite
def numbers(draw: st.DrawFn, depth: int = 3) -> str:
    """A number."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from(NUMBERS))
    return _form(
        draw,
        [
    "({n} + {n})", "({n} - {n})", "({n} * {n})", "({n} / {n})", "({n} // {n})", "({n} % {n})",
    "(- {n})",
         "ABS({n})", "ROUND({n})", "ROUND({n}, 2)", "FLOOR({n})", "CEIL({n})", "SIGN({n})",
         "SQRT({n})", "LN({n})",
         "EXP({n})", "POW({n}, {n})", "COALESCE({n}, {n})", "NULLIF({n}, {n})", "LEAST({n}, {n})",
         "GREATEST({n}, {n}, {n})", "CASE WHEN {c} THEN {n} ELSE {n} END", "CASE WHEN {c} THEN {n} END",
         "CASE {n} WHEN {n} THEN {n} WHEN 3 THEN NULL ELSE {n} END", "IF({c}, {n}, {n})",
         "CAST({n} AS DOUBLE)",
         "CAST({n} AS BIGINT)", "CAST({n} AS DECIMAL(9, 2))", "CAST({n} AS DECIMAL(18, 9))",
         "CAST({t} AS INTEGER)",
         "CAST({t} AS DOUBLE)", "CAST({c} AS INTEGER)", "LENGTH({t})", "YEAR({m})", "QUARTER({m})",
         "HOUR({m})",
         "DAYOFYEAR({m})", "DAYOFWEEK({m})", "MINUTE({m})", "LOG10({n})", "LOG2({n})", "POW({n}, 2)",
         "POW({n}, 0.5)", "POW({n}, -1)", "DATE_DIFF('day', {m}, {m})", "DATE_DIFF('week', born, {m})",
         "DATE_DIFF('month', born, DATE '2000-02-29')", "DATE_DIFF('hour', {m}, {m})",
         "(born - DATE '2000-02-29')", "TRY_CAST({t} AS INTEGER)"],
        n=numbers(depth - 1), c=conditions(depth - 1), t=texts(depth - 1), m=moments(depth - 1),
    )  # fmt: skip


@st.composite
def texts(draw: st.DrawFn, depth: int = 2) -> str:
    """A text."""
    if depth <= 0 or draw(st.integers(0, 2)) == 0:
        return draw(st.sampled_from(TEXTS))
    return _form(
        draw,
        ["LOWER({t})", "UPPER({t})", "TRIM({t})", "LEFT({t}, 2)", "RIGHT({t}, 3)", "SUBSTRING({t}, 2, 3)",
         "SUBSTRING({t}, 0)", "({t} || {t})", "CONCAT({t}, {t})", "COALESCE({t}, {t})", "NULLIF({t}, {t})",
         "CASE WHEN {c} THEN {t} ELSE {t} END", "CAST({n} AS VARCHAR)", "CAST({m} AS VARCHAR)",
         "LEAST({t}, {t})", "SPLIT_PART({t}, 'o', 2)", "STRFTIME({m}, '%Y-%m %H:%M %A')", "DAYNAME({m})",
         "MONTHNAME({m})"],
        t=texts(depth - 1), c=conditions(depth - 1), n=numbers(depth - 1), m=moments(depth - 1),
    )  # fmt: skip


@st.composite
def moments(draw: st.DrawFn, depth: int = 2) -> str:
    """A date or timestamp."""
    if depth <= 0 or draw(st.integers(0, 2)) == 0:
        return draw(st.sampled_from(MOMENTS))
    return _form(
        draw,
        [
    "DATE_TRUNC('year', {m})", "DATE_TRUNC('week', {m})", "DATE_TRUNC('hour', {m})",
    "CAST({m} AS DATE)",
         "CAST({m} AS TIMESTAMP)", "COALESCE({m}, {m})", "NULLIF({m}, {m})", "LEAST({m}, {m})",
         "GREATEST({m}, {m})",
         "CASE WHEN {c} THEN {m} ELSE {m} END"],
        m=moments(depth - 1), c=conditions(depth - 1),
    )  # fmt: skip


@st.composite
def conditions(draw: st.DrawFn, depth: int = 2) -> str:
    """A condition."""
    if depth <= 0 or draw(st.integers(0, 2)) == 0:
        return draw(st.sampled_from(CONDITIONS))
    compare = draw(st.sampled_from(COMPARE))
    return _form(
        draw,
        [f"({{n}} {compare} {{n}})", f"({{t}} {compare} {{t}})", f"({{m}} {compare} {{m}})",
         f"({{c}} {compare} {{c}})", f"{{n}} {compare} {{n}}", "({c} AND {c})", "({c} OR {c})", "(NOT {c})",
         "NOT {c}",
         "({n} IS NULL)", "{c} IS NOT NULL", "{c} IS TRUE", "{n} BETWEEN {n} AND {n}",
         "({m} BETWEEN {m} AND {m})",
         "{n} IN ({n}, {n}, 7, 2.5, 1e3)", "{m} IN ({m}, '2000-01-01', TIMESTAMP '2001-01-01 00:00:00')",
         "{t} NOT IN ({t}, 'x')", "{t} LIKE 'r%'", "{t} NOT ILIKE '_%'", "STARTS_WITH({t}, {t})",
         "CONTAINS({t}, {t})", "ENDS_WITH({t}, {t})", "CAST({n} AS BOOLEAN)", "{c} = {c}"],
        n=numbers(depth - 1), t=texts(depth - 1), m=moments(depth - 1), c=conditions(depth - 1),
    )  # fmt: skip


def expressions() -> st.SearchStrategy[str]:
    """An expression of any kind."""
    return st.one_of(numbers(), numbers(), texts(3), moments(3), conditions(3))
