"""Events as people cause them, and bundles as a forger would build them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sandbox.audit import merkle
from sandbox.audit.event import Event, EventKind, Fact
from sandbox.audit.note import Checkpoint, VerifierKey
from sandbox.audit.store import Store
from sandbox.identity import Actor, Person, Role, Via

ORIGIN = "city.example/log"
SECRET_KEY = bytes(range(32))
LI = Actor(Person("li", "Li Studio (OPC)", frozenset({Role.OPC})), Via.API)
WANG = Actor(Person("wang", "数据交易所", frozenset({Role.STEWARD, Role.AUDITOR})), Via.CLI)


def accounts(epsilon: str = "1", delta: str = "1e-6") -> list[Fact]:
    limits: dict[str, Fact] = {"epsilon": epsilon, "delta": delta}
    names = ("grant-dataset:g/nafld", "project-unit:p/patient", "dataset:nafld")
    return [{"id": name, **limits} for name in names]


def loss(epsilon: str | None = "0.1", rho: str = "0.005", delta: str = "0") -> dict[str, Fact]:
    return {"epsilon": epsilon, "rho": rho, "delta": delta}


def intended(question: str, secret: str | None = None, **facts: Fact) -> Event:
    base: dict[str, Fact] = {
        "question": question,
        "grant": "g",
        "datasets": ["nafld"],
        "shape": "SELECT COUNT(*) FROM people WHERE age > ?",
        "epsilon": "0.1",
        "loss": loss(),
        "accounts": accounts(),
        "decided_by": ["nafld@sha256:00"],
    }
    return Event(EventKind.QUESTION_INTENDED, LI, base | facts, secret)


def settled(question: str, digest: str | None = "aa") -> Event:
    facts: dict[str, Fact] = {"question": question, "outcome": "answered", "answer_digest": digest}
    return Event(EventKind.QUESTION_SETTLED, LI, facts)


def refused(code: str = "raw-rows", secret: str | None = None) -> Event:
    return Event(EventKind.QUESTION_REFUSED, LI, {"grant": "g", "code": code, "shape": "SELECT ?"}, secret)


def published(dataset: str = "nafld") -> Event:
    return Event(EventKind.POLICY_PUBLISHED, WANG, {"dataset": dataset, "digest": "00", "previous": None})


def log(store: Store, *events: Event) -> int:
    """Write the events; gives the index of the last."""
    leaf = -1
    for event in events:
        with store.write(event) as transaction:
            leaf = transaction.leaf
    return leaf


def forge(folder: Path, leaves: Sequence[bytes], key: Ed25519PrivateKey, origin: str = ORIGIN) -> Path:
    """A well-formed, signed bundle of at most 255 arbitrary leaves, without the product's writer."""
    assert len(leaves) < 256
    nodes: dict[tuple[int, int], bytes] = {}
    for index, leaf in enumerate(leaves):
        for level, position, found in merkle.append(index, merkle.leaf_hash(leaf), lambda *at: nodes[at]):
            nodes[level, position] = found
    root = merkle.root(len(leaves), lambda *at: nodes[at])
    folder.mkdir(parents=True)
    (folder / "log.pub").write_text(f"{VerifierKey.of(origin, key)}\n", "utf-8")
    (folder / "checkpoint").write_text(Checkpoint(origin, len(leaves), root).sign(key), "utf-8")
    for name, parts in (
        ("entries", [struct.pack(">H", len(leaf)) + leaf for leaf in leaves]),
        ("0", [merkle.leaf_hash(leaf) for leaf in leaves]),
    ):
        path = folder / "tile" / name / "000.p" / str(len(leaves))
        path.parent.mkdir(parents=True)
        path.write_bytes(b"".join(parts))
    return folder
