"""One store with a log, and what people do in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sandbox.audit.store import Store
from tests.audit.acts import ORIGIN, SECRET_KEY


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def store(tmp_path: Path, key: Ed25519PrivateKey) -> Iterator[Store]:
    store = Store.create(tmp_path / "store.db", key, ORIGIN, SECRET_KEY)
    yield store
    store.close()
