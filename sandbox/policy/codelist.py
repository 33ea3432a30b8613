"""Code lists: public keys in a text file, one per line, in `codelists/` beside the policy."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from sandbox.errors import Place
from sandbox.policy.diagnostic import Diagnostic, PolicyFileError, did_you_mean, error
from sandbox.policy.scalars import SPELLING, scalar_of
from sandbox.policy.types import Kind, Scalar
from sandbox.policy.yaml import MOST_BYTES, decode

CodeLists = Callable[[str], bytes]
"""Name of a code list to the bytes of its file; raises `LookupError`, whose text is a hint."""

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)


def beside(file: Path) -> CodeLists:
    """The code lists in `codelists/` beside `file`."""

    def read(name: str) -> bytes:
        folder = file.parent / "codelists"
        try:
            with (folder / f"{name}.txt").open("rb") as opened:
                return opened.read(MOST_BYTES + 1)
        except OSError:
            known = sorted(path.stem for path in folder.glob("*.txt")) if folder.is_dir() else []
            raise LookupError(did_you_mean(name, known) or f"Expected {folder / name}.txt.") from None

    return read


def among(lists: Mapping[str, bytes]) -> CodeLists:
    """Exactly these code lists."""

    def read(name: str) -> bytes:
        try:
            return lists[name]
        except KeyError:
            raise LookupError(did_you_mean(name, lists)) from None

    return read


def keys_of(content: bytes, kind: Kind, file: str) -> tuple[Scalar, ...]:
    """The keys of a code list, typed as its column.

    Raises:
        PolicyFileError: an empty line, space around a key, a key twice, or a key that is not of `kind`.

    """
    lines = decode(content, file).replace("\r\n", "\n").split("\n")
    if lines[-1] == "":
        lines.pop()
    problems: list[Diagnostic] = []
    keys: dict[Scalar, int] = {}
    for number, line in enumerate(lines, start=1):
        place = Place(number, 1, line[:80], file)
        if not line or line != line.strip():
            hint = "One key on each line, nothing else."
            problems.append(error("codelist", "An empty line, or space around a key.", hint, place))
            continue
        try:
            key = scalar_of(kind, line)
        except ValueError:
            problems.append(error("codelist", "The key does not fit.", f"Write {SPELLING[kind]}.", place))
            continue
        if key in keys:
            problems.append(error("codelist", "The key is there twice.", f"See line {keys[key]}.", place))
        keys.setdefault(key, number)
    if not lines:
        problems.append(error("codelist", "The code list is empty.", "", Place(1, 1, "", file)))
    if problems:
        raise PolicyFileError(problems)
    return tuple(keys)
