"""JSON on its way to a parser that builds what it reads: refused where it nests deeper than anybody means.

A parser that keeps the path of each value needs memory with the square of the depth: a hundred thousand
brackets are gigabytes of paths. So brackets outside of strings are counted before it sees them.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from connectors.opening import unreadable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MOST_DEPTH = 100

_STEP = np.zeros(256, np.int32)
_STEP[list(b"[{")] = 1
_STEP[list(b"]}")] = -1


class Shallow(io.RawIOBase):
    """The same bytes; reading raises SandboxError SOURCE_UNREADABLE once they nest too deep.

    Args:
        stream: bytes of JSON in UTF-8.
        name: of the file.

    """

    def __init__(self, stream: io.RawIOBase, name: str) -> None:
        super().__init__()
        self._stream = stream
        self._name = name
        self._left = b""
        self._depth = 0
        self._in_string = False

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        """Fill the buffer; 0 at the end."""
        count: int | None = self._stream.readinto(buffer)
        if count:
            self._look(bytes(memoryview(buffer).cast("B")[:count]))
        return count

    def _look(self, chunk: bytes) -> None:
        chunk = self._left + chunk
        # What a backslash at the end escapes comes with the next bytes.
        odd = (len(chunk) - len(chunk.rstrip(b"\\"))) % 2
        chunk, self._left = (chunk[:-1], chunk[-1:]) if odd else (chunk, b"")
        if b"\\" in chunk:
            chunk = chunk.replace(b"\\\\", b"..").replace(b'\\"', b"..")
        letters = np.frombuffer(chunk, np.uint8)
        quotes = np.cumsum(letters == ord('"'), dtype=np.int32) + self._in_string
        depths = np.cumsum(np.where(quotes % 2, 0, _STEP[letters]), dtype=np.int64) + self._depth
        if depths.size:
            self._in_string, self._depth = bool(quotes[-1] % 2), int(depths[-1])
            if depths.max() > MOST_DEPTH:
                raise unreadable(
                    f"{self._name} nests deeper than {MOST_DEPTH} levels.",
                    "Check that this is the right file.",
                )
