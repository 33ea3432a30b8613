"""One event as a leaf of the log: canonical JSON (RFC 8785), bounded, without binary fractions.

A leaf reads `{v, seq, time, nonce, kind, actor: {id, organisation, roles, via}, facts, commitment?}`.

Rules
- `time` is RFC 3339, UTC, in whole seconds: the log holds no finer timing.
- `nonce` is 16 random bytes. A receipt shows hashes of other people's leaves; without the nonce its
  holder could guess a leaf's text and see the guess confirmed.
- `commitment` binds what a person wrote (SQL) without showing it: see `sealed.py`.
- A leaf has at most 65,535 bytes, the most that an entry of a tlog-tiles bundle can have.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import rfc8785

from sandbox.audit.event import Event, Fact
from sandbox.errors import ErrorCode, SandboxError

VERSION = 1
MOST_BYTES = 65_535
NONCE_BYTES = 16
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Entry:
    """One leaf, read back. `time` is aware (UTC); `commitment` is hex or None; `leaf` is what was hashed."""

    index: int
    time: datetime
    kind: str
    person: str
    organisation: str
    roles: tuple[str, ...]
    via: str
    facts: Mapping[str, Fact]
    commitment: str | None
    leaf: bytes


def encode(event: Event, seq: int, time: datetime, nonce: bytes, commitment: str | None) -> bytes:
    """The canonical bytes of an event at its place in the log.

    Raises:
        TypeError: a fact is not text, a whole number, a boolean, None, or a list or map of these.
        SandboxError: REQUEST_TOO_LARGE when the leaf would not fit an entry of a bundle;
            REQUEST_INVALID when a text is not valid Unicode.

    """
    actor = event.actor
    content: dict[str, Any] = {
        "v": VERSION,
        "seq": seq,
        "time": stamp(time),
        "nonce": nonce.hex(),
        "kind": event.kind.value,
        "actor": {
            "id": actor.id,
            "organisation": actor.person.organisation,
            "roles": sorted(role.value for role in actor.person.roles),
            "via": actor.via.value,
        },
        "facts": _plain(event.facts),
    }
    if commitment is not None:
        content["commitment"] = commitment
    try:
        leaf = rfc8785.dumps(content)
    except rfc8785.IntegerDomainError:
        raise TypeError("a whole number among the facts is larger than JSON can carry exactly") from None
    except ValueError:
        raise invalid_text() from None
    if len(leaf) > MOST_BYTES:
        raise SandboxError(
            ErrorCode.REQUEST_TOO_LARGE,
            f"The log entry of this act would be longer than {MOST_BYTES:,} bytes.",
            "Shorten the question or the names in it; nothing was done.",
        )
    return leaf


def decode(index: int, leaf: bytes) -> Entry:
    """Read a leaf back.

    Raises:
        SandboxError: LOG_CORRUPT when it is not a leaf that this log wrote.

    """
    try:
        content = json.loads(leaf.decode())
        actor = content["actor"]
        return Entry(
            index=index,
            time=_time(content["time"]),
            kind=content["kind"],
            person=actor["id"],
            organisation=actor["organisation"],
            roles=tuple(actor["roles"]),
            via=actor["via"],
            facts=content["facts"],
            commitment=content.get("commitment"),
            leaf=leaf,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise corrupt(f"entry {index} is not a log entry") from None


def written_bytes(value: object) -> bytes:
    """What this log wrote into a column of bytes; SQLite would let others put anything there.

    Raises:
        SandboxError: LOG_CORRUPT when it is something else.

    """
    if not isinstance(value, bytes):
        raise corrupt("a value has another type than the one written")
    return value


def stamp(time: datetime) -> str:
    """An aware time as RFC 3339 in UTC, cut to whole seconds."""
    return time.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def _time(text: str) -> datetime:
    """The inverse of `stamp`.

    Raises:
        ValueError: it is not what `stamp` makes.

    """
    time = datetime.fromisoformat(text)
    if time.isoformat() != f"{text[:-1]}+00:00":
        raise ValueError
    return time


_EVIDENCE = "Stop the service, keep a copy of the store as evidence, and restore the newest backup."


def corrupt(what: str) -> SandboxError:
    """The error of a log that does not fit itself."""
    return SandboxError(
        ErrorCode.LOG_CORRUPT, f"The log in the store was changed from outside: {what}.", _EVIDENCE
    )


def altered(message: str) -> SandboxError:
    """The error of a store that is not what its log says; `message` tells what of it."""
    return SandboxError(ErrorCode.STORAGE_CORRUPT, message, _EVIDENCE)


def invalid_text() -> SandboxError:
    """The error of text that has no UTF-8 form (lone surrogates)."""
    return SandboxError(
        ErrorCode.REQUEST_INVALID,
        "A text in this request is not valid Unicode.",
        "Write it again as UTF-8 without surrogate escapes.",
    )


def _plain(value: object) -> Fact:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("a map among the facts has a key that is not text")
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    raise TypeError(f"a fact is a {type(value).__name__}, which the log does not keep")
