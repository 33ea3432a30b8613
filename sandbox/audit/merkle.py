"""Merkle tree of the log: hashing of RFC 6962 section 2.1, proofs and their checks of RFC 9162 section 2.1.

Rules
- Pure functions. Stored are the hashes of complete subtrees only, each at (level, position): the
  subtree over leaves `position * 2**level` up to `(position + 1) * 2**level`. They never change.
- `node` gives the hash of a complete subtree; whatever it raises for an absent one goes through.
- Appending and proving ask for O(log n) nodes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

Lookup: TypeAlias = Callable[[int, int], bytes]

EMPTY_ROOT = hashlib.sha256().digest()


def leaf_hash(leaf: bytes) -> bytes:
    """Hash of a leaf: SHA-256(0x00 ‖ leaf)."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def frontier(size: int) -> list[tuple[int, int]]:
    """The complete subtrees that make up a tree of `size` leaves, from left (largest) to right."""
    found = []
    for level in range(size.bit_length() - 1, -1, -1):
        if size >> level & 1:
            found.append((level, (size >> level) - 1))
    return found


def append(size: int, leaf: bytes, node: Lookup) -> list[tuple[int, int, bytes]]:
    """Subtrees that one more leaf (given by its hash) completes in a tree of `size` leaves.

    Returns:
        (level, position, hash), from the leaf upwards; `node` is asked for parts of `frontier(size)` only.

    """
    completed = [(0, size, leaf)]
    level, position = 0, size
    while position & 1:
        leaf = node_hash(node(level, position - 1), leaf)
        level, position = level + 1, position >> 1
        completed.append((level, position, leaf))
    return completed


def root(size: int, node: Lookup) -> bytes:
    """Root hash (MTH) of the first `size` leaves."""
    return _fold(node(level, position) for level, position in frontier(size)) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, node: Lookup) -> list[bytes]:
    """PATH(index, D[size]): the hashes that lead from a leaf to the root, from the leaf upwards.

    Raises:
        ValueError: no such leaf in a tree of this size.

    """
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    return _path(index, 0, size, node)


def consistency_proof(first: int, second: int, node: Lookup) -> list[bytes]:
    """PROOF(first, D[second]): that the tree of `second` leaves begins with the tree of `first`.

    Raises:
        ValueError: `first` is larger than `second`, or negative.

    """
    if not 0 <= first <= second:
        raise ValueError(f"a tree of {second} leaves does not hold one of {first}")
    if first in (0, second):
        return []
    return _subproof(first, 0, second, True, node)


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root_hash: bytes) -> bool:
    """Whether `proof` leads from the leaf's hash at `index` to `root_hash` (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    position, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            found = node_hash(sibling, found)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and found == root_hash


def verify_consistency(
    first: int, first_root: bytes, second: int, second_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether `proof` shows that the second tree begins with the first (RFC 9162, 2.1.4.2)."""
    if not 0 <= first <= second:
        return False
    if first == second:
        return not proof and first_root == second_root
    if first == 0:
        return not proof and first_root == EMPTY_ROOT
    hashes = list(proof) if first & (first - 1) else [first_root, *proof]
    if not hashes:
        return False
    position, last = first - 1, second - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old = new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


def _path(index: int, start: int, end: int, node: Lookup) -> list[bytes]:
    if end - start == 1:
        return []
    middle = start + _split(end - start)
    if index < middle:
        return [*_path(index, start, middle, node), _range_hash(middle, end, node)]
    return [*_path(index, middle, end, node), _range_hash(start, middle, node)]


def _subproof(first: int, start: int, end: int, known: bool, node: Lookup) -> list[bytes]:
    if first == end:
        return [] if known else [_range_hash(start, end, node)]
    middle = start + _split(end - start)
    if first <= middle:
        return [*_subproof(first, start, middle, known, node), _range_hash(middle, end, node)]
    return [*_subproof(first, middle, end, False, node), _range_hash(start, middle, node)]


def _range_hash(start: int, end: int, node: Lookup) -> bytes:
    """MTH of leaves start..end, where `start` is a multiple of a power of two not below end - start."""
    return _fold(node(level, position + (start >> level)) for level, position in frontier(end - start))


def _fold(parts: Iterable[bytes]) -> bytes:
    hashes = list(parts)
    found = hashes.pop()
    while hashes:
        found = node_hash(hashes.pop(), found)
    return found


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
