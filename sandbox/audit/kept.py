"""What the last proof of a store found, kept beside it, so that the next need not begin at the first entry.

Rules
- It is authenticated by a key derived from the store's secret, which only an opened keyring gives: whoever
  can write the store, and this file, cannot make one, nor use that of another home.
- It says what stays true of a log that only grows: which its first entries are, and what follows from them.
  So an older one that is put back is worth less, but no lie. What the store holds is compared anew.
- Whatever is wrong with it, it counts as not there, and the whole store is proved.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from sandbox.audit.sealed import derived_key

SUFFIX = ".proof"
MOST_BYTES = 64 << 20
_MAC_BYTES = 64


class KeptProof:
    """The kept proof of the store at `store`.

    Args:
        store: its file.
        secret_key: 32 bytes, of the store.

    """

    def __init__(self, store: Path, secret_key: bytes) -> None:
        self._path = store.with_name(store.name + SUFFIX)
        self._key = derived_key(secret_key, b"sandbox kept proof")

    def read(self) -> Any:
        """What was kept; None where nothing was, or something else."""
        try:
            with self._path.open("rb") as file:
                content = file.read(MOST_BYTES)
        except OSError:
            return None
        mac, said = content[:_MAC_BYTES], content[_MAC_BYTES:]
        return json.loads(said) if hmac.compare_digest(mac, self._mac(said)) else None

    def keep(self, said: Any) -> None:
        """Keep what is JSON, in the place of what was. A disk that refuses leaves that."""
        content = json.dumps(said).encode()
        aside = self._path.with_name(f".{self._path.name}.{os.urandom(6).hex()}.tmp")
        with suppress(OSError):
            for left in self._path.parent.glob(f".{self._path.name}.*.tmp"):
                left.unlink()  # by a process that died, or by one that does the same now and may as well not
            try:
                handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
                with os.fdopen(handle, "wb") as file:
                    file.write(self._mac(content) + content)
                os.replace(aside, self._path)
            finally:
                aside.unlink(missing_ok=True)

    def _mac(self, said: bytes) -> bytes:
        return hmac.new(self._key, said, hashlib.sha256).hexdigest().encode()
