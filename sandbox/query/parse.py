"""Step 1, parse: text to one SELECT of DuckDB's dialect, or a refusal that names the place.

Rules
- One statement, and it is a SELECT (CTEs allowed). Size, depth and number of nodes are bounded.
- Only the node types of `vocabulary.ALLOWED` may occur: an unknown function or construct is refused.
- A SELECT stands in FROM, JOIN or WITH only. LIMIT and OFFSET are whole numbers.
- Comments are dropped: nothing that a person wrote beside the SQL goes further.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError, TokenError

from sandbox.errors import ErrorCode, Place, SandboxError
from sandbox.query.tokens import check_tokens
from sandbox.query.vocabulary import ALLOWED, TIME_UNITS, instead_of, needed, spoken_name, strange_part

DIALECT = "duckdb"
MAX_NODES = 5_000
MAX_DEPTH = 120


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
        )
    try:
        check_tokens(sql, DIALECT)
        statements = [s for s in sqlglot.parse(sql, dialect=DIALECT) if s is not None]
    except (ParseError, TokenError) as error:
        raise _syntax(error) from None
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
        )
    tree = statements[0]
    check_size(tree)
    if not isinstance(tree, exp.Select):
        raise SandboxError(
            ErrorCode.SQL_UNSUPPORTED,
            f"{spoken_name(tree)} is not supported; a question is one SELECT.",
            "Write SELECT … FROM … (WITH is allowed before it).",
            place=place_of(tree, sql),
        )
    for node in tree.walk():
        node.comments = None
        if type(node) not in ALLOWED:
            raise _not_allowed(node, sql)
        part = strange_part(node)
        if part is not None:
            raise SandboxError(
                ErrorCode.SQL_UNSUPPORTED,
                f"{part} in {spoken_name(node)} is not supported.",
                instead_of(node),
                place=place_of(node, sql),
            )
        wrong = _misplaced(node)
        if wrong is not None:
            raise SandboxError(ErrorCode.SQL_UNSUPPORTED, *wrong, place=place_of(node, sql))
    return Parsed(sql, tree)


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
        case exp.Limit() | exp.Offset() if not _whole_number(node.expression):
            return ("LIMIT and OFFSET take a whole number.", "Write LIMIT 10.")
        case exp.Var() if node.name.upper() not in TIME_UNITS:
            return (
                f"{node.name[:40]} is no part of a date or time.",
                "Parts are: year, quarter, month, week, day, hour, minute, second.",
            )
        case exp.DataTypeParam() if not _whole_number(node.this):
            return ("The size of a type is a whole number.", "Write DECIMAL(12, 2).")
        case exp.Count() if node.this is None or node.expressions:
            return ("COUNT takes one column, or *.", "Write COUNT(*) or COUNT(x).")
        case exp.Func() if any(node.args.get(name) is None for name in needed(node)):
            return (f"{spoken_name(node)} lacks an argument.", "Write it with all of its arguments.")
    return None


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


def _syntax(error: ParseError | TokenError) -> SandboxError:
    """The refusal of what is not SQL; sqlglot's own words only where they are about the text."""
    details = getattr(error, "errors", None) or [{}]
    first = details[0]
    place = None
    if first.get("line"):
        text = str(first.get("highlight") or "")
        place = Place(int(first["line"]), max(1, int(first.get("col") or 1) - max(0, len(text) - 1)), text)
    said = str(first.get("description") or "").split("\n")[0]
    if isinstance(error, TokenError):
        what = "a quotation mark or a comment is not closed."
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
    is_function = isinstance(node, exp.Func)
    code = ErrorCode.SQL_FUNCTION_UNKNOWN if is_function else ErrorCode.SQL_UNSUPPORTED
    what = "The function" if is_function else "The construct"
    return SandboxError(
        code, f"{what} {spoken_name(node)} is not supported.", instead_of(node), place=place_of(node, sql)
    )


def _positions(node: exp.Expr) -> Iterator[tuple[int, int]]:
    for part in node.walk():
        if part.arg_key in ("table", "db") and isinstance(part.parent, exp.Column):
            continue  # resolving copies the table's own position there
        meta = part.meta
        if "start" in meta and "end" in meta:
            yield meta["start"], meta["end"]


def place_of(node: exp.Expr, sql: str) -> Place | None:
    """Line, column and text of `node` in `sql`; None when the parser kept no position for it."""
    spans = list(_positions(node))
    if not spans:
        return None
    start, end = min(s for s, _ in spans), max(e for _, e in spans)
    if not 0 <= start <= end < len(sql):
        return None
    before = sql[:start]
    return Place(before.count("\n") + 1, start - (before.rfind("\n") + 1) + 1, sql[start : end + 1][:120])
