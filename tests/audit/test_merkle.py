"""The tree against the definition in RFC 6962, its published vectors, and every small case."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.audit import merkle

# Leaves and roots of the Certificate Transparency reference implementation's tests.
CT_LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


class Tree:
    def __init__(self, leaves: list[bytes]) -> None:
        self.leaves = leaves
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.asked = 0
        for index, leaf in enumerate(leaves):
            for level, position, found in merkle.append(index, merkle.leaf_hash(leaf), self.node):
                assert (level, position) not in self.nodes
                self.nodes[level, position] = found

    def node(self, level: int, position: int) -> bytes:
        self.asked += 1
        return self.nodes[level, position]


def defined(leaves: list[bytes]) -> bytes:
    """MTH, word for word from RFC 6962 section 2.1."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + defined(leaves[:k]) + defined(leaves[k:])).digest()


@pytest.fixture(scope="module")
def tree() -> Tree:
    return Tree([b"leaf %d" % n for n in range(70)])


def test_published_roots() -> None:
    tree = Tree(CT_LEAVES)
    for size, expected in enumerate(CT_ROOTS, 1):
        assert merkle.root(size, tree.node).hex() == expected
    assert merkle.root(0, tree.node) == merkle.EMPTY_ROOT


def test_every_root_is_as_defined(tree: Tree) -> None:
    for size in range(71):
        assert merkle.root(size, tree.node) == defined(tree.leaves[:size])


def test_every_inclusion_proof(tree: Tree) -> None:
    for size in range(1, 71):
        root = merkle.root(size, tree.node)
        for index in range(size):
            proof = merkle.inclusion_proof(index, size, tree.node)
            leaf = merkle.leaf_hash(tree.leaves[index])
            assert merkle.verify_inclusion(leaf, index, size, proof, root)
            assert not merkle.verify_inclusion(leaf, index, size, [*proof, root], root)
            if proof:
                assert not merkle.verify_inclusion(leaf, index, size, proof[:-1], root)
                assert not merkle.verify_inclusion(leaf, index ^ 1, size, proof, root)


def test_every_consistency_proof(tree: Tree) -> None:
    roots = [merkle.root(size, tree.node) for size in range(71)]
    for second in range(71):
        for first in range(second + 1):
            proof = merkle.consistency_proof(first, second, tree.node)
            assert merkle.verify_consistency(first, roots[first], second, roots[second], proof)
            if 0 < first < second:
                other = roots[first - 1]
                assert not merkle.verify_consistency(first, other, second, roots[second], proof)
                assert not merkle.verify_consistency(first, roots[first], second, other, proof)
                assert not merkle.verify_consistency(first, roots[first], second, roots[second], proof[:-1])
                assert not merkle.verify_consistency(
                    first, roots[first], second, roots[second], [*proof, other]
                )


@given(st.integers(1, 10**15), st.data())
def test_proofs_of_huge_trees_are_short(size: int, data: st.DataObject) -> None:
    asked: list[tuple[int, int]] = []

    def node(level: int, position: int) -> bytes:
        assert (position + 1) << level <= size, "asked for an incomplete subtree"
        asked.append((level, position))
        return hashlib.sha256(b"%d/%d" % (level, position)).digest()

    most = 2 * size.bit_length() + 2
    index = data.draw(st.integers(0, size - 1))
    assert len(merkle.inclusion_proof(index, size, node)) <= size.bit_length()
    assert len(asked) <= most
    asked.clear()
    assert len(merkle.consistency_proof(index + 1, size, node)) <= size.bit_length() + 1
    assert len(asked) <= most
    asked.clear()
    merkle.append(size, b"", node)
    assert set(asked) <= set(merkle.frontier(size))


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 5), (5, 5)])
def test_no_proof_for_what_is_not_there(tree: Tree, index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no leaf"):
        merkle.inclusion_proof(index, size, tree.node)
    assert not merkle.verify_inclusion(b"", index, size, [], b"")


def test_no_consistency_backwards(tree: Tree) -> None:
    with pytest.raises(ValueError, match="does not hold"):
        merkle.consistency_proof(6, 5, tree.node)
    assert not merkle.verify_consistency(6, b"", 5, b"", [])
    assert not merkle.verify_consistency(3, b"", 5, b"", [])
