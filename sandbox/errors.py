"""The product's errors: few, named, coded, documented in docs/errors.md.

Every error a person can meet is one `SandboxError` with an `ErrorCode`. Its text says what was
wrong and what to do next, and depends on public state only (invariant I-2): never on a row value.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ErrorCode(StrEnum):
    """Stable names of errors; the value is what people and programs see."""

    # reading what a person wrote
    SQL_SYNTAX = "sql-syntax"
    SQL_TOO_LARGE = "sql-too-large"
    SQL_UNSUPPORTED = "sql-unsupported"
    SQL_FUNCTION_UNKNOWN = "sql-function-unknown"
    SQL_NAME_UNKNOWN = "sql-name-unknown"
    SQL_NAME_AMBIGUOUS = "sql-name-ambiguous"
    SQL_TYPE = "sql-type"
    SQL_JOIN = "sql-join"
    RAW_ROWS = "raw-rows"
    BOUNDS_MISSING = "bounds-missing"
    OVERFLOW_POSSIBLE = "overflow-possible"
    ARGUMENT = "argument"
    # policy and grant
    POLICY_FILE = "policy-file"
    POLICY_MISSING = "policy-missing"
    POLICY_REFUSED = "policy-refused"
    COLUMN_HIDDEN = "column-hidden"
    COLUMN_USE = "column-use"
    GRANT_UNKNOWN = "grant-unknown"
    GRANT_REFUSED = "grant-refused"
    PERSON_UNKNOWN = "person-unknown"
    ROLE_REFUSED = "role-refused"
    # privacy
    BUDGET_EXCEEDED = "budget-exceeded"
    EPSILON_INVALID = "epsilon-invalid"
    LEDGER_RESTORED = "ledger-restored"
    DELTA_NEEDED = "delta-needed"
    # running
    QUESTION_FAILED = "question-failed"
    # data and storage
    HOME_MISSING = "home-missing"
    HOME_EXISTS = "home-exists"
    DATASET_UNKNOWN = "dataset-unknown"
    SOURCE_UNREADABLE = "source-unreadable"
    LOAD_REFUSED = "load-refused"
    STORAGE_FULL = "storage-full"
    STORAGE_UNWRITABLE = "storage-unwritable"
    STORAGE_BUDGET = "storage-budget"
    STORAGE_CORRUPT = "storage-corrupt"
    PASSPHRASE_MISSING = "passphrase-missing"
    PASSPHRASE_WRONG = "passphrase-wrong"
    KEYRING_MISSING = "keyring-missing"
    KEYRING_CORRUPT = "keyring-corrupt"
    KEYS_ROTATED = "keys-rotated"
    KEY_REFUSED = "key-refused"
    KEY_PROVIDER = "key-provider"
    FILE_MODE = "file-mode"
    # rooms
    ROOM_UNAVAILABLE = "room-unavailable"
    # log
    LOG_CORRUPT = "log-corrupt"
    # API
    TOKEN_INVALID = "token-invalid"
    REQUEST_INVALID = "request-invalid"
    REQUEST_TOO_LARGE = "request-too-large"
    SERVICE_BUSY = "service-busy"
    SERVICE_UNREACHABLE = "service-unreachable"
    NOT_FOUND = "not-found"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a person's text the error lies. Lines and columns count from 1."""

    line: int
    column: int
    text: str = ""
    file: str = ""

    def __str__(self) -> str:
        start = f"{self.file}:" if self.file else ""
        return f"{start}{self.line}:{self.column}"


class SandboxError(Exception):
    """An error with a code, a message, the next step, and where it lies.

    Args:
        code: the stable name.
        message: one sentence: what is wrong.
        hint: one sentence: what to do next.
        place: the smallest offending part of what the person wrote.
        rules: ids of the policy or grant rules that decided, as `file#path`.

    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        hint: str = "",
        *,
        place: Place | None = None,
        rules: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.place = place
        self.rules = rules

    def __str__(self) -> str:
        parts = [f"[{self.code.value}] {self.message}"]
        if self.place is not None:
            at = f"at {self.place}"
            parts.append(f"{at}: {self.place.text}" if self.place.text else at)
        if self.rules:
            parts.append("decided by " + ", ".join(self.rules))
        if self.hint:
            parts.append(self.hint)
        return "\n  ".join(parts)
