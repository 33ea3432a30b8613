"""What an operator does: rotate keys, hand out tokens."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sandbox.audit.event import Event, EventKind
from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Actor, Role
from sandbox.service import tokens
from sandbox.service.home import Home, need
from sandbox.service.reports import KeysStatus, NewToken, TokenCard
from sandbox.vault import rotate
from sandbox.vault.provider import chosen_sealer
from sandbox.vault.sealer import Sealer

LONGEST_DAYS = 366
PROVIDERS = ("keyring", "aws-kms", "pkcs11")
Prompt = Callable[[], str]


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
        "digest": tokens.digest_of(token),
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


def keys_status(home: Home, actor: Actor) -> KeysStatus:
    """What seals the keyring, which master key holds, and which datasets have keys of which classes.

    Raises:
        SandboxError: ROLE_REFUSED, KEYS_ROTATED, KEYRING_CORRUPT.

    """
    need(actor, Role.OPERATOR, "Looking at the keys")
    home.keyring.refresh()
    return KeysStatus(
        sealed_by=home.keyring.sealed_by,
        master=home.keyring.master,
        rotating=home.keyring.rotating(),
        classes=home.keyring.classes(),
    )


def rewrap_keys(
    home: Home, actor: Actor, provider: str, passphrase: str | None = None, prompt: Prompt | None = None
) -> rotate.Rotation:
    """Let another provider seal the keyring, and wrap every key anew: the old provider opens nothing more.

    Args:
        home: the opened instance.
        actor: an operator.
        provider: `keyring`, `aws-kms` or `pkcs11`; its settings are those of the home.
        passphrase: for `keyring`; None: the settings or the prompt say it.
        prompt: asks a person for a new passphrase.

    Raises:
        SandboxError: as `rotate_keys`; KEY_PROVIDER; ARGUMENT (no such provider, or settings missing).

    """
    need(actor, Role.OPERATOR, "Changing what seals the keyring")
    if provider not in PROVIDERS:
        raise SandboxError(
            ErrorCode.ARGUMENT, "There is no such key provider.", f"Providers: {', '.join(PROVIDERS)}."
        )
    settings = home.settings.model_copy(update={"key_provider": provider})
    return _rotate(home, actor, chosen_sealer(settings, passphrase, prompt))


def rotate_keys(home: Home, actor: Actor, new_passphrase: str | None = None) -> rotate.Rotation:
    """A new master key, and every key wrapped anew; the old ones open nothing. No data is rewritten.

    The rotation is logged in the transaction that encloses it: a store that cannot be written stops it.

    Raises:
        SandboxError: ROLE_REFUSED, SERVICE_BUSY, STORAGE_CORRUPT, STORAGE_FULL, STORAGE_UNWRITABLE,
            PASSPHRASE_MISSING.

    """
    need(actor, Role.OPERATOR, "Rotating keys")
    if new_passphrase is not None and home.keyring.sealed_by != "keyring":
        raise SandboxError(
            ErrorCode.ARGUMENT,
            f"The keyring is sealed by {home.keyring.sealed_by}: no passphrase opens it.",
            "Rotate without one, or go back with `sandbox keys rewrap --to keyring`.",
        )
    return _rotate(home, actor, new_passphrase)


def _rotate(home: Home, actor: Actor, sealer: str | Sealer | None) -> rotate.Rotation:
    home.keyring.refresh()
    before = home.keyring.master
    after = f"mk-{int(before.removeprefix('mk-')) + 1}"
    facts = {"from": before, "to": after, "datasets": list(home.keyring.datasets())}
    with home.store.write(Event(EventKind.KEYS_ROTATED, actor, facts)):
        return rotate.rotate_keys(home.folder, home.keyring, sealer)
