"""Reading an exported bundle without trusting it: its files, entries and tiles against each other.

Shares no code with `bundle.py`, which writes it. Standard library and the Merkle code only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.audit import merkle
from sandbox.audit.findings import Verdict, Wrong

WIDTH = 256
HASH = 32
_AGAIN = "Ask for a new export, and keep this one as evidence."


@dataclass(slots=True)
class Tree:
    """The tree recomputed from the entries: hashes of complete subtrees by level, then position."""

    size: int = 0
    levels: list[list[bytes]] = field(default_factory=list)

    def append(self, leaf: bytes) -> None:
        """Add a leaf."""
        for level, _, found in merkle.append(self.size, merkle.leaf_hash(leaf), self.node):
            if level == len(self.levels):
                self.levels.append([])
            self.levels[level].append(found)
        self.size += 1

    def node(self, level: int, position: int) -> bytes:
        """The hash of a complete subtree."""
        return self.levels[level][position]

    def root(self, size: int) -> bytes:
        """The root over the first `size` leaves."""
        return merkle.root(size, self.node)


def read_tree(folder: Path, size: int) -> Tree:
    """The tree over all entries of a bundle; every tile was compared with it.

    Raises:
        Wrong: INCOMPLETE for missing files or entries, ALTERED for entries and tiles that do not fit.

    """
    tree = Tree()
    for leaf in read_entries(folder, size):
        tree.append(leaf)
    level = 0
    while count := size >> (8 * level):
        for number, path in enumerate(_paths(folder, str(level), count)):
            want = tree.levels[8 * level][number * WIDTH : (number + 1) * WIDTH]
            if read_bytes(path) != b"".join(want):
                raise Wrong(Verdict.ALTERED, path, "this part of the tree does not fit the entries", _AGAIN)
        level += 1
    return tree


def read_entries(folder: Path, size: int) -> Iterator[bytes]:
    """The entries of a bundle in order; each was compared with its hash in the tile beside it.

    Raises:
        Wrong: INCOMPLETE for missing files or entries, ALTERED for entries that do not fit.

    """
    files = zip(_paths(folder, "entries", size), _paths(folder, "0", size), strict=True)
    for number, (path, tile_path) in enumerate(files):
        start = number * WIDTH
        count = min(WIDTH, size - start)
        entries, rest = _split(read_bytes(path))
        hashes = [merkle.leaf_hash(entry) for entry in entries]
        tile = read_bytes(tile_path)
        expected = [tile[at : at + HASH] for at in range(0, len(tile), HASH)]
        if len(entries) == count and hashes == expected and not rest:
            yield from entries
            continue
        absent = _absent(hashes, expected)
        # The beginning of an entry is what a copy that broke off leaves behind.
        cut = not rest or (absent[:1] == [len(hashes)] and merkle.leaf_hash(rest[2:]) not in expected)
        if absent and cut and len(hashes) + len(absent) == len(expected):
            which = ", ".join(str(start + at) for at in absent[:10]) + (" …" if absent[10:] else "")
            raise Wrong(Verdict.INCOMPLETE, path, f"entries are missing: {which}", _AGAIN)
        if len(expected) < count and len(hashes) < count:
            missing = count - len(hashes)
            raise Wrong(Verdict.INCOMPLETE, path, f"{missing} of {count} entries are missing", _AGAIN)
        pairs = zip(hashes, expected, strict=False)
        first = next((at for at, (one, other) in enumerate(pairs) if one != other), len(hashes))
        raise Wrong(Verdict.ALTERED, path, f"entry {start + first} does not fit the tree", _AGAIN)


def strangers(folder: Path, size: int) -> list[Path]:
    """Files in the bundle that the log does not vouch for."""
    known = {folder / "log.pub", folder / "checkpoint", *_paths(folder, "entries", size)}
    level = 0
    while count := size >> (8 * level):
        known.update(_paths(folder, str(level), count))
        level += 1
    return sorted(path for path in folder.rglob("*") if not path.is_dir() and path not in known)


def read_text(path: Path) -> str:
    """A text file of the bundle.

    Raises:
        Wrong: INCOMPLETE when it cannot be read, ALTERED when it is not UTF-8.

    """
    try:
        return read_bytes(path).decode()
    except UnicodeDecodeError:
        raise Wrong(Verdict.ALTERED, path, "this is not text", "Get the file again.") from None


def read_bytes(path: Path) -> bytes:
    """A file of the bundle.

    Raises:
        Wrong: INCOMPLETE when it cannot be read.

    """
    try:
        return path.read_bytes()
    except OSError as error:
        what = f"it cannot be read ({error.strerror})"
        raise Wrong(Verdict.INCOMPLETE, path, what, "Get the whole bundle again.") from None


def _split(content: bytes) -> tuple[list[bytes], bytes]:
    """Entries of a file, and what is left when it ends within one."""
    entries, at = [], 0
    while at + 2 <= len(content):
        end = at + 2 + int.from_bytes(content[at : at + 2], "big")
        if end > len(content):
            break
        entries.append(content[at + 2 : end])
        at = end
    return entries, content[at:]


def _absent(hashes: list[bytes], expected: list[bytes]) -> list[int]:
    """Positions in `expected` that are absent from `hashes`, when the others come in their order."""
    absent, at = [], 0
    for position, want in enumerate(expected):
        if at < len(hashes) and hashes[at] == want:
            at += 1
        else:
            absent.append(position)
    return absent


def _paths(folder: Path, level: str, count: int) -> Iterator[Path]:
    """Where the tiles of a level lie: numbers in groups of three digits, all but the last after an x."""
    for number in range(-(-count // WIDTH)):
        digits = f"{number:03d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        width = min(WIDTH, count - number * WIDTH)
        last = groups[-1] + ("" if width == WIDTH else f".p/{width}")
        yield folder.joinpath("tile", level, *(f"x{group}" for group in groups[:-1]), last)
