"""Before parsing: refuse texts that would keep the parser busy for ever.

Rules
- The parser tries a type name before a bracket as a type and again as a function, so that `INT(INT(…` takes
  twice as long with every bracket; some of its other functions copy their arguments in the same way. Such
  brackets may stand in each other only a few deep, which no question needs.
- Lists hold constants alone (the fractions of quantiles, the edges of bands) and no list; other lists, and
  structs, are refused at their first bracket for the same reason.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import Token, TokenType, exp
from sqlglot.dialects.duckdb import DuckDB

from sandbox.errors import ErrorCode, Place, SandboxError
from sandbox.query.vocabulary import ALLOWED

MOST_AMBIGUOUS = 3
_LISTS = frozenset({TokenType.L_BRACKET, TokenType.L_BRACE})
_CONSTANTS = frozenset(
    {
        TokenType.NUMBER,
        TokenType.STRING,
        TokenType.COMMA,
        TokenType.DASH,
        TokenType.DOT,
        TokenType.DATE,
        TokenType.TIMESTAMP,
        TokenType.TIMESTAMPNTZ,
    }
)
_TYPES = frozenset(DuckDB.Parser.TYPE_TOKENS)
_OURS = frozenset(name for t in ALLOWED if issubclass(t, exp.Func) for name in t.sql_names())
_FOREIGN = frozenset(DuckDB.Parser.FUNCTIONS) - _OURS


def check_tokens(tokens: Iterable[Token]) -> None:
    """Refuse what the parser could not read in reasonable time.

    Raises:
        SandboxError: `sql-unsupported`, with the place of the bracket.

    """
    open_brackets: list[bool] = []
    ambiguous = 0
    before: Token | None = None
    list_at: Token | None = None
    for token in tokens:
        if list_at is not None and token.token_type in _CONSTANTS:
            continue
        if token.token_type is TokenType.L_BRACKET and list_at is None and _begins_value(before):
            list_at = token
        elif list_at is not None and token.token_type is TokenType.R_BRACKET:
            list_at = None
        elif list_at is not None or token.token_type in _LISTS:
            at = list_at or token
            raise _refused(at, "Lists and structs are not supported here.", "Use plain columns and values.")
        elif token.token_type is TokenType.L_PAREN:
            open_brackets.append(_ambiguous(before))
            ambiguous += open_brackets[-1]
            if ambiguous > MOST_AMBIGUOUS:
                raise _refused(
                    token, "Type names and brackets are nested too deeply.", "Write CAST(x AS type)."
                )
        elif token.token_type is TokenType.R_PAREN and open_brackets:
            ambiguous -= open_brackets.pop()
        before = token


def _begins_value(before: Token | None) -> bool:
    """Whether a bracket after this token begins a list, and not a place in one."""
    return before is not None and before.token_type in (TokenType.COMMA, TokenType.L_PAREN)


def _ambiguous(before: Token | None) -> bool:
    return before is not None and (before.token_type in _TYPES or before.text.upper() in _FOREIGN)


def _refused(token: Token, message: str, hint: str) -> SandboxError:
    place = Place(token.line, max(1, token.col), token.text[:120])
    return SandboxError(ErrorCode.SQL_UNSUPPORTED, message, hint, place=place)
