"""What is wrong in a policy file: rule, severity, sentence, next step, place; and all of them at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sandbox.errors import ErrorCode, Place, SandboxError

MOST_REPORTED = 100

Path = tuple[str | int, ...]
"""The way to a value in a file: keys and list positions from the root."""

Places = Mapping[Path, Place]
"""Where each value of a file was written."""


class Severity(StrEnum):
    """An error refuses the file; a warning only tells."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding in a file. `rule` is the stable name under which docs/policy-guide.md explains it."""

    rule: str
    severity: Severity
    message: str
    hint: str = ""
    place: Place | None = None

    def __str__(self) -> str:
        start = f"{self.place}: " if self.place is not None else ""
        end = f" {self.hint}" if self.hint else ""
        return f"{start}{self.severity.value} [{self.rule}] {self.message}{end}"


class PolicyFileError(SandboxError):
    """Every error found in a file; message, hint and place are those of the first one."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = in_file_order(diagnostics)
        first = self.diagnostics[0]
        more = len(self.diagnostics) - 1
        count = f" (and {more} more)" if more else ""
        super().__init__(
            ErrorCode.POLICY_FILE,
            first.message + count,
            first.hint,
            place=first.place,
            rules=tuple(dict.fromkeys(found.rule for found in self.diagnostics)),
        )


def in_file_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """By line and column, so that the order of checks never shows; findings without a place come last."""

    def key(found: Diagnostic) -> tuple[bool, int, int, str, str]:
        place = found.place
        line, column = (place.line, place.column) if place is not None else (0, 0)
        return (place is None, line, column, found.rule, found.message)

    return tuple(sorted(dict.fromkeys(diagnostics), key=key))


def error(rule: str, message: str, hint: str = "", place: Place | None = None) -> Diagnostic:
    """A finding that refuses the file."""
    return Diagnostic(rule, Severity.ERROR, message, hint, place)


def warning(rule: str, message: str, hint: str = "", place: Place | None = None) -> Diagnostic:
    """A finding that only tells."""
    return Diagnostic(rule, Severity.WARNING, message, hint, place)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known word, else all of them when they are few, else nothing."""
    words = sorted(known)
    by_lower = {candidate.lower(): candidate for candidate in words}
    near = difflib.get_close_matches(word.lower()[:128], by_lower, n=1, cutoff=0.6)
    if near:
        return f"Did you mean `{by_lower[near[0]]}`?"
    return f"Known here: {', '.join(words)}." if 0 < len(words) <= 16 else ""


def place_of(places: Places, path: Path) -> Place | None:
    """The place of `path`, or of the nearest block around it."""
    for length in range(len(path), -1, -1):
        if path[:length] in places:
            return places[path[:length]]
    return None


def dotted(path: Path) -> str:
    """`path` as people read it; a key that has a dot itself is quoted."""
    return ".".join(f'"{part}"' if isinstance(part, str) and "." in part else str(part) for part in path)
