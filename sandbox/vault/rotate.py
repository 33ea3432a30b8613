"""Key rotation: everything on disk that a key wraps is wrapped anew; data files are not touched.

Order, each step atomic on disk, and each leaving a home that one passphrase opens:
1. The keyring is replaced by one with a new master key (and passphrase), holding the present
   key-encryption keys and their successors. From here the old passphrase and master key open nothing.
2. Beside each data file, the wrapped data keys are replaced by ones under the successors.
3. The keyring is replaced by one without the predecessors. From here they open nothing on disk.
A rotation that dies after step 1 is ended by `end_rotation`, or by the next rotation.

What rotation cannot do: whoever kept copies of the old keyring, its passphrase and the files of that
time still reads those copies.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import ErrorCode, SandboxError
from sandbox.vault.durable import replace_file
from sandbox.vault.encrypted_file import MATERIAL_PREFIX, MATERIAL_SUFFIX
from sandbox.vault.folders import version_folders
from sandbox.vault.keyring import Grade, Keyring
from sandbox.vault.lock import alone
from sandbox.vault.material import read_material, written_material
from sandbox.vault.sealer import Sealer
from sandbox.vault.wrap import UnwrapError, unwrap, wrap


@dataclass(frozen=True, slots=True)
class Rotation:
    """What was rotated: ids of the master key before and after, and the datasets whose keys are new."""

    before: str
    after: str
    datasets: tuple[str, ...]


def rotate_keys(home: Path, keyring: Keyring, sealer: str | Sealer | None = None) -> Rotation:
    """New master key, new key-encryption keys, and data keys wrapped by them.

    Args:
        home: folder of the instance.
        keyring: open keyring.
        sealer: a new passphrase, or something else that seals the keyring from now on; None: as now.

    Raises:
        SandboxError: SERVICE_BUSY (a load or a rotation runs), STORAGE_CORRUPT (names the file; found
            before anything is changed), STORAGE_FULL, STORAGE_UNWRITABLE, PASSPHRASE_MISSING, KEY_PROVIDER,
            KEYS_ROTATED.

    """
    with alone(home):
        for path in _materials(home):
            _rewrapped(home, path, keyring)
        before, after = keyring.begin_rotation(sealer)
        _end(home, keyring)
    return Rotation(before, after, keyring.datasets())


def end_rotation(home: Path, keyring: Keyring) -> bool:
    """End a rotation that was begun and interrupted; whether there was one.

    Raises:
        SandboxError: as `rotate_keys`.

    """
    keyring.refresh()
    if not keyring.rotating():
        return False
    with alone(home):
        _end(home, keyring)
    return True


def _end(home: Path, keyring: Keyring) -> None:
    for path in _materials(home):
        before, after = path.read_bytes(), _rewrapped(home, path, keyring)
        if after != before:
            replace_file(path, after)
    keyring.end_rotation()


def _materials(home: Path) -> list[Path]:
    return [
        path
        for folder in version_folders(home)
        for path in sorted(folder.glob(f"{MATERIAL_PREFIX}*{MATERIAL_SUFFIX}"))
    ]


def _rewrapped(home: Path, path: Path, keyring: Keyring) -> bytes:
    """The key material at `path`, every data key under the newest key of its dataset and class."""
    try:
        content = path.read_bytes()
        entries = read_material(content)
        changed = False
        for entry in entries.values():
            old = entry["masterKeyID"]
            dataset, grade = _class_of(old)
            new = keyring.key_encryption_key(dataset, grade)
            data_key = unwrap(keyring.key_by_id(old), entry["wrappedDEK"], old)
            if new.id != old:
                entry["masterKeyID"], entry["wrappedDEK"] = new.id, wrap(new.key, data_key, new.id)
                changed = True
    except (OSError, ValueError, TypeError, KeyError, AttributeError, UnwrapError):
        raise SandboxError(
            ErrorCode.STORAGE_CORRUPT,
            f"{path.relative_to(home).as_posix()} is missing, damaged, or not what was committed.",
            "Restore it from a backup, or load the table again; then rotate again.",
        ) from None
    if not changed:
        return content
    return written_material(entries)


def _class_of(identifier: str) -> tuple[str, Grade]:
    dataset, grade, _ = identifier.split("/")
    for known in ("footer", "open", "restricted"):
        if grade == known:
            return dataset, known
    raise ValueError("no such key class")
