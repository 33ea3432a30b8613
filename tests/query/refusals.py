"""What every refusal owes the person who asked: a code, a rule, a place inside their text, a next step."""

from __future__ import annotations

from sandbox.errors import ErrorCode, SandboxError
from sandbox.query.places import LONGEST

# Refusals of somebody, or of a price: no part of the question is at fault.
OF_NO_PART = frozenset(
    {
        ErrorCode.GRANT_UNKNOWN, ErrorCode.GRANT_REFUSED, ErrorCode.PERSON_UNKNOWN, ErrorCode.ROLE_REFUSED,
        ErrorCode.BUDGET_EXCEEDED, ErrorCode.EPSILON_INVALID, ErrorCode.DELTA_NEEDED,
    }
)  # fmt: skip
# How the parser and the engine speak of themselves.
INSIDE_WORDS = (
    "sqlglot",
    "Binder",
    "COMMAND",
    "DATATYPE",
    "COLUMNDEF",
    "TABLECOLUMN",
    "PLACEHOLDER",
    "<class",
)


def assert_helpful(refused: SandboxError, sql: str) -> None:
    """The refusal names a part of `sql`, where it stands and as it is written, and says what to do."""
    assert refused.message
    assert refused.message.rstrip(".)…")
    assert refused.hint, (sql, str(refused))
    said = str(refused).removesuffix(refused.hint)
    assert not any(word in said for word in INSIDE_WORDS), (sql, str(refused))
    if refused.code in OF_NO_PART:
        return
    place = refused.place
    assert place is not None, (sql, str(refused))
    lines = sql.split("\n")
    assert 1 <= place.line <= len(lines), (sql, str(refused))
    start = sum(len(line) + 1 for line in lines[: place.line - 1]) + place.column - 1
    assert place.text or not sql.strip(), (sql, str(refused))
    assert sql[start : start + len(place.text)] == place.text, (sql, place)
    assert len(place.text) <= LONGEST
    if len(place.text) < LONGEST and refused.code is not ErrorCode.SQL_SYNTAX:
        assert _brackets_close(place.text), (sql, place)


def _brackets_close(text: str) -> bool:
    """Whether a part can be read by itself; a bracket alone is the part that is refused."""
    return text.count("(") == text.count(")") or "'" in text or '"' in text or len(text) == 1
