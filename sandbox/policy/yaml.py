"""Strict YAML: a tree of texts with places, and nothing that surprises.

Rules
- Every scalar stays the text that was written; the type of its field says later what it means. So
  `no`, `0123`, `1:30`, `1e-7` and `2026-01-01` never change behind a steward's back.
- One document, UTF-8, at most 1 MB, at most 16 levels deep. Mapping keys are texts, each used once.
- Errors: anchors, aliases, merge keys, tags, directives, tabs, invisible characters, keys without
  a value, and a bare `null` (quote it when the text is meant, leave the key out otherwise).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, cast

import yaml

from sandbox.errors import Place
from sandbox.policy.diagnostic import MOST_REPORTED, Diagnostic, PolicyFileError, error

MOST_BYTES = 1_000_000
MOST_LEVELS = 16

_NULLS = frozenset({"null", "Null", "NULL", "~"})
_LINE_BREAKS = frozenset("\x85\u2028\u2029")
_JOINERS = frozenset("\u200c\u200d")


@dataclass(frozen=True, slots=True)
class Text:
    """A scalar as written; `plain` means without quotes."""

    text: str
    plain: bool
    place: Place


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple[Node, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Entries:
    """A mapping in the order of the file."""

    entries: tuple[tuple[Text, Node], ...]
    place: Place


Node: TypeAlias = Text | Items | Entries


class _Mark(Protocol):
    """Line and column of PyYAML, from 0."""

    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


class _Parser(Protocol):
    """PyYAML's loader as an event parser."""

    def check_event(self) -> bool: ...
    def get_event(self) -> yaml.Event: ...
    def get_mark(self) -> _Mark: ...


@dataclass(slots=True)
class _Open:
    """A list or mapping that is still being read."""

    mapping: bool
    place: Place
    nodes: list[Node] = field(default_factory=list)
    keys: dict[str, Text] = field(default_factory=dict)


def parse_yaml(content: str | bytes, file: str = "") -> Node:
    """The tree of `content`.

    Raises:
        PolicyFileError: anything that the module's rules refuse, with line and column.

    """
    text = decode(content, file)
    tree = _Tree(text, file)
    for event in _events(text, tree):
        tree.take(event)
    if tree.problems:
        raise PolicyFileError(tree.problems)
    if tree.root is None:
        raise PolicyFileError([error("yaml", "The file is empty.", "", Place(1, 1, "", file))])
    return tree.root


def decode(content: str | bytes, file: str) -> str:
    """`content` as text: UTF-8 (one byte order mark is allowed), at most 1 MB, visible characters only.

    Raises:
        PolicyFileError: too large, not UTF-8, or a tab, control or invisible character.

    """
    if isinstance(content, bytes):
        if len(content) > MOST_BYTES:
            raise PolicyFileError([_too_large(file)])
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as wrong:
            before = content[: wrong.start].decode("utf-8")
            hint = "Save the file as UTF-8."
            raise PolicyFileError(
                [error("yaml", "The file is not UTF-8.", hint, _at(before, file))]
            ) from None
    else:
        text = content
    text = text.removeprefix("\ufeff")
    if len(text.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        raise PolicyFileError([_too_large(file)])
    for index, character in enumerate(text):
        if character == "\n" or (character == "\r" and text[index + 1 : index + 2] == "\n"):
            continue
        if name := _unseen(character):
            hint = "Indent with spaces." if character == "\t" else "Remove it."
            place = _at(text[:index], file)
            raise PolicyFileError([error("yaml", f"There is a {name} in the file.", hint, place)])
    return text


def _too_large(file: str) -> Diagnostic:
    hint = "Split it, or move long lists to code lists."
    return error("yaml", f"The file is larger than {MOST_BYTES} bytes.", hint, Place(1, 1, "", file))


def _at(before: str, file: str) -> Place:
    lines = before.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return Place(len(lines), len(lines[-1]) + 1, "", file)


def _unseen(character: str) -> str:
    """What an unwanted character is called; empty when it is welcome."""
    if character == "\t":
        return "tab"
    if character in _LINE_BREAKS:
        return f"line break U+{ord(character):04X}"
    category = unicodedata.category(character)
    if category in {"Cc", "Cs"} or (category == "Cf" and character not in _JOINERS):
        return f"control or invisible character U+{ord(character):04X}"
    if ord(character) in {0xFFFE, 0xFFFF}:
        return f"character U+{ord(character):04X}, which is none,"
    return ""


def _events(text: str, tree: _Tree) -> Iterator[yaml.Event]:
    """PyYAML's events, its errors turned into ours."""
    try:
        parser = cast("_Parser", yaml.SafeLoader(text))
    except yaml.reader.ReaderError as wrong:
        place = _at(text[: wrong.position], tree.file)
        tree.refuse("a character that YAML does not allow", "Remove it.", place)
        return
    try:
        while parser.check_event():
            yield parser.get_event()
    except yaml.MarkedYAMLError as wrong:
        mark = wrong.problem_mark or wrong.context_mark
        tree.refuse(wrong.problem or "not YAML", _SYNTAX_HINT, tree.place(mark))
    except (ValueError, OverflowError):
        place = tree.place(parser.get_mark())
        tree.refuse("an escape that names no character", "Write the character itself.", place)


_SYNTAX_HINT = "A text that holds `: `, ` #`, a comma or a bracket must be in quotes."


class _Tree:
    """Builds the tree from events, collecting what it refuses."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.lines = text.splitlines()
        self.root: Node | None = None
        self.problems: list[Diagnostic] = []
        self.last = Place(1, 1, "", file)
        self.open: list[_Open] = []
        self.documents = 0

    def place(self, mark: _Mark | None, text: str = "") -> Place:
        if mark is None:
            return self.last
        line = self.lines[mark.line].strip() if mark.line < len(self.lines) else ""
        return Place(mark.line + 1, mark.column + 1, (text or line)[:80], self.file)

    def refuse(self, what: str, hint: str, place: Place) -> None:
        if len(self.problems) < MOST_REPORTED:
            self.problems.append(error("yaml", f"YAML: {what}.", hint, place))

    def take(self, event: yaml.Event) -> None:
        self.last = self.place(event.start_mark)
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                self.refuse("more than one document", "One file holds one document.", self.last)
            if event.version or event.tags:
                self.refuse("directives are not used here", "Remove the line that begins with %.", self.last)
        elif isinstance(event, yaml.AliasEvent):
            self.refuse("anchors and aliases are not used here", "Write the value out.", self.last)
            self.add(Text("", False, self.last))
        elif isinstance(event, yaml.NodeEvent):
            if event.anchor is not None:
                self.refuse("anchors and aliases are not used here", "Write the value out.", self.last)
            if getattr(event, "tag", None) is not None:
                self.refuse("tags are not used here", "Remove the tag (!…).", self.last)
            self.begin(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self.end()

    def begin(self, event: yaml.NodeEvent) -> None:
        if isinstance(event, yaml.ScalarEvent):
            plain = event.style is None
            place = self.place(event.start_mark, event.value)
            if plain and event.value in _NULLS:
                self.refuse("a bare null", "Leave the key out, or quote it when the text is meant.", place)
            if any(_unseen(character) for character in event.value if character != "\n"):
                self.refuse("an escape for an invisible character", "Write visible characters only.", place)
            self.add(Text(event.value, plain, place))
            return
        if len(self.open) >= MOST_LEVELS:
            deep = error("yaml", f"YAML: deeper than {MOST_LEVELS} levels.", "", self.last)
            raise PolicyFileError([*self.problems, deep])
        self.open.append(_Open(isinstance(event, yaml.MappingStartEvent), self.last))

    def end(self) -> None:
        closed = self.open.pop()
        if not closed.mapping:
            self.add(Items(tuple(closed.nodes), closed.place))
            return
        pairs = zip(closed.nodes[::2], closed.nodes[1::2], strict=True)
        entries = tuple((key, value) for key, value in pairs if isinstance(key, Text))
        self.add(Entries(entries, closed.place))

    def add(self, node: Node) -> None:
        if self.open:
            parent = self.open[-1]
            if parent.mapping and len(parent.nodes) % 2 == 0:
                self.check_key(node, parent)
            elif isinstance(node, Text) and node.plain and not node.text:
                self.refuse(
                    "a key or list item without a value", 'Give a value, or "" for an empty text.', node.place
                )
            parent.nodes.append(node)
        elif self.documents <= 1:
            self.root = node

    def check_key(self, node: Node, parent: _Open) -> None:
        if not isinstance(node, Text):
            self.refuse("a key that is not a text", _SYNTAX_HINT, node.place)
        elif node.plain and node.text == "<<":
            self.refuse("merge keys are not used here", "Write the keys out.", node.place)
        elif node.text in parent.keys:
            first = parent.keys[node.text].place.line
            self.refuse(
                f"the key `{node.text[:64]}` is used twice", f"It was first used in line {first}.", node.place
            )
        else:
            parent.keys[node.text] = node
