"""Step 1, parse: text to one SELECT of DuckDB's dialect, or a refusal that names the place.

Rules
- One statement, and it is a SELECT, or a set operation of some, with CTEs or without.
- Size, depth and number of nodes are bounded.
- Only the node types of `vocabulary.ALLOWED` may occur: an unknown function or construct is refused.
- A SELECT stands in FROM, JOIN or WITH, as a side of a set operation, or in brackets as a value.
- LIMIT and OFFSET are whole numbers.
- Comments are dropped: nothing that a person wrote beside the SQL goes further.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

from sqlglot import TokenType, exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ParseError, SqlglotError, TokenError

from sandbox.errors import ErrorCode, Place, SandboxError
from sandbox.query import quick_trees
from sandbox.query.fractions import written_out
from sandbox.query.places import (
    DIALECT,
    cut,
    has_place,
    place_at,
    place_of,
    place_of_word,
    placed,
    tokens_of,
    unclosed,
)
from sandbox.query.sets import in_from
from sandbox.query.spellings import respelled
from sandbox.query.tokens import check_tokens
from sandbox.query.vocabulary import ALLOWED, TIME_UNITS, instead_of, needed, spoken_name, strange_part
from sandbox.query.windows import wrong_window

__all__ = ["DIALECT", "Parsed", "check_size", "parse", "place_of"]
# The parser repeats in its warnings what it was given, and a question belongs into no log but the sealed one.
logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
quick_trees.install()
MAX_NODES = 5_000
MAX_DEPTH = 120
MOST_DIGITS = 18  # of LIMIT and OFFSET


@dataclass(frozen=True, slots=True)
class Parsed:
    """One SELECT as written: its text and its tree (never changed in place; steps copy it)."""

    sql: str
    tree: exp.Select


def parse(sql: str, max_bytes: int) -> Parsed:
    """Read one SELECT.

    Raises:
        SandboxError: `sql-too-large`, `sql-syntax`, `sql-unsupported`, `sql-function-unknown`.

    """
    if len(sql.encode("utf-8", "replace")) > max_bytes:
        raise SandboxError(
            ErrorCode.SQL_TOO_LARGE,
            f"The question is longer than {max_bytes:,} bytes.",
            "Shorten it; long lists of values belong into a code list of the policy.",
            place=place_at(sql, max_bytes, len(sql) - 1) if max_bytes < len(sql) else None,
        )
    with placed(sql):
        return Parsed(sql, _checked(_statement(sql), sql))


def _statement(sql: str) -> exp.Expr:
    """The one statement of a text."""
    try:
        tokens = cut(sql)
        check_tokens(tokens)
        read = Dialect.get_or_raise(DIALECT).parser().parse(list(tokens), sql)
        statements = [s for s in read if s is not None]
    except (ParseError, TokenError) as error:
        raise _syntax(error, sql) from None
    except (SqlglotError, RecursionError, ValueError):
        raise SandboxError(
            ErrorCode.SQL_SYNTAX,
            "The question could not be read as SQL.",
            "Simplify it; nest it less deeply.",
        ) from None
    if len(statements) != 1:
        raise SandboxError(
            ErrorCode.SQL_UNSUPPORTED,
            f"A question is one SELECT; this is {len(statements)} statements.",
            "Ask one SELECT at a time.",
            place=_second_statement(sql),
        )
    return statements[0]


def _second_statement(sql: str) -> Place | None:
    tokens = tokens_of(sql)
    ends = [i for i, token in enumerate(tokens) if token.token_type is TokenType.SEMICOLON]
    later = [i + 1 for i in ends if 0 < i < len(tokens) - 1]
    return place_at(sql, tokens[later[0]].start, tokens[-1].end) if later else None


def _checked(tree: exp.Expr, sql: str) -> exp.Select:
    """The tree, which is one SELECT of the vocabulary."""
    check_size(tree)
    if not isinstance(tree, exp.Select | exp.SetOperation):
        first = tokens_of(sql)[0]
        query = isinstance(tree, exp.Query)
        name = spoken_name(tree) if query else first.text.upper()[:40]
        raise SandboxError(
            ErrorCode.SQL_UNSUPPORTED,
            f"{name} is not supported; a question is one SELECT.",
            instead_of(tree) if query else "Write SELECT … FROM … (WITH is allowed before it).",
            place=place_of(tree, sql) if query else place_at(sql, first.start, first.end),
        )
    respelled(written_out(tree))
    check_size(tree)
    for node in tree.walk():
        node.comments = None
        if type(node) not in ALLOWED and not _are_bins(node):
            raise _not_allowed(node, sql)
        wrong = _misplaced(node)
        if wrong is not None:
            place = place_of(node, sql) if has_place(node) else place_of_word(node.key.upper(), sql)
            raise SandboxError(ErrorCode.SQL_UNSUPPORTED, *wrong, place=place or place_of(node, sql))
        part = strange_part(node)
        if part is not None:
            inside = node.args[part]
            inner = inside if isinstance(inside, exp.Expr) and has_place(inside) else node
            raise SandboxError(
                ErrorCode.SQL_UNSUPPORTED,
                f"{part.rstrip('_').upper()} in {spoken_name(node)} is not supported.",
                instead_of(node, part=part),
                place=place_of(inner, sql),
            )
    return in_from(tree)


def _are_bins(node: exp.Expr) -> bool:
    """Whether it is the list of HISTOGRAM, which holds constants alone."""
    return isinstance(node, exp.Array) and isinstance(node.parent, exp.AnonymousAggFunc)


def _misplaced(node: exp.Expr) -> tuple[str, str] | None:
    """What is wrong with where `node` stands, and what to write instead; None when nothing is."""
    match node:
        case exp.Subquery() if node.args.get("alias") and not isinstance(node.parent, exp.From | exp.Join):
            return (
                "A SELECT in the place of a value or condition is not supported.",
                "Put it into FROM and join its answer.",
            )
        case exp.Subquery() | exp.CTE() if not isinstance(node.this, exp.Select | exp.SetOperation):
            return (
                "Brackets in FROM and WITH hold one SELECT and nothing else.",
                "Take the extra brackets away.",
            )
        case exp.From() | exp.Join() if not isinstance(node.this, exp.Table | exp.Subquery):
            return (
                f"{spoken_name(node.this)} is not supported in FROM.",
                "FROM takes tables, CTEs and subqueries.",
            )
        case exp.Table() if node.args.get("alias") is not None and node.args["alias"].columns:
            return (
                "A table's columns keep their names.",
                "Rename them in SELECT, as in: SELECT age AS a.",
            )
        case exp.Limit() | exp.Offset() if (
            not _whole_number(node.expression) or len(node.expression.name) > MOST_DIGITS
        ):
            return (
                f"LIMIT and OFFSET take a whole number of at most {MOST_DIGITS} digits.",
                "Write LIMIT 10.",
            )
        case exp.Var() if node.name.upper() not in TIME_UNITS:
            return (
                f"{node.name[:40]} is no part of a date or time.",
                "Parts are: year, quarter, month, week, day, hour, minute, second.",
            )
        case exp.DataType() if node.args.get("kind"):
            return (
                f"There is no type {str(node.args['kind'])[:40]}.",
                "Types are: BIGINT, DOUBLE, DECIMAL(12, 2), VARCHAR, BOOLEAN, DATE, TIMESTAMP.",
            )
        case exp.DataTypeParam() if not _whole_number(node.this):
            return ("The size of a type is a whole number.", "Write DECIMAL(12, 2).")
        case exp.Count() if node.this is None or node.expressions:
            return ("COUNT takes one column, or *.", "Write COUNT(*) or COUNT(x).")
        case exp.Func() if any(node.args.get(name) is None for name in needed(node)):
            return (f"{spoken_name(node)} lacks an argument.", "Write it with all of its arguments.")
    return wrong_window(node)


def _whole_number(node: exp.Expr) -> bool:
    return isinstance(node, exp.Literal) and not node.is_string and str(node.this).isdecimal()


def check_size(tree: exp.Expr) -> None:
    """Refuse trees that later recursive steps could not walk.

    Raises:
        SandboxError: `sql-too-large`.

    """
    count = 0
    level: list[exp.Expr] = [tree]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in node.iter_expressions()]
        count += len(level)
        if not level:
            return
        if count > MAX_NODES:
            break
    raise SandboxError(
        ErrorCode.SQL_TOO_LARGE,
        f"The question has more than {MAX_NODES:,} parts or is nested more than {MAX_DEPTH} deep.",
        "Split it into several questions.",
    )


def _syntax(error: ParseError | TokenError, sql: str) -> SandboxError:
    """The refusal of what is not SQL; sqlglot's own words only where they are about the text."""
    details = getattr(error, "errors", None) or [{}]
    first = details[0]
    place = None
    if first.get("line"):
        text = str(first.get("highlight") or "")
        place = Place(int(first["line"]), max(1, int(first.get("col") or 1) - max(0, len(text) - 1)), text)
    said = str(first.get("description") or "").split("\n")[0]
    if isinstance(error, TokenError):
        what, place = "a quotation mark or a comment is not closed.", unclosed(sql)
    elif said.startswith("Required keyword") or "SENTINEL" in said:
        what = "something is missing here."
    elif said.startswith("Expecting ") and "<" not in said:
        what = f"{said.removeprefix('Expecting ').rstrip('.')} is expected here."
    elif "number of provided arguments" in said:
        what = "this function takes fewer arguments."
    else:
        what = "this could not be read."
    return SandboxError(
        ErrorCode.SQL_SYNTAX,
        f"The question is not valid SQL: {what}",
        "Check spelling, brackets and quotation marks.",
        place=place,
    )


def _not_allowed(node: exp.Expr, sql: str) -> SandboxError:
    place = place_of(node, sql)
    if not has_place(node):
        word = "" if isinstance(node, exp.Placeholder | exp.Parameter) else spoken_name(node)
        place = place_of_word(word, sql) or place
    if not isinstance(node, exp.Func):
        what = f"The construct {spoken_name(node)} is not supported."
        return SandboxError(ErrorCode.SQL_UNSUPPORTED, what, instead_of(node), place=place)
    called = re.match(r"\w+(?=\s*\()", place.text) if place is not None else None
    name = called[0] if called else spoken_name(node)
    what = f"The function {name[:64]} is not supported."
    return SandboxError(ErrorCode.SQL_FUNCTION_UNKNOWN, what, instead_of(node, name), place=place)
