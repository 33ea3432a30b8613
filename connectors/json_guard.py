r"""JSON on its way to a parser that builds what it reads: refused where that would do harm, or mislead.

Rules
- It keeps the path of each value, and needs memory with the square of the depth: a hundred thousand brackets
  are gigabytes of paths. So brackets outside of strings are counted before it sees them.
- It dies of an integer with more digits than Python converts (4,300), and with it the process. So no number
  has more than a thousand characters.
- It turns half of a surrogate pair (`\ud800` alone) into a question mark without a word.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from connectors.opening import unreadable
from sandbox.errors import SandboxError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MOST_DEPTH = 100
LONGEST_NUMBER = 1000

_STEP = np.zeros(256, np.int32)
_STEP[list(b"[{")] = 1
_STEP[list(b"]}")] = -1
_IN_NUMBER = np.zeros(256, bool)
_IN_NUMBER[list(b"+-.0123456789Ee")] = True
_HIGH = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}")
_LOW = re.compile(rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_ESCAPE = 6


class GuardedJson(io.RawIOBase):
    """The same bytes; reading raises SandboxError SOURCE_UNREADABLE before the parser meets what harms it.

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
        self._digits = 0
        self._escapes = b""

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
        if not chunk:
            return
        if b"\\" in chunk:
            chunk = chunk.replace(b"\\\\", b"..").replace(b'\\"', b"..")
        if b"\\" in chunk or self._escapes:
            self._pairs(self._escapes + chunk)
        letters = np.frombuffer(chunk, np.uint8)
        quotes = np.cumsum(letters == ord('"'), dtype=np.int32) + self._in_string
        outside = quotes % 2 == 0
        depths = np.cumsum(np.where(outside, _STEP[letters], 0), dtype=np.int64) + self._depth
        self._in_string, self._depth = bool(quotes[-1] % 2), int(depths[-1])
        if depths.max() > MOST_DEPTH:
            raise self._refused(
                f"nests deeper than {MOST_DEPTH} levels", "Check that this is the right file."
            )
        self._numbers(_IN_NUMBER[letters] & outside)

    def _numbers(self, within: npt.NDArray[np.bool_]) -> None:
        ends: Any = np.flatnonzero(~within)
        # Where the bytes between two ends are those of numbers; a number may have begun in the bytes before.
        ends = np.concatenate(([-1 - self._digits], ends, [len(within)]))
        self._digits = int(ends[-1] - ends[-2] - 1)
        if int(np.diff(ends).max()) - 1 > LONGEST_NUMBER:
            raise self._refused(
                f"has a number of more than {LONGEST_NUMBER} characters", "Write it as a text at the source."
            )

    def _pairs(self, chunk: bytes) -> None:
        self._escapes = b""
        for found in _HIGH.finditer(chunk):
            after = chunk[found.end() : found.end() + _ESCAPE]
            if len(after) < _ESCAPE and (b"\\u" + after[2:]).startswith(after or b"\\"):
                self._escapes = chunk[found.start() :]
            elif not _LOW.fullmatch(after):
                raise self._refused("holds half of a surrogate pair, which is no text", "Correct the source.")
        if not self._escapes:
            # An escape may be torn between these bytes and the next.
            start = chunk.rfind(b"\\", max(0, len(chunk) - _ESCAPE + 1))
            self._escapes = chunk[start:] if start >= 0 else b""

    def _refused(self, what: str, hint: str) -> SandboxError:
        return unreadable(f"{self._name} {what}.", hint)
