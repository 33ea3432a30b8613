r"""Any declared encoding to UTF-8, as a stream, without ever guessing.

Rules
- The declared encoding counts. Without one a byte order mark counts, and without that strict UTF-8.
- Undeclared text with a wrong byte is an error that names its line and byte: nothing said what it is.
- In declared text wrong bytes become the noncharacter U+FDD0 followed by `\xNN`, so that their
  records can be told from the others and quarantined; `marked` says that this has happened.
- Declared text that reads as another encoding's is asked about, unless the encoding is said to be certain.
- Where the first lines end in CR alone, CR ends all lines.
"""

from __future__ import annotations

import codecs
import io
from typing import TYPE_CHECKING

import numpy as np

from connectors.file_options import FileOptions
from connectors.opening import unreadable
from connectors.plausible import Plausibility, advice, judged

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MARK = "\ufdd0"
_HANDLER = "sandbox-mark"
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wrong = error.object[error.start : error.end]
    return MARK + "".join(f"\\x{byte:02x}" for byte in wrong), error.end


codecs.register_error(_HANDLER, _mark)


def _count(chunk: bytes, byte: bytes) -> int:
    # Four times as fast as bytes.count, which stops at each one.
    return int(np.count_nonzero(np.frombuffer(chunk, np.uint8) == ord(byte)))


class Utf8Stream(io.RawIOBase):
    """Bytes in a declared (or undeclared) encoding, read as UTF-8 without a byte order mark.

    Attributes:
        marked: a wrong byte was marked so far.
        nul: a NUL character was seen so far.

    """

    def __init__(self, raw: io.RawIOBase, name: str, options: FileOptions) -> None:
        super().__init__()
        self._raw = io.BufferedReader(raw, 1 << 20)
        self._name = name
        self.marked = False
        self.nul = False
        self._waiting = memoryview(b"")
        self._offset = 0
        self._line = 1
        self._ended = False
        self._cr_ends_lines: bool | None = None
        self._encoding, self._strict = self._settle(options.encoding)
        self._decoder = codecs.getincrementaldecoder(self._encoding)(_HANDLER)
        self._plausibility = None
        # A byte order mark answers for itself, and undeclared text is strict UTF-8.
        if not (self._offset or self._strict or options.encoding_is_certain) and judged(self._encoding):
            self._plausibility = Plausibility(name, self._encoding)

    def _settle(self, declared: str | None) -> tuple[str, bool]:
        head = self._raw.peek(4)[:4]
        found = next(((bom, name) for bom, name in _BOMS if head.startswith(bom)), None)
        if found is None:
            if declared in ("utf-16", "utf-32"):
                raise unreadable(
                    f"{self._name} is declared {declared} but has no byte order mark.",
                    f"Declare {declared}-le or {declared}-be.",
                )
            return declared or "utf-8", declared is None
        bom, name = found
        if declared is not None and not name.startswith(declared):
            # FF FE at the start of GBK or Latin text is possible, a UTF-8 mark by chance is not.
            if name == "utf-8":
                raise unreadable(
                    f"{self._name} is declared {declared} but begins with the byte order mark of UTF-8.",
                    "Leave the encoding out, or declare utf-8.",
                )
            return declared, False
        self._raw.read(len(bom))
        self._offset = len(bom)
        return name, declared is None and name == "utf-8"

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill the buffer with UTF-8, never more than fits; 0 at the end."""
        room = memoryview(buffer).cast("B")
        while not self._waiting and not self._ended:
            chunk = self._raw.read(len(room))
            self._ended = not chunk
            decoded = self._utf8(chunk) if self._encoding == "utf-8" else self._other(chunk)
            self.nul = self.nul or b"\0" in decoded
            if self._cr_ends_lines is None and decoded:
                self._cr_ends_lines = b"\r" in decoded and b"\n" not in decoded
            if self._cr_ends_lines:
                decoded = decoded.replace(b"\r", b"\n")
            self._waiting = memoryview(decoded)
        count = min(len(room), len(self._waiting))
        room[:count] = self._waiting[:count]
        self._waiting = self._waiting[count:]
        return count

    def _other(self, chunk: bytes) -> bytes:
        self._look(chunk)
        text = self._decoder.decode(chunk, final=self._ended)
        self.marked = self.marked or MARK in text
        return text.encode("utf-8")

    def _look(self, chunk: bytes) -> None:
        if self._plausibility is None or self._plausibility.satisfied:
            return
        if not chunk.isascii() or b"\0" in chunk:
            self._plausibility.look(chunk)

    def _utf8(self, chunk: bytes) -> bytes:
        self._look(chunk)
        cut = self._decoder.getstate()[0]
        if not cut and chunk.isascii():
            self._advance(chunk)
            return chunk
        text = self._decoder.decode(chunk, final=self._ended)
        if MARK in text:
            self._check(cut + chunk, len(cut))
        self._advance(chunk)
        return text.encode("utf-8")

    def _check(self, chunk: bytes, counted: int) -> None:
        """Tell a wrong byte from a U+FDD0 that the file itself holds."""
        try:
            codecs.utf_8_decode(chunk, "strict", self._ended)
        except UnicodeDecodeError as error:
            if not self._strict:
                self.marked = True
                return
            line = self._line + (chunk.count(b"\n", 0, error.start) or chunk.count(b"\r", 0, error.start))
            better = advice(chunk)
            reads = f"As {better} it reads well: ask the publisher. " if better else ""
            raise unreadable(
                f"{self._name}, line {line}: byte {self._offset - counted + error.start} is not UTF-8, "
                "and no encoding is declared.",
                f"{reads}Declare the encoding (gb18030, big5, cp932, …); "
                "declared utf-8 quarantines such records.",
            ) from None

    def _advance(self, chunk: bytes) -> None:
        if self._strict:
            self._line += _count(chunk, b"\n") or _count(chunk, b"\r")
            self._offset += len(chunk)

    def close(self) -> None:
        """Close the file below."""
        self._raw.close()
        super().close()
