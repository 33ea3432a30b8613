"""Rows that do not fit into memory, on disk for a moment: encrypted, nameless, gone with the process.

The file has no name (`O_TMPFILE`, or unlinked at once), so a killed load leaves nothing. Its key is drawn
for this one spill and lives in memory only. Each frame is an Arrow IPC stream under AES-256-GCM; its
nonce is its number, which is never used twice under a key.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sandbox.vault.durable import writing

_PLACE = "the rows of the load"


class Spill:
    """Frames of record batches in numbered buckets. A context manager.

    Args:
        folder: on whose disk the file lies.

    Raises:
        SandboxError: STORAGE_FULL, STORAGE_UNWRITABLE.

    """

    def __init__(self, folder: Path) -> None:
        with writing(_PLACE):
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - closed in __exit__
        self._cipher = AESGCM(AESGCM.generate_key(256))
        self._frames: dict[int, list[tuple[int, int, int]]] = {}
        self._count = 0
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, bucket: int, rows: list[pa.RecordBatch]) -> None:
        """Write rows to a bucket, as one frame.

        Raises:
            SandboxError: STORAGE_FULL, STORAGE_UNWRITABLE.

        """
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, rows[0].schema) as stream:
            for batch in rows:
                stream.write_batch(batch)
        sealed = self._cipher.encrypt(self._nonce(self._count), memoryview(sink.getvalue()).cast("B"), None)
        with writing(_PLACE):
            rest = memoryview(sealed)
            while rest:
                rest = rest[self._file.write(rest) :]
        self._frames.setdefault(bucket, []).append((self._count, self._end, len(sealed)))
        self._count += 1
        self._end += len(sealed)

    def read(self, bucket: int) -> Iterator[pa.RecordBatch]:
        """The rows of a bucket, in the order in which they came.

        Raises:
            SandboxError: STORAGE_UNWRITABLE if the disk does not give them back.

        """
        for number, start, length in self._frames.get(bucket, ()):
            with writing(_PLACE):
                sealed = os.pread(self._file.fileno(), length, start)
            plain = self._cipher.decrypt(self._nonce(number), sealed, None)
            with pa.ipc.open_stream(plain) as stream:
                yield from stream

    @staticmethod
    def _nonce(number: int) -> bytes:
        return number.to_bytes(12, "big")
