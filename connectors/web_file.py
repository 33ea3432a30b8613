"""Files fetched over HTTP, read like files of this machine."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, cast
from urllib.parse import unquote

from connectors.fetching import Fetcher, Fetching, fetching, shown, url_of
from connectors.file_options import file_options
from connectors.file_source import FilesSource, parts_of
from connectors.options import Options
from sandbox.ingest.source import Option, Source

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MOST_IN_MEMORY = 1 << 30
"""Bytes of a file that are held in memory where its format needs random access."""


class HttpConnector:
    """The connectors `http` and `https`."""

    def open(self, location: str, options: Mapping[str, Option]) -> Source:
        """Open a file at a URL; fetches when it is read.

        Raises:
            SandboxError: ARGUMENT, SOURCE_UNREADABLE.

        """
        given = Options("http", options)
        how, read = fetching(given), file_options(given)
        given.done()
        place = WebFile(location, how)
        return FilesSource(place.name, shown(location), parts_of([place], read))


class WebFile:
    """A file at a URL.

    Args:
        location: its URL.
        how: it is fetched.
        headers: to send.

    """

    def __init__(self, location: str, how: Fetching, headers: Mapping[str, str] | None = None) -> None:
        url = url_of(location)
        self.path = unquote(url.path)
        self.name = PurePosixPath(self.path).name or url.host
        self.origin = None
        self.size: int | None = None
        self.length: int | None = None
        self._location = location
        self._how = how
        self._headers = dict(headers or {})
        self._held: bytes | None = None

    def stream(self) -> BinaryIO:
        """Its bytes from the start."""
        if self._held is not None:
            return io.BytesIO(self._held)
        return cast("BinaryIO", WebStream(Fetcher(self._location, self._how), self._location, self._headers))

    def random(self) -> BinaryIO:
        """Its bytes, fetched into memory once."""
        if self._held is None:
            fetcher = Fetcher(self._location, self._how)
            try:
                self._held = fetcher.body(self._location, self._headers, most=MOST_IN_MEMORY)
            finally:
                fetcher.close()
        return io.BytesIO(self._held)

    def sibling(self, _suffix: str) -> None:
        """A URL has no siblings."""
        return


class WebStream(io.RawIOBase):
    """A body as a stream."""

    def __init__(self, fetcher: Fetcher, location: str, headers: Mapping[str, str]) -> None:
        super().__init__()
        self._fetcher = fetcher
        self._chunks: Iterator[bytes] = fetcher.chunks(location, headers)
        self._waiting = memoryview(b"")
        self._done = 0

    def readable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Bytes given so far."""
        return self._done

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill the buffer with what is there; 0 at the end."""
        room = memoryview(buffer).cast("B")
        while not self._waiting:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._waiting = memoryview(chunk)
        count = min(len(room), len(self._waiting))
        room[:count] = self._waiting[:count]
        self._waiting = self._waiting[count:]
        self._done += count
        return count

    def close(self) -> None:
        """End the transfer."""
        if not self.closed:
            self._chunks.close()  # type: ignore[attr-defined]
            self._fetcher.close()
        super().close()
