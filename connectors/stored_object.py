"""One object of an S3 store, read by ranges: each is asked for again when it breaks off.

Rules
- Every range is of the version that was listed (`If-Match`): one that is replaced meanwhile ends the reading.
- No redirect is followed, wherever it leads: a store must not send the sandbox to machines behind it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from botocore.exceptions import BotoCoreError, ClientError

from connectors.opening import unreadable
from connectors.places import with_suffix

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BUFFER = 8 << 20
_ATTEMPTS = 5
_REFUSED = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403", "401")
_CHANGED = ("PreconditionFailed", "412")


class StoredObject:
    """One object of a bucket.

    Args:
        store: a botocore client.
        bucket: its name.
        key: of the object.
        size: bytes.
        tag: what names the version of its bytes (ETag).

    """

    def __init__(self, store: Any, bucket: str, key: str, size: int, tag: str) -> None:
        self._store, self._bucket, self._key, self._tag = store, bucket, key, tag
        self.origin = None
        self.path = f"{bucket}/{key}"
        self.name = key.rpartition("/")[2]
        self.size: int | None = size
        self.length: int | None = size

    def stream(self) -> BinaryIO:
        """Its bytes from the start."""
        return self.random()

    def random(self) -> BinaryIO:
        """Its bytes with random access."""
        raw = _Ranges(self._store, self._bucket, self._key, self.size or 0, self._tag)
        return cast("BinaryIO", io.BufferedReader(raw, _BUFFER))

    def sibling(self, suffix: str) -> StoredObject | None:
        """The object beside it with another ending."""
        for ending in (suffix, suffix.upper()):
            found = object_at(self._store, self._bucket, with_suffix(self._key, ending))
            if found is not None:
                return found
        return None


def object_at(store: Any, bucket: str, key: str) -> StoredObject | None:
    """The object of this key; None if there is none.

    Raises:
        SandboxError: SOURCE_UNREADABLE.

    """
    if not key:
        return None
    with spoken(f"{bucket}/{key}"):
        try:
            head = store.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise
    return StoredObject(store, bucket, key, head["ContentLength"], head["ETag"])


class _Ranges(io.RawIOBase):
    """Bytes of one object; `tell` is where the next are read from."""

    def __init__(self, store: Any, bucket: str, key: str, size: int, tag: str) -> None:
        super().__init__()
        self._store, self._size = store, size
        self._wanted = {"Bucket": bucket, "Key": key, "IfMatch": tag}
        self._place = f"{bucket}/{key}"
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        count = min(len(view), self._size - self._at)
        if count <= 0:
            return 0
        view[:count] = self._range(self._at, count)
        self._at += count
        return count

    def _range(self, start: int, count: int) -> bytes:
        asked = {**self._wanted, "Range": f"bytes={start}-{start + count - 1}"}
        for _ in range(_ATTEMPTS):
            with spoken(self._place):
                answer = self._store.get_object(**asked)
                try:
                    # One more than was asked for: who sends more than that is not read on.
                    body: bytes = answer["Body"].read(count + 1)
                except (BotoCoreError, OSError):
                    continue  # it broke off within the body, which the library does not try again
            if len(body) == count:
                return body
        raise unreadable(f"s3://{self._place} breaks off again and again.", "Try again later.")


def follow_no_redirect(store: Any) -> None:
    """Make every redirect of a botocore client an error; else it would look for the bucket's region."""

    def refuse(response: Any, **_: object) -> None:
        if response is not None and 300 <= response[0].status_code < 400:
            raise unreadable(
                "The store sends the sandbox elsewhere; such redirects are not followed.",
                "Name the endpoint, and the region, that hold the bucket.",
            )

    store.meta.events.register_first("needs-retry.s3", refuse)


@contextmanager
def spoken(path: str) -> Iterator[None]:
    """The store's own errors could repeat what was sent to it."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _REFUSED:
            raise unreadable(
                f"The store refused to show s3://{path}.", "Check the keys and their rights."
            ) from None
        if code in _CHANGED:
            raise unreadable(f"s3://{path} changed while it was read.", "Load it again.") from None
        raise _not_read(path) from None
    except (BotoCoreError, OSError, KeyError):
        raise _not_read(path) from None


def _not_read(path: str) -> Exception:
    return unreadable(
        f"s3://{path} could not be read.", "Check endpoint, region, certificate (ca) and bucket."
    )
