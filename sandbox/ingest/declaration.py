"""Source files (`*.source.yaml`): what is loaded from where, and how its cells are spelled.

Strict YAML in the manner of policies: every key is known, every scalar stays the text that was written, and
the connector's own closed vocabulary checks the options. Secrets are references (`env:NAME`, `file:PATH`).

    connector: postgresql
    location: postgresql://reader@registry.example/companies
    options: {table: public.company, password: "env:REGISTRY_PASSWORD"}
    columns:
      founded: {written: roc date}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.errors import ErrorCode, SandboxError
from sandbox.ingest.source import Option
from sandbox.ingest.written import WRITTEN, Written
from sandbox.policy.diagnostic import PolicyFileError, did_you_mean, error
from sandbox.policy.yaml import Entries, Items, Node, Text, parse_yaml

SUFFIXES = (".source.yaml", ".source.yml")
_KEYS = ("connector", "location", "options", "columns")


@dataclass(frozen=True, slots=True)
class Declaration:
    """A source as declared.

    Attributes:
        location: as its connector understands it.
        connector: its name; empty means by the location's scheme, else files.
        options: of the connector.
        written: how the cells of a column are spelled, where that is not the plain way.

    """

    location: str
    connector: str = ""
    options: Mapping[str, Option] = field(default_factory=dict)
    written: Mapping[str, Written] = field(default_factory=dict)


def is_declaration(location: str) -> bool:
    """Whether a location names a source file."""
    return location.endswith(SUFFIXES) and "://" not in location


def read_declaration(path: Path) -> Declaration:
    """A source file. A location that is a path is relative to the file's folder.

    Raises:
        SandboxError: SOURCE_UNREADABLE when it cannot be opened; POLICY_FILE with line and column.

    """
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise SandboxError(
            ErrorCode.SOURCE_UNREADABLE,
            f"{path.name} cannot be opened: {problem.strerror}.",
            "Check the path of the source file.",
        ) from None
    block = _entries(parse_yaml(content, path.name), "A source file")
    found = {key.text: (key, node) for key, node in block.entries}
    for key, _ in found.values():
        _known(key, _KEYS)
    if "location" not in found:
        raise _wrong("A source file needs a location.", "As in: location: data/*.csv", block)
    location = _text(found["location"][1])
    if "://" not in location:
        location = str(path.parent / Path(location).expanduser())
    options = _entries(found["options"][1], "options").entries if "options" in found else ()
    columns = _entries(found["columns"][1], "columns").entries if "columns" in found else ()
    return Declaration(
        location,
        _text(found["connector"][1]) if "connector" in found else "",
        {key.text: _option(node) for key, node in options},
        {key.text: _written(node) for key, node in columns},
    )


def _written(node: Node) -> Written:
    block = _entries(node, "A column")
    for key, _ in block.entries:
        _known(key, ("written",))
    value = next((value for _, value in block.entries), None)
    if value is None:
        raise _wrong("A column needs the key written.", f"One of: {', '.join(WRITTEN)}.", block)
    text = _text(value)
    if text not in WRITTEN:
        raise _wrong(f"No way of writing is named `{text}`.", did_you_mean(text, WRITTEN), value)
    return WRITTEN[text]


def _option(node: Node) -> Option:
    return tuple(_text(item) for item in node.items) if isinstance(node, Items) else _text(node)


def _text(node: Node) -> str:
    if not isinstance(node, Text):
        raise _wrong("A text is expected here.", "Lists and blocks belong elsewhere.", node)
    return node.text


def _entries(node: Node, what: str) -> Entries:
    if not isinstance(node, Entries):
        raise _wrong(f"{what} is a block of keys.", "As in: location: data/*.csv", node)
    return node


def _known(key: Text, known: tuple[str, ...]) -> None:
    if key.text not in known:
        raise _wrong(f"No key is named `{key.text}` here.", did_you_mean(key.text, known), key)


def _wrong(message: str, hint: str, node: Node) -> PolicyFileError:
    return PolicyFileError([error("source-file", message, hint, node.place)])
