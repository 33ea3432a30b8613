"""Bytes of a policy file to a frozen type, or every problem with its line and column.

Rules
- The kind of a file is told by its name: `<dataset>.policy.yaml`, `grants/<grant>.yaml`,
  `units.yaml`, `people.yaml`.
- Reading never touches data. Of the disk it sees the file and the code lists beside it.
- The digest of a file is the SHA-256 of its bytes. With code lists it is the SHA-256 of a canonical
  JSON manifest that names the SHA-256 of the file and of each list.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePath
from typing import TypeAlias, TypeVar, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from sandbox.errors import Place
from sandbox.policy import codelist
from sandbox.policy.codelist import CodeLists
from sandbox.policy.diagnostic import MOST_REPORTED, Places, PolicyFileError, error, place_of
from sandbox.policy.settle import settle
from sandbox.policy.shape import Shape
from sandbox.policy.types import Block, Grant, People, Policy, Units
from sandbox.policy.yaml import MOST_BYTES, parse_yaml

Content: TypeAlias = Policy | Grant | Units | People
_B = TypeVar("_B", bound=Block)


class FileKind(StrEnum):
    """Kinds of policy file."""

    POLICY = "policy"
    GRANT = "grant"
    UNITS = "units"
    PEOPLE = "people"


_MODELS: Mapping[FileKind, type[Block]] = {
    FileKind.POLICY: Policy,
    FileKind.GRANT: Grant,
    FileKind.UNITS: Units,
    FileKind.PEOPLE: People,
}


@dataclass(frozen=True, slots=True)
class Draft:
    """A file that was read: its exact bytes, what they say, and where they say it.

    `name` is the dataset or the grant; `units` and `people` for these two.
    """

    kind: FileKind
    name: str
    file: str
    content: bytes
    codelists: Mapping[str, bytes]
    model: Content
    places: Places = field(repr=False)

    @property
    def manifest(self) -> bytes | None:
        """Canonical JSON that names the digests of the file and its code lists; None without lists."""
        if not self.codelists:
            return None
        parts = {
            "codelists": {name: sha256(content) for name, content in self.codelists.items()},
            "file": sha256(self.content),
        }
        return json.dumps(parts, sort_keys=True, separators=(",", ":")).encode("ascii")

    @property
    def digest(self) -> str:
        """`sha256:` and 64 hex digits, over the bytes of the file and of its code lists."""
        return sha256(self.manifest or self.content)


def sha256(content: bytes) -> str:
    """`sha256:` and 64 hex digits."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def kind_of(file: str | PurePath) -> FileKind:
    """The kind of file that its name tells.

    Raises:
        PolicyFileError: the name tells none.

    """
    path = PurePath(file)
    if path.name.endswith(".policy.yaml"):
        return FileKind.POLICY
    if path.name == "units.yaml":
        return FileKind.UNITS
    if path.name == "people.yaml":
        return FileKind.PEOPLE
    if path.parent.name == "grants" and path.suffix == ".yaml":
        return FileKind.GRANT
    hint = "Name it <dataset>.policy.yaml, grants/<grant>.yaml, units.yaml or people.yaml."
    message = f"The name of {path.name} tells no kind of policy file."
    raise PolicyFileError([error("file-kind", message, hint, Place(1, 1, "", str(file)))])


def read_draft(path: Path) -> Draft:
    """Read the file at `path` and the code lists beside it.

    Raises:
        PolicyFileError: everything that is wrong with it, or that it cannot be opened.

    """
    kind = kind_of(path)
    try:
        with path.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
    except OSError as wrong:
        reason = wrong.strerror or "unreadable"
        place = Place(1, 1, "", str(path))
        raise PolicyFileError([error("file", f"Cannot read the file: {reason}.", "", place)]) from None
    return draft_of(kind, content, str(path), codelist.beside(path))


def draft_of(kind: FileKind, content: bytes, file: str, lists: CodeLists | None = None) -> Draft:
    """Read `content` as a file of `kind`; `file` only names it in errors.

    Raises:
        PolicyFileError: everything that is wrong with it.

    """
    used: dict[str, bytes] = {}
    model, places = _read(_MODELS[kind], content, file, _recorded(lists or codelist.among({}), used))
    read = cast("Content", model)
    match read:
        case Policy():
            name = read.dataset
        case Grant():
            name = read.grant
        case _:
            name = kind.value
    return Draft(kind, name, file, content, used, read, places)


def read_any(path: Path) -> Content:
    """What the file at `path` says; raises as `read_draft`."""
    return read_draft(path).model


def read_policy(text: str | bytes, file: str = "", lists: CodeLists | None = None) -> Policy:
    """A policy from its text; its code lists are looked for in `lists`, else beside `file`.

    Raises:
        PolicyFileError: everything that is wrong with it.

    """
    return _read(Policy, text, file, lists or codelist.beside(Path(file or ".")))[0]


def read_grant(text: str | bytes, file: str = "") -> Grant:
    """A grant from its text; raises as `read_policy`."""
    return _read(Grant, text, file)[0]


def read_units(text: str | bytes, file: str = "") -> Units:
    """The privacy units from their text; raises as `read_policy`."""
    return _read(Units, text, file)[0]


def read_people(text: str | bytes, file: str = "") -> People:
    """The people from their text; raises as `read_policy`."""
    return _read(People, text, file)[0]


def _recorded(lists: CodeLists, used: dict[str, bytes]) -> CodeLists:
    def read(name: str) -> bytes:
        used[name] = lists(name)
        return used[name]

    return read


def _read(
    model: type[_B], content: str | bytes, file: str, lists: Callable[[str], bytes] | None = None
) -> tuple[_B, Places]:
    shape = Shape()
    raw = shape.value(model, parse_yaml(content, file), ())
    if not isinstance(raw, dict):
        raise PolicyFileError(shape.problems)
    if model is Policy:
        settle(raw, shape, lists or codelist.among({}), f"{PurePath(file).parent / 'codelists'}/")
    try:
        made = model.model_validate(raw)
    except ValidationError as wrong:
        for detail in wrong.errors(include_url=False, include_input=False)[:MOST_REPORTED]:
            _note(detail, shape)
        if not shape.problems:
            shape.refuse("value", (), "the file does not fit its kind.")
    if shape.problems:
        raise PolicyFileError(shape.problems[:MOST_REPORTED])
    return made, shape.places


def _note(detail: ErrorDetails, shape: Shape) -> None:
    """Turn one of pydantic's errors into ours, unless it only follows from a problem noted before."""
    path = detail["loc"]
    if any(failed[: len(path)] == path or path[: len(failed)] == failed for failed in shape.failed):
        return
    place = place_of(shape.places, path)
    while path and path not in shape.places and detail["type"] != "missing":
        path = path[:-1]
    if detail["type"] == "missing":
        shape.refuse("missing-key", path, "this key is missing.", "There is no default.", place)
    else:
        message = detail["msg"].removeprefix("Value error, ")
        shape.refuse("value", path, f"{message[:1].lower()}{message[1:]}.", "", place)
