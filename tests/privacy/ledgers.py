"""A real ledger on disk, and the events that it takes."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sandbox.audit.event import Event, EventKind
from sandbox.audit.store import Store
from sandbox.identity import Actor, Person, Role, Via
from sandbox.privacy.accountant import pure_to_rho
from sandbox.privacy.loss import Account, AccountKind, Budget, Loss

ACTOR = Actor(Person("li", "Li Studio", frozenset({Role.OPC})), Via.API)
LOG_KEY = bytes(range(32))
ORIGIN = "sandbox.example/log"
SECRET_KEY = bytes(32)


def create(path: Path) -> Store:
    """A new store."""
    return Store.create(path, Ed25519PrivateKey.from_private_bytes(LOG_KEY), ORIGIN, SECRET_KEY)


def reopen(path: Path) -> Store:
    """The store as another process opens it."""
    return Store.open(path, Ed25519PrivateKey.from_private_bytes(LOG_KEY), ORIGIN, SECRET_KEY)


def intended(question: str) -> Event:
    """The intent of a question."""
    return Event(EventKind.QUESTION_INTENDED, ACTOR, {"question": question})


def settled(question: str, outcome: str = "answered") -> Event:
    """The outcome of a question."""
    return Event(EventKind.QUESTION_SETTLED, ACTOR, {"question": question, "outcome": outcome})


def pure(epsilon: str) -> Loss:
    """One Laplace question on public keys."""
    return Loss(Decimal(epsilon), pure_to_rho(Decimal(epsilon)), Decimal(0))


def account(
    key: str, epsilon: str, delta: str = "0", kind: AccountKind = AccountKind.GRANT_DATASET
) -> Account:
    """An account with its limit."""
    return Account(kind, key, Budget(Decimal(epsilon), Decimal(delta)))
