"""What the log says of a question that was refused.

Rules
- The text itself travels as `secret`. The leaf holds its shape: no literal, no comment, and no name that
  is not published, because a value in double quotes is a name to SQL.
- Trouble of the machine (a full disk, a busy store) is no refusal; a question that failed after it was
  charged has its outcome in the log already.
"""

from __future__ import annotations

from sandbox.audit.event import Event, EventKind, Fact
from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Actor
from sandbox.policy.published import Published
from sandbox.query.parse import parse
from sandbox.query.shape import shape

REFUSALS = frozenset(
    {
        ErrorCode.SQL_SYNTAX,
        ErrorCode.SQL_TOO_LARGE,
        ErrorCode.SQL_UNSUPPORTED,
        ErrorCode.SQL_FUNCTION_UNKNOWN,
        ErrorCode.SQL_NAME_UNKNOWN,
        ErrorCode.SQL_NAME_AMBIGUOUS,
        ErrorCode.SQL_TYPE,
        ErrorCode.SQL_JOIN,
        ErrorCode.RAW_ROWS,
        ErrorCode.BOUNDS_MISSING,
        ErrorCode.KEY_REFUSED,
        ErrorCode.LEDGER_RESTORED,
        ErrorCode.OVERFLOW_POSSIBLE,
        ErrorCode.ARGUMENT,
        ErrorCode.POLICY_MISSING,
        ErrorCode.POLICY_REFUSED,
        ErrorCode.COLUMN_HIDDEN,
        ErrorCode.COLUMN_USE,
        ErrorCode.GRANT_UNKNOWN,
        ErrorCode.GRANT_REFUSED,
        ErrorCode.PERSON_UNKNOWN,
        ErrorCode.ROLE_REFUSED,
        ErrorCode.BUDGET_EXCEEDED,
        ErrorCode.EPSILON_INVALID,
        ErrorCode.DELTA_NEEDED,
        ErrorCode.DATASET_UNKNOWN,
    }
)


def refused(
    refusal: SandboxError, actor: Actor, sql: str, grant: str, *, published: Published, most_bytes: int
) -> Event:
    """The event of a refusal. SQL longer than `most_bytes` is not read."""
    facts: dict[str, Fact] = {"code": refusal.code.value, "rules": list(refusal.rules)}
    if grant in published.grants:
        facts["grant"] = grant
    blanked = _shape(sql, most_bytes, published)
    if blanked:
        facts["shape"] = blanked
    secret = None if refusal.code is ErrorCode.SQL_TOO_LARGE else sql
    return Event(EventKind.QUESTION_REFUSED, actor, facts, secret=secret)


def _shape(sql: str, most_bytes: int, published: Published) -> str:
    """Its shape; empty when it cannot be read."""
    try:
        return shape(parse(sql, most_bytes), published)
    except SandboxError:
        return ""
