from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from sandbox.vault.keyring import Keyring
from sandbox.vault.sealed import Stretching
from tests.vault.support import keyring


@pytest.fixture(autouse=True)
def _least_stretching(monkeypatch: pytest.MonkeyPatch) -> None:
    """New keyrings ask for the least work that is still accepted."""
    monkeypatch.setattr("sandbox.vault.sealer.Stretching", partial(Stretching, n=2**15, r=8, p=1))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def keys(home: Path) -> Keyring:
    return keyring(home)
