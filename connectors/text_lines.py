"""Lines of a text file, in UTF-8 whatever its encoding, one after the other or in blocks."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

from connectors.decoding import Utf8Stream
from connectors.file_options import FileOptions
from connectors.opening import FileBytes, unreadable
from connectors.places import Place
from connectors.wrong_text import without_wrong_text
from sandbox.ingest.source import RawBatch

_BLOCK_LINES = 16_384
_BLOCK_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of an open file.

    Attributes:
        rest: those that were not read yet, each with its end.

    """

    rest: Iterator[bytes]
    _text: Utf8Stream
    _file: FileBytes

    @property
    def bytes_done(self) -> int:
        """Stored bytes that were read."""
        return self._file.consumed

    def blocks(self) -> Iterator[list[bytes]]:
        """The rest, some thousands at a time."""
        while block := list(self._block()):
            yield block

    def sound(self, batch: RawBatch) -> RawBatch:
        """The batch without records whose text is not sound, if there may be any."""
        return without_wrong_text(batch) if self._text.marked or self._text.nul else batch

    def _block(self) -> Iterator[bytes]:
        size = 0
        for line in islice(self.rest, _BLOCK_LINES):
            yield line
            size += len(line)
            if size >= _BLOCK_BYTES:
                return


@contextmanager
def lines_of(place: Place, options: FileOptions, what: str) -> Iterator[Lines]:
    """Open the lines of a file.

    Args:
        place: where it lies.
        options: how it is read.
        what: it should be, for a person whose file has a line that is too long.

    Raises on reading:
        SandboxError: SOURCE_UNREADABLE.

    """
    most = options.longest_record

    def line() -> bytes:
        found = reader.readline(most + 1)
        if len(found) > most:
            raise unreadable(
                f"{place.name} has a line longer than {most} bytes.",
                f"{what}; raise the option longest_record if it is right.",
            )
        return found

    file = FileBytes(place, options.expansion)
    with file, Utf8Stream(file, place.name, options) as text:
        reader = io.BufferedReader(text, 1 << 20)
        yield Lines(iter(line, b""), text, file)
