"""People and passwords of a hub that stands alone: a file, mode 0600, of scrypt hashes.

Rules
- There is no default password. A new person gets a random one that works once: together with a new one.
- Every failure looks the same and takes the same work, whether the person exists or not.
- After a few failures in a row a name has to wait.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyterhub.auth import Authenticator
from traitlets import Unicode

COST, BLOCK, LANES, MEMORY = 1 << 14, 8, 1, 64 << 20
SHORTEST = 12
FAILURES = 5
WAIT_SECONDS = 30.0
_NOBODY = {"salt": "00" * 16, "hash": "00" * 32, "groups": [], "once": False}


def _hash(password: str, salt: str) -> str:
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"),
        salt=bytes.fromhex(salt),
        n=COST,
        r=BLOCK,
        p=LANES,
        maxmem=MEMORY,
        dklen=32,
    ).hex()


@dataclass(slots=True)
class Passwords:
    """The file.

    Attributes:
        path: where it lies; others may not read it.

    """

    path: Path
    _failed: dict[str, tuple[int, float]] = field(default_factory=dict)

    def read(self) -> dict[str, dict[str, Any]]:
        """Everybody, by name.

        Raises:
            PermissionError: the file is open to other users of the machine.

        """
        if self.path.stat().st_mode & 0o077:
            raise PermissionError(f"{self.path} is open to others: chmod 600 {self.path}")
        found: dict[str, dict[str, Any]] = json.loads(self.path.read_text("utf-8"))
        return found

    def add(self, people: Mapping[str, list[str]]) -> dict[str, str]:
        """Add people with their groups; returns the password of each that works once."""
        known = self.read() if self.path.exists() else {}
        given = {name: secrets.token_urlsafe(12) for name in people if name not in known}
        for name, password in given.items():
            known[name] = _entry(password, people[name], once=True)
        self._write(known)
        return given

    def check(self, name: str, password: str, new: str = "") -> list[str] | None:
        """The groups of a person who says the right password; None otherwise.

        A password that works once opens nothing unless `new`, long enough, comes with it and replaces it.
        """
        failures, last = self._failed.get(name, (0, 0.0))
        waits = failures >= FAILURES and time.monotonic() - last < WAIT_SECONDS
        known = self.read()
        entry = known.get(name, _NOBODY)
        right = hmac.compare_digest(_hash(password, entry["salt"]), entry["hash"])
        if waits or not right or name not in known:
            self._failed[name] = (failures + (not waits), time.monotonic())
            return None
        if entry["once"] or new:
            if len(new) < SHORTEST or new == password:
                return None
            known[name] = _entry(new, entry["groups"], once=False)
            self._write(known)
        self._failed.pop(name, None)
        return list(entry["groups"])

    def _write(self, known: Mapping[str, Any]) -> None:
        aside = self.path.with_suffix(".new")
        aside.unlink(missing_ok=True)
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(known, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.rename(aside, self.path)


def _entry(password: str, groups: list[str], *, once: bool) -> dict[str, Any]:
    salt = secrets.token_hex(16)
    return {"salt": salt, "hash": _hash(password, salt), "groups": list(groups), "once": once}


class PasswordAuthenticator(Authenticator):
    """Logs people of the file in, with the groups that it gives them."""

    path = Unicode(help="The file of people and passwords.").tag(config=True)
    _passwords: Passwords | None = None

    async def authenticate(self, handler: Any, data: Mapping[str, str]) -> dict[str, Any] | None:
        """Name and groups, or None."""
        del handler
        if self._passwords is None:
            self._passwords = Passwords(Path(self.path))
        name = self.normalize_username(data.get("username", ""))
        groups = self._passwords.check(name, data.get("password", ""), data.get("new_password", ""))
        return None if groups is None else {"name": name, "groups": groups}
