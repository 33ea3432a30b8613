"""S3 and stores that speak its protocol: files under a prefix, or those that a pattern matches."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore import UNSIGNED
from botocore.config import Config

from connectors.database import is_loopback
from connectors.file_options import file_options
from connectors.file_source import FilesSource, parts_of
from connectors.opening import unreadable
from connectors.options import Options, wrong
from connectors.secret import Secret
from connectors.stored_object import StoredObject, follow_no_redirect, object_at, spoken
from sandbox.ingest.source import Option, Source

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


def _store(options: Options) -> Any:
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
    known = {name: secret.reveal() for name, secret in keys.items() if isinstance(secret, Secret)}
    store = boto3.client(
        "s3",
        aws_access_key_id=known.get("access_key"),
        aws_secret_access_key=known.get("secret_key"),
        aws_session_token=known.get("session_token"),
        region_name=region,
        endpoint_url=endpoint.rstrip("/") or None,
        verify=ca or True,
        config=Config(
            signature_version=UNSIGNED if anonymous else "s3v4",
            # No proxy of the environment, and a store of one's own has one name for all buckets.
            proxies={},
            s3={"addressing_style": "path" if endpoint else "auto"},
            connect_timeout=10,
            read_timeout=30,
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        ),
    )
    follow_no_redirect(store)
    return store


def _found(store: Any, path: str) -> list[StoredObject]:
    magic = _MAGIC.search(path)
    bucket, _, key = path.partition("/")
    if not magic and (alone := object_at(store, bucket, key)) is not None:
        return [alone]
    base = key[: _MAGIC.search(key).start()].rpartition("/")[0] if magic else key.rstrip("/")  # type: ignore[union-attr]
    pattern = _pattern(key) if magic else None
    found = []
    with spoken(path):
        pages = store.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=f"{base}/" if base else ""
        )
        for page in pages:
            found += [
                StoredObject(store, bucket, one["Key"], one["Size"], one["ETag"])
                for one in page.get("Contents", ())
                if _is_data(one, base) and (not pattern or pattern.fullmatch(one["Key"]))
            ]
    if not found:
        raise unreadable(f"Nothing in the store matches s3://{path}.", "Check bucket, prefix and pattern.")
    return sorted(found, key=lambda one: one.path)


def _is_data(listed: Any, base: str) -> bool:
    inner = listed["Key"][len(base) :].split("/")
    return bool(listed["Size"]) and not any(part.startswith((".", "_")) for part in inner)


def _pattern(key: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/?|\*|\?)", key)
    said = {"**": ".*", "**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(said.get(part, re.escape(part)) for part in parts))
