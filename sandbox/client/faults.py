"""What can go wrong between a notebook and the sandbox, by what the caller should do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.client import page


class SandboxFault(Exception):
    """Anything that kept the caller from an answer.

    Attributes:
        code: stable name of the error, the same as on the command line and in docs/errors.md.
        message: what is wrong.
        hint: what to do next.
        place: `line` and `column` (from 1) and `text` of the offending part of the SQL, or None.
        rules: the policy and grant rules that decided.
        instance: number to tell the operator, or "".

    """

    def __init__(
        self,
        code: str,
        message: str,
        hint: str = "",
        *,
        place: Mapping[str, Any] | None = None,
        rules: tuple[str, ...] = (),
        instance: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.place = place
        self.rules = rules
        self.instance = instance

    def __str__(self) -> str:
        lines = [f"[{self.code}] {self.message}"]
        if self.place is not None:
            at = f"at line {self.place.get('line')}, column {self.place.get('column')}"
            text = self.place.get("text")
            lines.append(f"{at}: {text}" if text else at)
        if self.rules:
            lines.append("decided by " + ", ".join(self.rules))
        if self.hint:
            lines.append(self.hint)
        if self.instance:
            lines.append(self.instance)
        return "\n  ".join(page.clean(line, page.MOST_LINE) for line in lines)

    def _render_traceback_(self) -> list[str]:
        """How a notebook shows it: what is wrong and what to do, not the inside of this package."""
        return [f"{type(self).__name__} {self}"]


class SandboxRefused(SandboxFault):
    """The sandbox said no; nothing was charged. Change the question, the grant or the epsilon."""


class SandboxFailed(SandboxFault):
    """The sandbox could not do it. A question may have been charged: see `.budget()`."""


class SandboxUnreachable(SandboxFault):
    """Nothing was sent, or nothing was begun; nothing was charged. Try again later."""


class ReplyLost(SandboxFault):
    """The request was sent but no reply came. A question may have been charged.

    Once the first one has ended, the same question under the same grant returns the stored answer free.
    It is not repeated automatically: two of the same question under way at once could both be charged.
    """
