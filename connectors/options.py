"""The options of a source: a closed vocabulary, read by name and kind; what is left over is an error.

Values come as they were written (from a source file or the command line all are texts), so `true`, `12` and
one text in place of a list of texts are accepted where the option's kind makes their meaning plain.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TypeVar

from connectors.secret import Secret
from sandbox.errors import ErrorCode, SandboxError
from sandbox.ingest.source import Option

Chosen = TypeVar("Chosen", bound=str)

_WHOLE = re.compile(r"(0|[1-9][0-9]{0,17})", re.ASCII)


def wrong(message: str, hint: str = "") -> SandboxError:
    """ARGUMENT."""
    return SandboxError(ErrorCode.ARGUMENT, message, hint)


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """A hint: the nearest known word, or all of them."""
    near = get_close_matches(word, known, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."


class Options:
    """What was given for one source.

    Every method raises SandboxError: ARGUMENT, naming the option.
    """

    def __init__(self, connector: str, given: Mapping[str, Option]) -> None:
        self._connector = connector
        self._given = dict(given)
        self._known: list[str] = []

    def _take(self, name: str) -> Option | None:
        self._known.append(name)
        return self._given.pop(name, None)

    def has(self, name: str) -> bool:
        """Whether an option that was not read yet was given."""
        return name in self._given

    def text(self, name: str, default: str = "") -> str:
        """A text."""
        found = self._take(name)
        if found is None:
            return default
        if not isinstance(found, str):
            raise wrong(f"The option {name} must be a text.")
        return found

    def needed(self, name: str, hint: str) -> str:
        """A text that must be given."""
        found = self.text(name)
        if not found:
            raise wrong(f"The connector {self._connector} needs the option {name}.", hint)
        return found

    def choice(self, name: str, choices: Sequence[Chosen], default: Chosen) -> Chosen:
        """One of some words."""
        found = self.text(name, default)
        for choice in choices:
            if choice == found:
                return choice
        raise wrong(f"The option {name} cannot be {found!r}.", did_you_mean(found, list(choices)))

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        found = self._take(name)
        if found is None or isinstance(found, bool):
            return default if found is None else found
        if found not in ("true", "false"):
            raise wrong(f"The option {name} must be true or false.")
        return found == "true"

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number within bounds."""
        found = self._take(name)
        if found is None:
            return default
        if isinstance(found, str) and _WHOLE.fullmatch(found):
            found = int(found)
        if isinstance(found, bool) or not isinstance(found, int) or not least <= found <= most:
            raise wrong(f"The option {name} must be a whole number from {least} to {most}.")
        return found

    def texts(self, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """A list of texts, or one."""
        found = self._take(name)
        if found is None:
            return default
        if isinstance(found, str):
            return (found,)
        if isinstance(found, int) or not all(isinstance(text, str) for text in found):
            raise wrong(f"The option {name} must be a list of texts.")
        return tuple(found)

    def secret(self, name: str) -> Secret | None:
        """A secret by reference: `env:NAME` or `file:PATH`."""
        found = self._take(name)
        return None if found is None else Secret(name, found if isinstance(found, str) else "")

    def done(self) -> None:
        """Nothing may be left over."""
        for name in self._given:
            raise wrong(
                f"No option of the {self._connector} connector is named {name!r}.",
                did_you_mean(name, sorted(self._known)),
            )
