"""Errors as RFC 9457 problem details, with the same codes as the command line.

Rules
- Every error reply is `application/problem+json`, the web framework's own included.
- An error that only the operator can mend tells the caller its code, never its message: that may name
  files of the instance. The message goes to the operator's log.
- An unexpected error is `internal` and carries an incident number. What the operator's log keeps of it is
  its type and the code lines it passed, not its text: that may quote a row.
"""

from __future__ import annotations

import logging
import secrets
import traceback
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sandbox.api import examples
from sandbox.api.forms import Problem
from sandbox.errors import ErrorCode, SandboxError

PROBLEM_TYPE = "application/problem+json"

DESCRIBED: dict[str, Any] = {
    "description": "An error, as RFC 9457 problem details.",
    "content": {PROBLEM_TYPE: {"schema": TypeAdapter(Problem).json_schema(), "example": examples.PROBLEM}},
}

_log = logging.getLogger("sandbox.api")

STATUS: Mapping[ErrorCode, int] = {
    ErrorCode.SQL_SYNTAX: 422,
    ErrorCode.SQL_TOO_LARGE: 413,
    ErrorCode.SQL_UNSUPPORTED: 422,
    ErrorCode.SQL_FUNCTION_UNKNOWN: 422,
    ErrorCode.SQL_NAME_UNKNOWN: 422,
    ErrorCode.SQL_NAME_AMBIGUOUS: 422,
    ErrorCode.SQL_TYPE: 422,
    ErrorCode.SQL_JOIN: 422,
    ErrorCode.RAW_ROWS: 422,
    ErrorCode.BOUNDS_MISSING: 422,
    ErrorCode.OVERFLOW_POSSIBLE: 422,
    ErrorCode.ARGUMENT: 422,
    ErrorCode.POLICY_FILE: 422,
    ErrorCode.POLICY_MISSING: 403,
    ErrorCode.POLICY_REFUSED: 403,
    ErrorCode.COLUMN_HIDDEN: 403,
    ErrorCode.COLUMN_USE: 403,
    ErrorCode.GRANT_UNKNOWN: 404,
    ErrorCode.GRANT_REFUSED: 403,
    ErrorCode.PERSON_UNKNOWN: 403,
    ErrorCode.ROLE_REFUSED: 403,
    ErrorCode.BUDGET_EXCEEDED: 403,
    ErrorCode.EPSILON_INVALID: 422,
    ErrorCode.DELTA_NEEDED: 422,
    ErrorCode.QUESTION_FAILED: 500,
    ErrorCode.HOME_MISSING: 500,
    ErrorCode.HOME_EXISTS: 500,
    ErrorCode.DATASET_UNKNOWN: 404,
    ErrorCode.SOURCE_UNREADABLE: 500,
    ErrorCode.LOAD_REFUSED: 500,
    ErrorCode.STORAGE_FULL: 507,
    ErrorCode.STORAGE_UNWRITABLE: 500,
    ErrorCode.STORAGE_BUDGET: 500,
    ErrorCode.STORAGE_CORRUPT: 500,
    ErrorCode.PASSPHRASE_MISSING: 500,
    ErrorCode.PASSPHRASE_WRONG: 500,
    ErrorCode.KEYRING_MISSING: 500,
    ErrorCode.KEYRING_CORRUPT: 500,
    ErrorCode.KEYS_ROTATED: 500,
    ErrorCode.KEY_REFUSED: 500,
    ErrorCode.FILE_MODE: 500,
    ErrorCode.LOG_CORRUPT: 500,
    ErrorCode.TOKEN_INVALID: 401,
    ErrorCode.REQUEST_INVALID: 400,
    ErrorCode.REQUEST_TOO_LARGE: 413,
    ErrorCode.SERVICE_BUSY: 503,
    ErrorCode.SERVICE_UNREACHABLE: 502,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.INTERNAL: 500,
}

# A caller can act on these in spite of their 5xx status, and their texts name nothing of the instance.
_TOLD = frozenset(
    {ErrorCode.QUESTION_FAILED, ErrorCode.SERVICE_BUSY, ErrorCode.SERVICE_UNREACHABLE, ErrorCode.INTERNAL}
)


def title(code: ErrorCode) -> str:
    """The code in words; the same for every occurrence, as RFC 9457 (3.1.3) asks."""
    words = code.value.replace("-", " ")
    return ("SQL" + words[3:]) if words.startswith("sql ") else words.capitalize()


def reply(
    error: SandboxError,
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    instance: str = "",
) -> Response:
    """The problem details of an error.

    Args:
        error: what went wrong.
        status: HTTP status where HTTP itself asks for another one than the code has (405, 406, 408, 415).
        headers: further reply headers.
        instance: URI of this occurrence.

    """
    status = status or STATUS.get(error.code, 500)
    body: dict[str, Any] = {
        "type": f"urn:sandbox:error:{error.code.value}",
        "title": title(error.code),
        "status": status,
        "code": error.code.value,
    }
    if status >= 500 and error.code not in _TOLD:
        instance = incident(error, said=str(error))
        body["detail"] = "The sandbox cannot do this now; nothing that you can change would help."
        body["hint"] = "Ask the operator, and name the instance below."
        body |= {"place": None, "rules": []}
    else:
        body["detail"] = error.message
        body["hint"] = error.hint
        body["place"] = error.place
        body["rules"] = list(error.rules)
    if instance:
        body["instance"] = instance
    sent = dict(headers or {})
    if error.code is ErrorCode.TOKEN_INVALID:
        sent["WWW-Authenticate"] = 'Bearer realm="data sandbox", error="invalid_token"'
    return Response(to_json(body), status, sent, PROBLEM_TYPE)


def incident(error: BaseException, said: str = "") -> str:
    """Write an error to the operator's log; return the URI under which it stands there."""
    name = f"urn:sandbox:incident:{secrets.token_hex(8)}"
    causes: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(causes) < 8:
        lines = [
            f"{frame.filename}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(cause.__traceback__)
        ]
        causes.append("\n  ".join([type(cause).__qualname__, *lines]))
        cause = cause.__cause__ or cause.__context__
    _log.error("%s %s\n%s", name, said, "\n".join(causes))
    return name


def internal(error: BaseException) -> Response:
    """The reply to an unexpected error: no details, but a number to ask the operator about."""
    return reply(
        SandboxError(
            ErrorCode.INTERNAL,
            "Something in the sandbox went wrong.",
            "If this was a question it may have been charged: look at the budget, then ask the operator.",
        ),
        instance=incident(error),
    )


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem."""

    async def on_sandbox_error(_: Request, error: Exception) -> Response:
        if not isinstance(error, SandboxError):
            raise error
        return reply(error)

    async def on_invalid_request(request: Request, error: Exception) -> Response:
        if not isinstance(error, RequestValidationError):
            raise error
        return _invalid(request, error)

    async def on_http_error(_: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        return _http(error)

    app.add_exception_handler(SandboxError, on_sandbox_error)
    app.add_exception_handler(RequestValidationError, on_invalid_request)
    app.add_exception_handler(HTTPException, on_http_error)


def _invalid(request: Request, error: RequestValidationError) -> Response:
    sent_as = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method == "POST" and sent_as != "application/json":
        wrong = SandboxError(
            ErrorCode.REQUEST_INVALID,
            "The request's body is not declared as JSON.",
            "Send `Content-Type: application/json`.",
        )
        return reply(wrong, status=415)
    found = error.errors()
    named = [".".join(str(part)[:64] for part in item["loc"]) + f": {item['msg']}" for item in found[:5]]
    more = f" (and {len(found) - 5} more)" if len(found) > 5 else ""
    return reply(
        SandboxError(
            ErrorCode.REQUEST_INVALID,
            "The request is not as the API describes it: " + "; ".join(named) + more + ".",
            "See /openapi.json for the fields of this path, with examples.",
        )
    )


def _http(error: HTTPException) -> Response:
    if error.status_code == 404:
        wrong = SandboxError(
            ErrorCode.NOT_FOUND, "There is nothing at this path.", "See /openapi.json for the paths."
        )
    elif error.status_code == 405:
        wrong = SandboxError(
            ErrorCode.REQUEST_INVALID,
            "This path does not know the method.",
            "See the Allow header, or /openapi.json.",
        )
    elif error.status_code == 406:
        wrong = SandboxError(
            ErrorCode.REQUEST_INVALID,
            "This path has no reply in a form that the Accept header allows.",
            f"It can send {error.detail}.",
        )
    elif error.status_code == 503:
        wrong = SandboxError(
            ErrorCode.SERVICE_BUSY,
            "Too many requests are waiting; this one was not begun and cost nothing.",
            "Try again in a few seconds.",
        )
    else:
        wrong = SandboxError(
            ErrorCode.REQUEST_INVALID, "The request cannot be read.", "Send UTF-8 encoded JSON."
        )
    return reply(wrong, status=error.status_code, headers=error.headers)
