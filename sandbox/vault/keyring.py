"""The keyring: a passphrase opens the master key, the master key every other key.

passphrase --scrypt--> sealing key --wraps--> master key (`mk-1`) --wraps--> key-encryption keys, one
per dataset and key class (`nafld/restricted/1`), and named secrets (32 random bytes, stable for life).
Key-encryption keys wrap the data keys, which lie beside each data file.

Keys live in memory in plain bytes. They are in no repr, message or log, and a keyring cannot be pickled.
"""

from __future__ import annotations

import fcntl
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from secrets import token_hex
from typing import Literal, NoReturn, Self

from sandbox.errors import ErrorCode, SandboxError
from sandbox.vault.durable import replace_file
from sandbox.vault.lock import locked
from sandbox.vault.sealed import SALT_BYTES, Stretching, parse_keyring
from sandbox.vault.unsealed import Keys, generation, read_keyring, unsealed
from sandbox.vault.wrap import new_key

Grade = Literal["footer", "open", "restricted"]
GRADES: tuple[Grade, ...] = ("footer", "open", "restricted")
KEYRING_FILE = "keyring.json"
DATASET = re.compile(r"^[a-z][a-z0-9_]{0,62}\Z")


@dataclass(frozen=True, slots=True)
class KeyEncryptionKey:
    """A key that wraps data keys; `id` is `dataset/grade/generation`."""

    id: str
    key: bytes = field(repr=False)


class Keyring:
    """An open keyring. Safe to share between threads; several processes may open the same file."""

    def __init__(self, path: Path, keys: Keys, seen: tuple[int, ...]) -> None:
        """Use `create` or `open`."""
        self._path = path
        self._keys = keys
        self._seen = seen
        self._changing_here = threading.RLock()

    def __repr__(self) -> str:
        return f"<Keyring {self._keys.master}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a keyring cannot be pickled")

    @classmethod
    def create(cls, path: Path, passphrase: str) -> Self:
        """A new keyring at `path`, mode 0600.

        Raises:
            SandboxError: PASSPHRASE_MISSING (empty), HOME_EXISTS (`path` is there), STORAGE_FULL,
                STORAGE_UNWRITABLE.

        """
        stretching, sealing = _stretched(passphrase)
        keys = Keys(stretching, sealing, "mk-1", new_key(), {}, {})
        with locked(_lock_of(path), fcntl.LOCK_EX):
            if path.exists() or path.is_symlink():
                raise SandboxError(
                    ErrorCode.HOME_EXISTS, f"{path} is there already.", "Open it, or choose another home."
                )
            replace_file(path, keys.sealed().to_bytes())
            return cls(path, keys, read_keyring(path)[1])

    @classmethod
    def open(cls, path: Path, passphrase: str) -> Self:
        """The keyring at `path`.

        Raises:
            SandboxError: KEYRING_MISSING, FILE_MODE (someone else may read it), KEYRING_CORRUPT,
                PASSPHRASE_WRONG.

        """
        content, seen = read_keyring(path)
        sealed = parse_keyring(content)
        return cls(path, unsealed(sealed, sealed.stretching.key(passphrase)), seen)

    @property
    def master(self) -> str:
        """Id of the master key, such as `mk-1`."""
        return self._keys.master

    def secret(self, name: str) -> bytes:
        """The 32 bytes called `name`: made and kept at first use, the same for life.

        Raises:
            SandboxError: KEYS_ROTATED, KEYRING_CORRUPT, STORAGE_FULL, STORAGE_UNWRITABLE.

        """
        known = self._keys.secrets.get(name)
        if known is not None:
            return known
        with self._changing():
            if name not in self._keys.secrets:
                self._write(replace(self._keys, secrets={**self._keys.secrets, name: new_key()}))
            return self._keys.secrets[name]

    def key_encryption_key(self, dataset: str, grade: Grade) -> KeyEncryptionKey:
        """The key that wraps new data keys of `dataset` in the class `grade`; made at first use.

        Raises:
            SandboxError: as `secret`.

        """
        if grade not in GRADES or not DATASET.match(dataset):
            raise ValueError("no such key class")
        with self._changing():
            name = self._keys.latest(dataset, grade)
            if name is None:
                name = f"{dataset}/{grade}/1"
                self._write(replace(self._keys, keys={**self._keys.keys, name: new_key()}))
            return KeyEncryptionKey(name, self._keys.keys[name])

    def key_by_id(self, identifier: str) -> bytes:
        """The key-encryption key called `identifier`; never makes one.

        Raises:
            KeyError: this keyring has none of that name.
            SandboxError: KEYS_ROTATED, KEYRING_CORRUPT.

        """
        known = self._keys.keys.get(identifier)
        if known is not None:
            return known
        self.refresh()
        return self._keys.keys[identifier]

    def datasets(self) -> tuple[str, ...]:
        """Datasets that have keys, sorted."""
        return tuple(sorted({name.split("/", 1)[0] for name in self._keys.keys}))

    def rotating(self) -> bool:
        """Whether a rotation was begun and not finished: keys of an earlier generation are still held."""
        return len(self._keys.keys) > len({name.rpartition("/")[0] for name in self._keys.keys})

    def begin_rotation(self, passphrase: str | None = None) -> tuple[str, str]:
        """A new master key and the next generation of every key-encryption key, in one atomic write.

        The generations before stay until `end_rotation`, so that data keys can be re-wrapped meanwhile.

        Args:
            passphrase: the new passphrase; None keeps the present one.

        Returns:
            Ids of the master key before and after.

        Raises:
            SandboxError: as `secret`, and PASSPHRASE_MISSING (empty).

        """
        stretched = None if passphrase is None else _stretched(passphrase)
        with self._changing():
            old = self._keys
            stretching, sealing = stretched or (old.stretching, old.sealing)
            newest = {old.latest(*name.split("/")[:2]) for name in old.keys}
            fresh = {_successor(name): new_key() for name in newest if name is not None}
            master = f"mk-{int(old.master.removeprefix('mk-')) + 1}"
            self._write(Keys(stretching, sealing, master, new_key(), {**old.keys, **fresh}, old.secrets))
            return old.master, master

    def end_rotation(self) -> None:
        """Forget every key-encryption key but the newest of its dataset and class.

        Raises:
            SandboxError: as `secret`.

        """
        with self._changing():
            keys = {k: v for k, v in self._keys.keys.items() if k == self._keys.latest(*k.split("/")[:2])}
            self._write(replace(self._keys, keys=keys))

    def refresh(self) -> None:
        """Take in what another process wrote since.

        Raises:
            SandboxError: KEYS_ROTATED when it changed the passphrase; KEYRING_CORRUPT, KEYRING_MISSING.

        """
        with self._changing_here:
            content, seen = read_keyring(self._path)
            if seen == self._seen:
                return
            sealed = parse_keyring(content)
            if sealed.stretching != self._keys.stretching:
                raise SandboxError(
                    ErrorCode.KEYS_ROTATED,
                    "The keyring got a new passphrase while this process ran.",
                    "Start it again with the new passphrase.",
                )
            self._keys = unsealed(sealed, self._keys.sealing)
            self._seen = seen

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._changing_here, locked(_lock_of(self._path), fcntl.LOCK_EX):
            self.refresh()
            yield

    def _write(self, keys: Keys) -> None:
        replace_file(self._path, keys.sealed().to_bytes())
        self._keys = keys
        self._seen = read_keyring(self._path)[1]


def _stretched(passphrase: str) -> tuple[Stretching, bytes]:
    if not passphrase:
        raise SandboxError(
            ErrorCode.PASSPHRASE_MISSING, "A passphrase cannot be empty.", "Choose one that nobody can guess."
        )
    stretching = Stretching(salt=token_hex(SALT_BYTES))
    return stretching, stretching.key(passphrase)


def _successor(name: str) -> str:
    return f"{name.rpartition('/')[0]}/{generation(name) + 1}"


def _lock_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")
