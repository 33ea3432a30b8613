"""How the columns of a table differ between two versions, or between a version and a source to be loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from sandbox.catalog.model import SourceColumn

_ALIKE = 0.6


@dataclass(frozen=True, slots=True)
class Drift:
    """The difference of two lists of columns.

    Attributes:
        added: names that only the later has.
        dropped: names that only the earlier has.
        retyped: name, type before and type after.
        renamed: pairs of a dropped and an added name that are perhaps one column: alike by name, or at the
            same place between the same neighbours. They are in `added` and `dropped` as well.

    """

    added: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    retyped: tuple[tuple[str, str, str], ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.dropped or self.retyped)

    def __str__(self) -> str:
        return "; ".join(self._parts()) or "no difference"

    def _parts(self) -> Iterator[str]:
        if self.added:
            yield f"added {', '.join(self.added)}"
        if self.dropped:
            yield f"dropped {', '.join(self.dropped)}"
        if self.retyped:
            yield "retyped " + ", ".join(f"{name} ({old} to {new})" for name, old, new in self.retyped)
        if self.renamed:
            yield "perhaps renamed " + ", ".join(f"{old} to {new}" for old, new in self.renamed)


def drift(before: Sequence[SourceColumn], after: Sequence[SourceColumn]) -> Drift:
    """What changed from `before` to `after`. The order of columns is no difference.

    A type that one side does not know (text, or a column that was not read) is no difference either: a
    text file in the place of a typed one gives the same values of the declared types.
    """
    old, new = _types(before), _types(after)
    added = tuple(name for name in new if name not in old)
    dropped = tuple(name for name in old if name not in new)
    retyped = tuple(
        (name, old[name], kind) for name, kind in new.items() if old.get(name) and kind and old[name] != kind
    )
    return Drift(added, dropped, retyped, tuple(_renamed(list(old), list(new), dropped, added)))


def _types(columns: Sequence[SourceColumn]) -> Mapping[str, str]:
    return {column.name: column.arrow_type for column in columns}


def _renamed(
    old: list[str], new: list[str], dropped: Sequence[str], added: Sequence[str]
) -> Iterator[tuple[str, str]]:
    free = list(added)
    for name in dropped:
        here = _neighbours(old, name)
        likely = [
            other
            for other in free
            if _neighbours(new, other) == here
            or SequenceMatcher(None, name.casefold(), other.casefold()).ratio() >= _ALIKE
        ]
        if likely:
            best = max(likely, key=lambda other: SequenceMatcher(None, name, other).ratio())
            free.remove(best)
            yield name, best


def _neighbours(names: list[str], name: str) -> tuple[str, str]:
    at = names.index(name)
    return names[at - 1] if at else "", names[at + 1] if at + 1 < len(names) else ""
