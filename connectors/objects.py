"""S3 and stores that speak its protocol: files under a prefix, or those that a pattern matches."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from connectors.database import is_loopback
from connectors.file_options import file_options
from connectors.file_source import FilesSource, parts_of
from connectors.opening import unreadable
from connectors.options import Options, wrong
from connectors.places import with_suffix
from connectors.secret import Secret
from sandbox.ingest.source import Option, Source

_BUFFER = 8 << 20
_ATTEMPTS = 5
_MAGIC = re.compile(r"[*?]")


class S3Connector:
    """The connector `s3`."""

    def open(self, location: str, options: Mapping[str, Option]) -> Source:
        """Open `s3://bucket/prefix/` (all files below it) or `s3://bucket/pattern` (`*`, `?`, `**`).

        Raises:
            SandboxError: ARGUMENT, SOURCE_UNREADABLE.

        """
        given = Options("s3", options)
        store = _store(given)
        read = file_options(given)
        given.done()
        path = location.removeprefix("s3://")
        if not location.startswith("s3://") or not path.partition("/")[0] or "@" in path.partition("/")[0]:
            raise wrong("This is not the place of a file in S3.", "As in: s3://bucket/prefix/")
        places = _found(store, path)
        return FilesSource(path.rstrip("/").rpartition("/")[2], location, parts_of(places, read))


class StoredObject:
    """One object of a bucket."""

    def __init__(self, store: fs.FileSystem, info: fs.FileInfo) -> None:
        self._store = store
        self.origin = None
        self.path: str = info.path
        self.name: str = info.base_name
        self.size: int | None = info.size
        self.length: int | None = info.size

    def stream(self) -> BinaryIO:
        """Its bytes from the start: by ranges, each tried again when it breaks off."""
        return cast("BinaryIO", io.BufferedReader(cast("io.RawIOBase", self._open()), _BUFFER))

    def random(self) -> BinaryIO:
        """Its bytes with random access."""
        return cast("BinaryIO", self._open())

    def sibling(self, suffix: str) -> StoredObject | None:
        """The object beside it with another ending."""
        for path in (with_suffix(self.path, suffix), with_suffix(self.path, suffix.upper())):
            with _spoken(self.path):
                info = self._store.get_file_info(path)
            if info.is_file:
                return StoredObject(self._store, info)
        return None

    def _open(self) -> pa.NativeFile:
        with _spoken(self.path):
            return self._store.open_input_file(self.path)


def _store(options: Options) -> fs.FileSystem:
    endpoint = options.text("endpoint")
    keys = {name: options.secret(name) for name in ("access_key", "secret_key", "session_token")}
    anonymous = options.flag("anonymous", False)
    region = options.text("region", "us-east-1")
    ca = options.text("ca")
    if anonymous == (keys["access_key"] is not None) or (keys["access_key"] is None) != (
        keys["secret_key"] is None
    ):
        raise wrong(
            "S3 needs the options access_key and secret_key, or anonymous: true.",
            "Both are references: env:NAME or file:PATH.",
        )
    url = urlsplit(endpoint or "https://")
    if url.scheme not in ("http", "https") or url.path.strip("/") or url.username:
        raise wrong("The option endpoint is no URL of a server.", "As in: https://minio.example:9000")
    if url.scheme == "http" and not is_loopback(url.hostname or ""):
        raise wrong("Plain HTTP is for this machine only.", "Use an endpoint with https://.")
    # pyarrow's stubs lag behind its arguments.
    make: Any = fs.S3FileSystem
    made: fs.FileSystem = make(
        **{name: secret.reveal() for name, secret in keys.items() if isinstance(secret, Secret)},
        anonymous=anonymous,
        region=region,
        scheme=url.scheme,
        endpoint_override=url.netloc or None,
        tls_ca_file_path=ca or None,
        connect_timeout=10,
        request_timeout=30,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
    )
    return made


def _found(store: fs.FileSystem, path: str) -> list[StoredObject]:
    magic = _MAGIC.search(path)
    base = path[: magic.start()].rpartition("/")[0] if magic else path.rstrip("/")
    with _spoken(path):
        alone = None if magic else store.get_file_info(base)
        if alone is not None and alone.is_file:
            return [StoredObject(store, alone)]
        listed = store.get_file_info(fs.FileSelector(base, recursive=True, allow_not_found=True))
    pattern = _pattern(path) if magic else None
    found = sorted(
        (
            info
            for info in listed
            if info.is_file and _is_data(info, base) and (not pattern or pattern.fullmatch(info.path))
        ),
        key=lambda info: info.path,
    )
    if not found:
        raise unreadable(f"Nothing in the store matches s3://{path}.", "Check bucket, prefix and pattern.")
    return [StoredObject(store, info) for info in found]


def _is_data(info: fs.FileInfo, base: str) -> bool:
    inner = info.path[len(base) :].split("/")
    return bool(info.size) and not any(part.startswith((".", "_")) for part in inner)


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/?|\*|\?)", path)
    said = {"**": ".*", "**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(said.get(part, re.escape(part)) for part in parts))


@contextmanager
def _spoken(path: str) -> Iterator[None]:
    """The store's own errors could repeat what was sent to it."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        text = str(error)
        if "ACCESS_DENIED" in text or "INVALID_ACCESS_KEY" in text or "SIGNATURE" in text:
            raise unreadable(
                f"The store refused to show s3://{path}.", "Check the keys and their rights."
            ) from None
        raise unreadable(
            f"s3://{path} could not be read.", "Check endpoint, region, certificate (ca) and bucket."
        ) from None
