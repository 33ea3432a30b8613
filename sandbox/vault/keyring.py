"""The keyring: a passphrase opens the master key, the master key every other key.

sealer (by default a passphrase) --> sealing key --wraps--> master key (`mk-1`) --wraps--> key-encryption
keys, one per dataset and key class (`nafld/restricted/1`), and named secrets (32 random bytes, for life).
Key-encryption keys wrap the data keys, which lie beside each data file.

Keys live in memory in plain bytes. They are in no repr, message or log, and a keyring cannot be pickled.
"""

from __future__ import annotations

import fcntl
import re
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NoReturn, Self

from sandbox.errors import ErrorCode, SandboxError
from sandbox.vault.durable import replace_file
from sandbox.vault.lock import locked
from sandbox.vault.sealed import Wrapped, parse_keyring
from sandbox.vault.sealer import Sealer, sealer_of
from sandbox.vault.unsealed import Keys, generation, read_keyring, unsealed
from sandbox.vault.wrap import new_key

Grade = Literal["footer", "open", "restricted"]
GRADES: tuple[Grade, ...] = ("footer", "open", "restricted")
KEYRING_FILE = "keyring.json"
UNIT_SECRET = "unit/"
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
        self._grades: frozenset[Grade] | None = None

    def __repr__(self) -> str:
        return f"<Keyring {self._keys.master}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a keyring cannot be pickled")

    @classmethod
    def create(cls, path: Path, sealer: str | Sealer) -> Self:
        """A new keyring at `path`, mode 0600, sealed by a passphrase or in another way.

        Raises:
            SandboxError: PASSPHRASE_MISSING (empty), KEY_PROVIDER, HOME_EXISTS (`path` is there),
                STORAGE_FULL, STORAGE_UNWRITABLE.

        """
        sealing, sealing_key = sealer_of(sealer).fresh()
        keys = Keys(sealing, sealing_key, "mk-1", new_key(), {}, {})
        with locked(_lock_of(path), fcntl.LOCK_EX):
            if path.exists() or path.is_symlink():
                raise SandboxError(
                    ErrorCode.HOME_EXISTS, f"{path} is there already.", "Open it, or choose another home."
                )
            replace_file(path, keys.sealed().to_bytes())
            return cls(path, keys, read_keyring(path)[1])

    @classmethod
    def open(cls, path: Path, sealer: str | Sealer) -> Self:
        """The keyring at `path`.

        Raises:
            SandboxError: KEYRING_MISSING, FILE_MODE (someone else may read it), KEYRING_CORRUPT,
                PASSPHRASE_WRONG, KEY_PROVIDER (sealed otherwise, or the key elsewhere cannot be used).

        """
        content, seen = read_keyring(path)
        sealed = parse_keyring(content)
        return cls(path, unsealed(sealed, sealer_of(sealer).key(sealed.sealing)), seen)

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

    def only(self, grades: Collection[Grade]) -> Self:
        """The same with the key classes `grades` and no other, for reading: it changes nothing on disk.

        The secrets stay, as they open no data, but for those that key units: whoever has one can look for
        the rows of a unit that he knows.
        """
        narrow = type(self)(self._path, self._keys, self._seen)
        narrow._grades = frozenset(grades)
        narrow._keys = narrow._held(self._keys)
        return narrow

    def datasets(self) -> tuple[str, ...]:
        """Datasets that have keys, sorted."""
        return tuple(sorted({name.split("/", 1)[0] for name in self._keys.keys}))

    def classes(self) -> tuple[tuple[str, str, int], ...]:
        """Dataset, key class and generation of every key-encryption key that wraps new data keys, sorted."""
        newest: dict[tuple[str, str], int] = {}
        for name in self._keys.keys:
            dataset, grade, _ = name.split("/")
            newest[dataset, grade] = max(newest.get((dataset, grade), 0), generation(name))
        return tuple(sorted((dataset, grade, number) for (dataset, grade), number in newest.items()))

    def rotating(self) -> bool:
        """Whether a rotation was begun and not finished: keys of an earlier generation are still held."""
        return len(self._keys.keys) > len({name.rpartition("/")[0] for name in self._keys.keys})

    @property
    def sealed_by(self) -> str:
        """What seals the master key: `keyring`, or `aws-kms` or `pkcs11` with the name of the key there."""
        sealing = self._keys.sealing
        return f"{sealing.name} {sealing.key}" if isinstance(sealing, Wrapped) else "keyring"

    def begin_rotation(self, sealer: str | Sealer | None = None) -> tuple[str, str]:
        """A new master key and the next generation of every key-encryption key, in one atomic write.

        The generations before stay until `end_rotation`, so that data keys can be re-wrapped meanwhile.

        Args:
            sealer: seals the keyring from now on; None: what seals it now.

        Returns:
            Ids of the master key before and after.

        Raises:
            SandboxError: as `secret`, PASSPHRASE_MISSING (empty), KEY_PROVIDER.

        """
        fresh = None if sealer is None else sealer_of(sealer).fresh()
        with self._changing():
            old = self._keys
            sealing, sealing_key = fresh or (old.sealing, old.sealing_key)
            newest = {old.latest(*name.split("/")[:2]) for name in old.keys}
            next_keys = {_successor(name): new_key() for name in newest if name is not None}
            master = f"mk-{int(old.master.removeprefix('mk-')) + 1}"
            self._write(Keys(sealing, sealing_key, master, new_key(), {**old.keys, **next_keys}, old.secrets))
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
            if sealed.sealing != self._keys.sealing:
                raise SandboxError(
                    ErrorCode.KEYS_ROTATED,
                    "The keyring got a new passphrase while this process ran, or something else seals it.",
                    "Start it again with what opens the keyring now.",
                )
            self._keys = self._held(unsealed(sealed, self._keys.sealing_key))
            self._seen = seen

    def _held(self, keys: Keys) -> Keys:
        if self._grades is None:
            return keys
        mine = {name: key for name, key in keys.keys.items() if name.split("/")[1] in self._grades}
        secrets = {name: one for name, one in keys.secrets.items() if not name.startswith(UNIT_SECRET)}
        return replace(keys, keys=mine, secrets=secrets)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._changing_here, locked(_lock_of(self._path), fcntl.LOCK_EX):
            self.refresh()
            yield

    def _write(self, keys: Keys) -> None:
        if self._grades is not None:
            raise SandboxError(
                ErrorCode.KEY_REFUSED,
                "This process holds some key classes only; it would lose the others from the keyring.",
                "Do it where SANDBOX_KEY_CLASSES is all.",
            )
        replace_file(self._path, keys.sealed().to_bytes())
        self._keys = keys
        self._seen = read_keyring(self._path)[1]


def _successor(name: str) -> str:
    return f"{name.rpartition('/')[0]}/{generation(name) + 1}"


def _lock_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")
