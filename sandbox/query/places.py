"""Where a part of a question stands in its text.

The parser keeps positions of names, constants and some functions only. The span of a part reaches from the
first to the last of these inside it; it is then widened until its brackets close, and to the word that a part
begins with (a function's name, SELECT, CASE, NOT), so that what is shown can be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

import sqlglot
from sqlglot import Token, TokenType, exp
from sqlglot.errors import SqlglotError

from sandbox.errors import ErrorCode, Place, SandboxError

LONGEST = 120
_CLOSED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|(?!/\*)[^'\"]", re.DOTALL)
DIALECT = "duckdb"
_OWN = re.compile(r"\b__\w+\.\w+")
_OPEN = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE})
_CLOSE = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE})
_SIGNS = frozenset({TokenType.PLACEHOLDER, TokenType.PARAMETER, TokenType.COLON})
_QUERIES = (exp.Select, exp.SetOperation)
_ABOUT_SQL = frozenset(
    {code for code in ErrorCode if code.value.startswith("sql-")}
    | {ErrorCode.RAW_ROWS, ErrorCode.BOUNDS_MISSING, ErrorCode.OVERFLOW_POSSIBLE}
)
# Words before a bracket that call nothing.
_NO_CALL = frozenset(
    {
        "ALL", "AND", "ANY", "AS", "BETWEEN", "BY", "CASE", "ELSE", "EXCEPT", "FILTER", "FROM", "HAVING",
        "IN", "INTERSECT", "JOIN", "LIKE", "NOT", "ON", "OR", "OVER", "SELECT", "THEN", "UNION", "USING",
        "WHEN", "WHERE",
    }
)  # fmt: skip


def place_of(node: exp.Expr, sql: str) -> Place | None:
    """Line, column and text of `node` in `sql`: its own, else those of the smallest part around it.

    None when the parser kept no position for any of them.
    """
    at: exp.Expr | None = node
    while at is not None:
        spans = list(_positions(at))
        if spans:
            start, end = min(s for s, _ in spans), max(e for _, e in spans)
            return place_at(sql, *_widened(at, start, end, tokens_of(sql))) if end < len(sql) else None
        at = at.parent
    return None


def place_at(sql: str, start: int, end: int) -> Place:
    """The place of the characters `start` to `end`, both counted from 0 and inclusive."""
    before = sql[:start]
    text = sql[start : end + 1]
    return Place(before.count("\n") + 1, start - (before.rfind("\n") + 1) + 1, text[:LONGEST])


def whole(sql: str) -> Place:
    """The place of all of it, from its first character that is no space."""
    text = sql.strip()
    start = len(sql) - len(sql.lstrip()) if text else 0
    return place_at(sql, start, start + max(len(text), 1) - 1)


def place_of_word(word: str, sql: str) -> Place | None:
    """The place of the first token that is `word` (in any case); a parameter has no word but its sign."""
    for token in tokens_of(sql):
        sign = not word and token.token_type in _SIGNS
        if sign or (word and token.text.upper() == word):
            return place_at(sql, token.start, token.end)
    return None


def has_place(node: exp.Expr) -> bool:
    """Whether the parser kept a position for something inside `node`."""
    return next(_positions(node), None) is not None


def spoken(node: exp.Expr, most: int = 80) -> str:
    """`node` as a person reads it; of a column that is the sandbox's own, what it stands for is not told."""
    return _OWN.sub("(SELECT …)", node.sql(DIALECT).replace('"', ""))[:most]


def span_of(node: exp.Expr) -> dict[str, int]:
    """Where `node` begins and ends in its text, for a part that takes its place; nothing where unknown."""
    spans = list(_positions(node))
    return {"start": min(s for s, _ in spans), "end": max(e for _, e in spans)} if spans else {}


@contextmanager
def placed(sql: str) -> Iterator[None]:
    """A refusal of the question that knows no smaller part is about all of it."""
    try:
        yield
    except SandboxError as error:
        if error.place is None and error.code in _ABOUT_SQL:
            error.place = whole(sql)
        raise


def unclosed(sql: str) -> Place:
    """Where the quotation mark or comment opens that nothing closes."""
    at = 0
    while at < len(sql):
        found = _CLOSED.match(sql, at)
        if found is None:
            return place_at(sql, at, min(len(sql), at + LONGEST) - 1)
        at = found.end()
    return whole(sql)


def tokens_of(sql: str) -> Sequence[Token]:
    """The tokens of a text; none where it cannot be cut into tokens."""
    try:
        return cut(sql)
    except SqlglotError:
        return ()


@lru_cache(maxsize=8)
def cut(sql: str) -> Sequence[Token]:
    """The tokens of a text.

    Raises:
        SqlglotError: it cannot be cut into tokens.

    """
    return tuple(sqlglot.tokenize(sql, dialect=DIALECT))


def _positions(node: exp.Expr) -> Iterator[tuple[int, int]]:
    for part in node.walk():
        if part.arg_key in ("table", "db") and isinstance(part.parent, exp.Column):
            continue  # resolving copies the table's own position there
        start, end = part.meta_get("start"), part.meta_get("end")  # `meta` would give every part a dict
        if start is not None and end is not None:
            yield start, end


def _widened(node: exp.Expr, start: int, end: int, tokens: Sequence[Token]) -> tuple[int, int]:
    inside = [i for i, token in enumerate(tokens) if start <= token.start and token.end <= end]
    if not inside:
        return start, end
    first, last = _closed(tokens, inside[0], inside[-1])
    if isinstance(node, _QUERIES):
        first = _back_to(tokens, first, TokenType.SELECT)
        first, last = _closed(tokens, first, last)
    elif isinstance(node, exp.Case):
        first = _back_to(tokens, first, TokenType.CASE)
        last = _on_to(tokens, last, TokenType.END)
    elif isinstance(node, exp.Not) and first and tokens[first - 1].token_type is TokenType.NOT:
        first -= 1
    elif isinstance(node, exp.Cast) and _is(tokens, last + 1, TokenType.DCOLON):
        first, last = _closed(tokens, first, min(last + 2, len(tokens) - 1))
    elif _is_call(node) and node.meta_get("start") is None:
        first, last = _in_brackets(tokens, first, last, far=isinstance(node, exp.Extract | exp.Exists))
    elif _is_call(node) and first == last and _is(tokens, last + 1, TokenType.L_PAREN):
        first, last = _closed(tokens, first, last + 1)
    elif isinstance(node, exp.Subquery) and _is(tokens, first - 1, TokenType.L_PAREN):
        first, last = _closed(tokens, first - 1, last)
    return tokens[first].start, tokens[last].end


def _is_call(node: exp.Expr) -> bool:
    return isinstance(node, exp.Func) and not isinstance(node, exp.Binary)


def _is(tokens: Sequence[Token], at: int, kind: TokenType) -> bool:
    return 0 <= at < len(tokens) and tokens[at].token_type is kind


def _closed(tokens: Sequence[Token], first: int, last: int) -> tuple[int, int]:
    """The least span around first … last in which every bracket has its partner."""
    depth = lowest = 0
    for token in tokens[first : last + 1]:
        depth += (token.token_type in _OPEN) - (token.token_type in _CLOSE)
        lowest = min(lowest, depth)
    depth -= lowest
    while depth and last + 1 < len(tokens):
        last += 1
        depth += (tokens[last].token_type in _OPEN) - (tokens[last].token_type in _CLOSE)
    went = lowest < 0
    while lowest and first:
        first -= 1
        lowest += (tokens[first].token_type in _OPEN) - (tokens[first].token_type in _CLOSE)
    if went and first and _names_call(tokens[first - 1]):
        first -= 1
    return first, last


def _names_call(token: Token) -> bool:
    return token.text.replace("_", "").isalnum() and token.text.upper() not in _NO_CALL


def _in_brackets(tokens: Sequence[Token], first: int, last: int, *, far: bool) -> tuple[int, int]:
    """A call whose name has no position: its first argument follows the bracket (`far`: or a keyword)."""
    at = first - 1
    while far and at > 0 and tokens[at].token_type is not TokenType.L_PAREN:
        at -= 1
    named = at > 0 and _names_call(tokens[at - 1]) and _is(tokens, at, TokenType.L_PAREN)
    return _closed(tokens, at - 1, last) if named else (first, last)


def _back_to(tokens: Sequence[Token], first: int, kind: TokenType) -> int:
    for at in range(first, -1, -1):
        if tokens[at].token_type is kind:
            return at
    return first


def _on_to(tokens: Sequence[Token], last: int, kind: TokenType) -> int:
    for at in range(last, len(tokens)):
        if tokens[at].token_type is kind:
            return at
    return last
