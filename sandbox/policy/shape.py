"""A YAML tree to the raw values of a pydantic type: keys checked, texts typed, places remembered.

Rules
- The type of a field alone decides what a text means; a number, boolean or date in quotes is an error.
- Where a field is a `Scalar`, its type is the column's: the text stays, and `read` settles it.
- Whatever is wrong is collected and left out, so that one reading finds everything.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from sandbox.errors import Place
from sandbox.policy.diagnostic import MOST_REPORTED, Diagnostic, Path, did_you_mean, dotted, error
from sandbox.policy.scalars import SPELLING, boolean_of, date_of, decimal_of, integer_of
from sandbox.policy.types import Kind, Scalar
from sandbox.policy.yaml import Entries, Items, Node, Text


class Absent:
    """Stands for a value that could not be read; its problem is already noted."""


ABSENT = Absent()

_SCALAR_MEMBERS = frozenset(get_args(Scalar))
_PARSERS: dict[Any, tuple[Callable[[str], Any], Kind]] = {
    bool: (boolean_of, Kind.BOOLEAN),
    int: (integer_of, Kind.INTEGER),
    Decimal: (decimal_of, Kind.DECIMAL),
    date: (date_of, Kind.DATE),
}


class Shape:
    """One reading of one file.

    Attributes:
        problems: everything that was wrong.
        places: where each value lies; for a block, where its key lies.

    """

    def __init__(self) -> None:
        self.problems: list[Diagnostic] = []
        self.places: dict[Path, Place] = {}
        self.failed: set[Path] = set()

    def refuse(
        self, rule: str, path: Path, message: str, hint: str = "", place: Place | None = None
    ) -> Absent:
        """Note a problem at `path` (or `place`)."""
        self.failed.add(path)
        where = place or self.places.get(path)
        self.problems.append(error(rule, f"{dotted(path)}: {message}" if path else message, hint, where))
        return ABSENT

    def value(self, annotation: Any, node: Node, path: Path) -> Any:
        """Raw values for `annotation`: dicts, tuples, typed scalars, and `Text` where it is a `Scalar`."""
        self.places.setdefault(path, node.place)
        kind = _bare(annotation)
        origin = get_origin(kind)
        if origin is tuple:
            return self._items(get_args(kind), node, path)
        if origin is dict:
            return self._mapping(get_args(kind)[1], node, path)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return self._block(kind, node, path)
        if not isinstance(node, Text):
            return self.refuse("type", path, "one value is expected here, not a list or block.")
        if kind == Scalar:
            return node
        if kind is str:
            return node.text
        if origin is Literal:
            return self._word({str(word): word for word in get_args(kind)}, node, path)
        if isinstance(kind, type) and issubclass(kind, IntEnum):
            return self._word({member.name.lower(): member for member in kind}, node, path)
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            return self._word({member.value: member for member in kind}, node, path)
        parse, spelled = _PARSERS[kind]
        return self.parsed(parse, spelled, node, path)

    def parsed(self, parse: Callable[[str], Any], kind: Kind, node: Text, path: Path) -> Any:
        """`node` by `parse`; a quoted text is only ever a text."""
        if not node.plain and kind is not Kind.TEXT:
            message = f"`{node.text[:64]}` is in quotes, so it is a text."
            return self.refuse("type", path, message, f"Write {SPELLING[kind]}, without quotes.", node.place)
        try:
            return parse(node.text)
        except ValueError:
            message = f"`{node.text[:64]}` does not fit."
            return self.refuse("type", path, message, f"Write {SPELLING[kind]}.", node.place)

    def _near(self, word: str, known: Iterable[str]) -> str:
        """The nearest known word; none where it will not be told: a huge file stays cheap."""
        return did_you_mean(word, known) if len(self.problems) < MOST_REPORTED else ""

    def _word(self, words: dict[str, Any], node: Text, path: Path) -> Any:
        if node.text in words:
            return words[node.text]
        message = f"`{node.text[:64]}` is not a word of this key."
        return self.refuse("word", path, message, self._near(node.text, words), node.place)

    def _items(self, arguments: tuple[Any, ...], node: Node, path: Path) -> Any:
        if not isinstance(node, Items):
            return self.refuse("type", path, "a list is expected here.", "Write [a, b] or lines with `- `.")
        inner: Iterable[Any]
        if arguments[-1] is Ellipsis:
            inner = (arguments[0] for _ in node.items)
        elif len(arguments) == len(node.items):
            inner = arguments
        else:
            return self.refuse("type", path, f"exactly {len(arguments)} values are expected here.")
        read = [
            self.value(part, item, (*path, index))
            for index, (part, item) in enumerate(zip(inner, node.items, strict=True))
        ]
        if any(item is ABSENT for item in read):
            self.failed.add(path)
            return ABSENT
        return tuple(read)

    def _mapping(self, inner: Any, node: Node, path: Path) -> Any:
        if not isinstance(node, Entries):
            return self.refuse("type", path, "a block of `name: …` is expected here.")
        return self._entries(((key, inner) for key, _ in node.entries), node, path)

    def _block(self, model: type[BaseModel], node: Node, path: Path) -> Any:
        known = {name: field.annotation for name, field in model.model_fields.items()}
        if not isinstance(node, Entries):
            hint = f"Its keys: {', '.join(known)}."
            return self.refuse("type", path, "a block of `key: value` is expected here.", hint)
        for key, _ in node.entries:
            if key.text not in known:
                message = f"unknown key `{key.text[:64]}`."
                self.refuse("unknown-key", (*path, key.text), message, self._near(key.text, known), key.place)
        return self._entries(((key, known.get(key.text)) for key, _ in node.entries), node, path)

    def _entries(self, annotations: Iterable[tuple[Text, Any]], node: Entries, path: Path) -> dict[str, Any]:
        read = {}
        for (key, annotation), (_, value) in zip(annotations, node.entries, strict=True):
            if annotation is None:
                continue
            inner = (*path, key.text)
            self.places[inner] = value.place if isinstance(value, Text) else key.place
            found = self.value(annotation, value, inner)
            if found is not ABSENT:
                read[key.text] = found
        return read


def _bare(annotation: Any) -> Any:
    """`annotation` without `Annotated` and without `| None`."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        members = [member for member in get_args(annotation) if member is not type(None)]
        if frozenset(members) == _SCALAR_MEMBERS:
            return Scalar
        if len(members) == 1:
            return _bare(members[0])
    return annotation
