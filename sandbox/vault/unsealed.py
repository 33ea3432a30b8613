"""The keyring in memory, and the careful reading of its file."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.errors import ErrorCode, SandboxError
from sandbox.vault.sealed import SealedKeyring, Sealing, Stretching, keyring_corrupt
from sandbox.vault.wrap import KEY_BYTES, UnwrapError, unwrap, wrap

LONGEST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Keys:
    """An opened keyring. Replaced as a whole, so that readers need no lock."""

    sealing: Sealing
    sealing_key: bytes = field(repr=False)
    master: str
    master_key: bytes = field(repr=False)
    keys: dict[str, bytes] = field(repr=False)
    secrets: dict[str, bytes] = field(repr=False)

    def sealed(self) -> SealedKeyring:
        """The form that lies on disk, freshly wrapped."""
        return SealedKeyring(
            sealing=self.sealing,
            master=self.master,
            sealed_master=wrap(self.sealing_key, self.master_key, self.master),
            keys={name: wrap(self.master_key, key, name) for name, key in self.keys.items()},
            secrets={
                name: wrap(self.master_key, key, f"secret/{name}") for name, key in self.secrets.items()
            },
        ).authenticated(self.master_key)

    def latest(self, dataset: str, grade: str) -> str | None:
        """Id of the newest key-encryption key of `dataset` and `grade`."""
        mine = [name for name in self.keys if name.startswith(f"{dataset}/{grade}/")]
        return max(mine, key=generation, default=None)


def generation(identifier: str) -> int:
    """The last part of `dataset/grade/generation`."""
    return int(identifier.rpartition("/")[2])


def unsealed(sealed: SealedKeyring, sealing_key: bytes) -> Keys:
    """Every key of `sealed`.

    Raises:
        SandboxError: PASSPHRASE_WRONG when `sealing_key` does not open the master key, KEYRING_CORRUPT when
            the master key does not open the rest.

    """
    try:
        master = unwrap(sealing_key, sealed.sealed_master, sealed.master)
    except UnwrapError:
        if not isinstance(sealed.sealing, Stretching):
            raise keyring_corrupt() from None
        raise SandboxError(
            ErrorCode.PASSPHRASE_WRONG,
            "The passphrase does not open the keyring.",
            "Check SANDBOX_PASSPHRASE_FILE or SANDBOX_PASSPHRASE; after a change only the new one opens it.",
        ) from None
    if not sealed.is_authentic(master):
        raise keyring_corrupt()
    try:
        keys = {name: unwrap(master, text, name) for name, text in sealed.keys.items()}
        secrets = {name: unwrap(master, text, f"secret/{name}") for name, text in sealed.secrets.items()}
    except UnwrapError:
        raise keyring_corrupt() from None
    if any(len(key) != KEY_BYTES for key in (master, *keys.values(), *secrets.values())):
        raise keyring_corrupt()
    return Keys(sealed.sealing, sealing_key, sealed.master, master, keys, secrets)


def read_keyring(path: Path) -> tuple[bytes, tuple[int, ...]]:
    """The bytes at `path`, and marks by which a change of the file is noticed.

    Raises:
        SandboxError: KEYRING_MISSING, FILE_MODE, KEYRING_CORRUPT.

    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        raise SandboxError(
            ErrorCode.KEYRING_MISSING,
            f"There is no keyring that can be read at {path}.",
            "Make a home with `sandbox init`, or name the right one with --home.",
        ) from None
    try:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode) or about.st_size > LONGEST_BYTES:
            raise keyring_corrupt()
        if stat.S_IMODE(about.st_mode) & 0o077:
            raise SandboxError(
                ErrorCode.FILE_MODE,
                f"Others than its owner may read or change {path}.",
                f"chmod 600 {path}",
            )
        marks = (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read(), marks
    finally:
        os.close(handle)
