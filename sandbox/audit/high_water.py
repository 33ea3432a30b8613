"""How far the log ever came, in a file beside the store: an older copy of the store is noticed by it.

Rules
- After each commit the size of the tree goes into one of two slots, by turns, authenticated by a key that
  only an opened keyring gives. The write is not flushed: after a power cut the mark may lag behind the
  store, which is allowed; a store that lags behind the mark is refused.
- A mark that is missing, altered or of another length is refused too.
- Whoever sets back store and mark together is caught by what others hold: checkpoints that a witness
  remembers, receipts, exported logs.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from contextlib import suppress
from pathlib import Path

from sandbox.audit.leaf import corrupt
from sandbox.audit.sealed import derived_key

SUFFIX = ".mark"
SLOT_BYTES = 128
_SLOTS = 2


class HighWater:
    """The mark of the store at `store`.

    Args:
        store: its file.
        secret_key: 32 bytes, of the store.

    """

    def __init__(self, store: Path, secret_key: bytes) -> None:
        self._path = store.with_name(store.name + SUFFIX)
        self._key = derived_key(secret_key, b"sandbox high-water mark")

    def start(self) -> None:
        """Make the mark of an empty log, flushed."""
        handle = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            os.write(handle, self._slot(0) * _SLOTS)
            os.fsync(handle)
        finally:
            os.close(handle)

    def note(self, size: int) -> None:
        """Remember that the log had `size` entries. A disk that refuses leaves the mark behind the store."""
        with suppress(OSError):
            handle = os.open(self._path, os.O_WRONLY | os.O_NOFOLLOW)
            try:
                os.pwrite(handle, self._slot(size), size % _SLOTS * SLOT_BYTES)
            finally:
                os.close(handle)

    def check(self, size: int) -> None:
        """That the log, which has `size` entries, was never longer.

        Raises:
            SandboxError: LOG_CORRUPT.

        """
        try:
            with self._path.open("rb") as file:
                content = file.read(_SLOTS * SLOT_BYTES + 1)
        except OSError:
            raise corrupt(f"{self._path.name} is missing, which says how long the log was") from None
        slots = [content[at : at + SLOT_BYTES] for at in range(0, len(content), SLOT_BYTES)]
        if len(content) != _SLOTS * SLOT_BYTES:
            raise corrupt(f"{self._path.name} is not what was written")
        for slot in slots:
            noted = slot[: slot.index(b" ")] if b" " in slot else b""
            if not noted.isdigit() or not hmac.compare_digest(slot, self._slot(int(noted))):
                raise corrupt(f"{self._path.name} is not what was written")
            if int(noted) > size:
                raise corrupt(f"the store is an older copy: the log had {int(noted)} entries, it has {size}")

    def _slot(self, size: int) -> bytes:
        text = f"{size} ".encode()
        mac = hmac.new(self._key, text, hashlib.sha256).hexdigest().encode()
        return (text + mac).ljust(SLOT_BYTES - 1) + b"\n"
