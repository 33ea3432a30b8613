"""Errors as RFC 9457 problem details, with the same codes as the command line.

Rules
- Every error reply is `application/problem+json`, the web framework's own included.
- An error that only the operator can mend tells the caller its code and an incident number, never its
  message: that may name files of the instance. The message goes to the log of the process.
- So does an error that nobody foresaw; the service writes it down in the home without its text, which
  may quote a row.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from pathlib import Path
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
from sandbox.service.unexpected import as_coded

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
    ErrorCode.LEDGER_RESTORED: 503,
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
    ErrorCode.KEY_PROVIDER: 500,
    ErrorCode.FILE_MODE: 500,
    ErrorCode.ROOM_UNAVAILABLE: 500,
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
_TOLD = frozenset({ErrorCode.QUESTION_FAILED, ErrorCode.SERVICE_BUSY, ErrorCode.SERVICE_UNREACHABLE})


def title(code: ErrorCode) -> str:
    """The code in words; the same for every occurrence, as RFC 9457 (3.1.3) asks."""
    words = code.value.replace("-", " ")
    return ("SQL" + words[3:]) if words.startswith("sql ") else words.capitalize()


def reply(
    error: SandboxError, *, status: int | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """The problem details of an error.

    Args:
        error: what went wrong.
        status: HTTP status where HTTP itself asks for another one than the code has (405, 406, 408, 415).
        headers: further reply headers.

    """
    status = status or STATUS.get(error.code, 500)
    body: dict[str, Any] = {
        "type": f"urn:sandbox:error:{error.code.value}",
        "title": title(error.code),
        "status": status,
        "code": error.code.value,
    }
    if status >= 500 and error.code not in _TOLD:
        instance = f"urn:sandbox:incident:{secrets.token_hex(8)}"
        _log.error("%s %s", instance, error)
        body["detail"] = "The sandbox cannot do this now; nothing that you can change would help."
        body["hint"] = "Ask the operator, and name this incident. See the budget for what was charged."
        body |= {"place": None, "rules": [], "instance": instance}
    else:
        body["detail"] = error.message
        body["hint"] = error.hint
        body["place"] = error.place
        body["rules"] = list(error.rules)
    sent = dict(headers or {})
    if error.code is ErrorCode.TOKEN_INVALID:
        sent["WWW-Authenticate"] = 'Bearer realm="data sandbox", error="invalid_token"'
    return Response(to_json(body), status, sent, PROBLEM_TYPE)


def unexpected(error: Exception, home: Path) -> Response:
    """The reply to an error that nobody foresaw, which is written down in the home."""
    return reply(as_coded(error, home))


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
