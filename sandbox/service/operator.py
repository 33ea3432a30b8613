"""What an operator does: rotate keys, hand out tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sandbox.audit.event import Event, EventKind
from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Actor, Role
from sandbox.service import tokens
from sandbox.service.home import Home, need
from sandbox.service.reports import NewToken, TokenCard
from sandbox.vault import rotate

LONGEST_DAYS = 366


def create_token(home: Home, actor: Actor, person: str, role: Role, days: int = 30) -> NewToken:
    """Make a bearer token with one role of one person.

    Raises:
        SandboxError: ROLE_REFUSED (the actor is no operator, or the person does not have the role),
            PERSON_UNKNOWN, ARGUMENT (days out of range).

    """
    need(actor, Role.OPERATOR, "Making a token")
    if not 1 <= days <= LONGEST_DAYS:
        raise SandboxError(
            ErrorCode.ARGUMENT,
            "The life of a token is out of range.",
            f"Give --days from 1 to {LONGEST_DAYS}.",
        )
    known = home.registry.snapshot().person(person)
    if role not in known.roles:
        raise SandboxError(
            ErrorCode.ROLE_REFUSED,
            f"{person} does not have the role {role.value}.",
            "A token carries a role that people.yaml gives its person.",
        )
    now = datetime.now(UTC).replace(microsecond=0)
    token = tokens.draw(person, role, now + timedelta(days=days))
    facts = {
        "token": token.id,
        "person": person,
        "role": role.value,
        "expires": token.expires.isoformat(),
    }
    with home.store.write(Event(EventKind.TOKEN_CREATED, actor, facts)) as written:
        tokens.keep(written.connection, token, now)
    return token


def list_tokens(home: Home, actor: Actor) -> tuple[TokenCard, ...]:
    """All tokens, oldest first, without secrets.

    Raises:
        SandboxError: ROLE_REFUSED.

    """
    need(actor, Role.OPERATOR, "Listing tokens")
    with home.store.read() as connection:
        return tokens.every(connection)


def revoke_token(home: Home, actor: Actor, token: str) -> TokenCard:
    """Close a token for good.

    Raises:
        SandboxError: ROLE_REFUSED; NOT_FOUND when no live token has this id.

    """
    need(actor, Role.OPERATOR, "Revoking a token")
    now = datetime.now(UTC)
    with home.store.read() as connection:
        known = tokens.live(connection, token)
    with home.store.write(Event(EventKind.TOKEN_REVOKED, actor, {"token": known.id})) as written:
        return tokens.revoke(written.connection, known.id, now)


def rotate_keys(home: Home, actor: Actor, new_passphrase: str | None = None) -> rotate.Rotation:
    """A new master key, and every key wrapped anew; the old ones open nothing. No data is rewritten.

    The rotation is logged in the transaction that encloses it: a store that cannot be written stops it.

    Raises:
        SandboxError: ROLE_REFUSED, SERVICE_BUSY, STORAGE_CORRUPT, STORAGE_FULL, STORAGE_UNWRITABLE,
            PASSPHRASE_MISSING.

    """
    need(actor, Role.OPERATOR, "Rotating keys")
    home.keyring.refresh()
    before = home.keyring.master
    after = f"mk-{int(before.removeprefix('mk-')) + 1}"
    facts = {"from": before, "to": after, "datasets": list(home.keyring.datasets())}
    with home.store.write(Event(EventKind.KEYS_ROTATED, actor, facts)):
        return rotate.rotate_keys(home.folder, home.keyring, new_passphrase)
