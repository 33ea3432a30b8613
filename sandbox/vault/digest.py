"""SHA-256 of files: while they are written, and again before they are read.

A digest that was right is remembered for the life of the process, per file *as it is* (device, inode,
size, time of content and of status change, to the nanosecond). So warm loads do not hash gigabytes
again; a file that was replaced, cut or rolled back has other marks and is hashed anew. Setting back the
time of status change takes the power to set the machine's clock.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer


class HashingFile(io.RawIOBase):
    """A file open for writing that hashes and counts what passes through it; who opened it closes it."""

    def __init__(self, file: io.BufferedWriter) -> None:
        super().__init__()
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: Buffer, /) -> int:
        """Write all of `data`."""
        view = memoryview(data)
        self._hash.update(view)
        self._file.write(view)
        self.size += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        """Bytes so far."""
        return self.size

    def hexdigest(self) -> str:
        """SHA-256 of what was written, in hex."""
        return self._hash.hexdigest()


class VerifiedFiles:
    """Digests seen to be right in this process."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[tuple[int, ...], str]] = {}
        self._guard = threading.Lock()

    def matches(self, path: str, file: io.FileIO, digest: str, size: int) -> bool:
        """Whether the open `file` has `size` bytes and the SHA-256 `digest` (hex)."""
        about = os.fstat(file.fileno())
        marks = (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
        if about.st_size != size:
            return False
        with self._guard:
            if self._seen.get(path) == (marks, digest):
                return True
        file.seek(0)
        found = hashlib.file_digest(file, "sha256").hexdigest()
        if not hmac.compare_digest(found, digest):
            return False
        with self._guard:
            self._seen[path] = (marks, digest)
        return True


VERIFIED = VerifiedFiles()
