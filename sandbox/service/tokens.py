"""Bearer tokens of the API: shown once, stored as SHA-256, with a role and an expiry.

Rules
- A token is 32 random bytes, so a plain digest of it cannot be guessed back: no salt, no stretching.
- A token carries one role of one person. If the published people take that role away, it opens nothing.
- Making and revoking a token commits together with its event.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, String, Table, select, update
from sqlalchemy.engine import Row

from sandbox.audit.digest import tables_digest
from sandbox.audit.event import EventKind
from sandbox.audit.leaf import Entry, altered
from sandbox.audit.store import Store, metadata
from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Role
from sandbox.service.reports import NewToken, TokenCard

PREFIX = "sbx_"

_table = Table(
    "service_token",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("person", String(128), nullable=False),
    Column("role", String(16), nullable=False),
    Column("created", String(32), nullable=False),
    Column("expires", String(32), nullable=False),
    Column("revoked", String(32), nullable=True),
)


def draw(person: str, role: Role, expires: datetime) -> NewToken:
    """A new token, not kept yet. `expires` is aware."""
    return NewToken(
        id=secrets.token_hex(6),
        secret=PREFIX + secrets.token_urlsafe(32),
        person=person,
        role=role,
        expires=expires,
    )


def digest_of(token: NewToken) -> str:
    """SHA-256 of its secret, in hex."""
    return _digest(token.secret)


def keep(connection: Connection, token: NewToken, now: datetime) -> None:
    """Store the digest of a token; its secret exists nowhere else."""
    connection.execute(
        _table.insert().values(
            id=token.id,
            digest=_digest(token.secret),
            person=token.person,
            role=token.role.value,
            created=now.isoformat(timespec="seconds"),
            expires=token.expires.isoformat(timespec="seconds"),
        )
    )


def find(connection: Connection, secret: str, now: datetime) -> TokenCard:
    """The live token with this secret.

    Raises:
        SandboxError: TOKEN_INVALID for an unknown, expired or revoked token (one text for all three).

    """
    row = connection.execute(select(_table).where(_table.c.digest == _digest(secret))).one_or_none()
    card = None if row is None else _card(row)
    if card is None or card.revoked or card.expires <= now:
        raise invalid_token()
    return card


def live(connection: Connection, token: str) -> TokenCard:
    """The token of this id, if it is not revoked.

    Raises:
        SandboxError: NOT_FOUND.

    """
    row = connection.execute(select(_table).where(_table.c.id == token)).one_or_none()
    if row is None or row.revoked is not None:
        raise SandboxError(
            ErrorCode.NOT_FOUND, "No live token has this id.", "See the ids with `sandbox token list`."
        )
    return _card(row)


def revoke(connection: Connection, token: str, now: datetime) -> TokenCard:
    """Close a token for good.

    Raises:
        SandboxError: NOT_FOUND.

    """
    live(connection, token)
    stamp = now.isoformat(timespec="seconds")
    connection.execute(update(_table).where(_table.c.id == token).values(revoked=stamp))
    return _card(connection.execute(select(_table).where(_table.c.id == token)).one())


def every(connection: Connection) -> tuple[TokenCard, ...]:
    """All tokens, oldest first, without secrets."""
    rows = connection.execute(select(_table).order_by(_table.c.created, _table.c.id))
    return tuple(_card(row) for row in rows)


def invalid_token() -> SandboxError:
    """The one refusal of a token: it does not say whether the token ever existed."""
    return SandboxError(
        ErrorCode.TOKEN_INVALID,
        "The bearer token is unknown, expired or revoked, or its person no longer has its role.",
        "Ask the operator for a new one (`sandbox token create`).",
    )


class TokensProof:
    """Takes the proved entries of its kinds, one by one; then `check`: tokens are those that they say."""

    kinds = frozenset({EventKind.TOKEN_CREATED.value, EventKind.TOKEN_REVOKED.value})

    def __init__(self, store: Store) -> None:
        self._store = store
        self._said: dict[str, tuple[str, str, str, str | None]] = {}
        self._revoked: set[str] = set()

    def take(self, entry: Entry) -> None:
        """Take the next entry."""
        facts: Mapping[str, Any] = entry.facts
        if entry.kind == EventKind.TOKEN_CREATED.value:
            expires = datetime.fromisoformat(facts["expires"]).isoformat(timespec="seconds")
            self._said[facts["token"]] = facts["person"], facts["role"], expires, facts.get("digest")
        else:
            self._revoked.add(facts["token"])

    def digest(self) -> str:
        """Of all tokens.

        Raises:
            SandboxError: STORAGE_CORRUPT when they are not found as they lie there.
            ValueError: a value that was not written here.

        """
        with self._store.read() as connection:
            return tables_digest(connection, (_table,))

    def check(self) -> None:
        """Compare.

        Raises:
            SandboxError: STORAGE_CORRUPT.
            ValueError, TypeError: a time is none.

        """
        with self._store.read() as connection:
            rows = connection.execute(select(_table)).all()
        for row in rows:
            _card(row)
            if row.revoked is not None:
                datetime.fromisoformat(row.revoked)
        kept = {row.id: (row.person, row.role, row.expires, self._digest(row)) for row in rows}
        if kept != self._said or {row.id for row in rows if row.revoked is not None} != self._revoked:
            raise altered("The tokens in the store are not those that the log says.")

    def _digest(self, row: Row[Any]) -> str | None:
        # Entries that older releases wrote name none.
        return row.digest if row.id not in self._said or self._said[row.id][3] is not None else None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _card(row: Row[tuple[str | None, ...]]) -> TokenCard:
    return TokenCard(
        id=row.id,
        person=row.person,
        role=Role(row.role),
        created=datetime.fromisoformat(row.created),
        expires=datetime.fromisoformat(row.expires),
        revoked=row.revoked is not None,
    )
