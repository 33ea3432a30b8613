"""An instance on disk: made whole or not at all, opened once, shared by threads.

A home is a folder, mode 0700: `home.json` (format and the log's name), `keyring.json`, `store.sqlite`,
the encrypted tables, and `operator.log`. The keyring's passphrase opens all of it.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sandbox.audit.event import Event, EventKind
from sandbox.audit.store import Store
from sandbox.catalog.store import Catalog
from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Actor, Person, Role, Via, operator_of_this_machine
from sandbox.policy.registry import Registry
from sandbox.privacy.ledger import Ledger
from sandbox.service import tokens
from sandbox.service.proof import check_against_log
from sandbox.service.reports import InitReport
from sandbox.settings import Settings
from sandbox.vault import rotate
from sandbox.vault.durable import flush_folder, replace_file, unwritable
from sandbox.vault.hot import HotStore
from sandbox.vault.keyring import GRADES, KEYRING_FILE, Grade, Keyring
from sandbox.vault.passphrase import passphrase_of
from sandbox.vault.provider import chosen_sealer
from sandbox.vault.sealer import Sealer
from sandbox.vault.sweep import sweep

FORMAT = "sandbox-home/1"
HOME_FILE = "home.json"
STORE_FILE = "store.sqlite"
FOLDER_MODE = 0o700
OPEN_CLASSES: tuple[Grade, ...] = ("footer", "open")
LOG_KEY = "log/ed25519"
LOG_SECRET = "log/secret"


@dataclass(frozen=True, slots=True)
class Home:
    """An opened instance. Threads may share it; a forked process may not."""

    settings: Settings
    keyring: Keyring
    store: Store
    catalog: Catalog
    ledger: Ledger
    hot: HotStore
    registry: Registry

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.settings.home


def init(
    settings: Settings, passphrase: str | None = None, prompt: Callable[[], str] | None = None
) -> InitReport:
    """Make a new home: keyring, store, log. It appears whole, or not at all.

    Args:
        settings: where, and perhaps the passphrase.
        passphrase: seals the keyring; None: the settings or the prompt say it.
        prompt: asks a person for a new passphrase.

    Raises:
        SandboxError: HOME_EXISTS, PASSPHRASE_MISSING, FILE_MODE, KEY_PROVIDER, STORAGE_FULL,
            STORAGE_UNWRITABLE.

    """
    folder = settings.home.absolute()
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise SandboxError(
            ErrorCode.HOME_EXISTS,
            f"There is something at {folder} already.",
            "Choose a folder that does not exist yet (--home DIR).",
        )
    sealer = chosen_sealer(settings, passphrase, prompt)
    aside = folder.with_name(f".{folder.name}.{secrets.token_hex(6)}.new")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside.mkdir(mode=FOLDER_MODE)
        report = _build(aside, folder, sealer)
        os.rename(aside, folder)
        flush_folder(folder.parent)
    except OSError as error:
        raise unwritable(str(folder), error) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return report


def require(settings: Settings) -> None:
    """Check that there is a home, before anybody is asked for its passphrase.

    Raises:
        SandboxError: HOME_MISSING.

    """
    if not (settings.home / HOME_FILE).is_file():
        raise SandboxError(
            ErrorCode.HOME_MISSING,
            f"There is no home at {settings.home.absolute()}.",
            "Name it with --home DIR or SANDBOX_HOME, or make one with `sandbox init`.",
        )


def open_home(
    settings: Settings, passphrase: str | None = None, prompt: Callable[[], str] | None = None
) -> Home:
    """Open the instance at `settings.home`.

    Raises:
        SandboxError: HOME_MISSING, FILE_MODE, PASSPHRASE_MISSING, PASSPHRASE_WRONG, KEY_PROVIDER,
            KEYRING_CORRUPT, STORAGE_CORRUPT, LOG_CORRUPT.

    """
    require(settings)
    folder = settings.home.absolute()
    settings = settings.model_copy(update={"home": folder})
    origin = origin_of(folder)
    keyring = Keyring.open(folder / KEYRING_FILE, chosen_sealer(settings, passphrase, prompt))
    if settings.key_classes == "open":
        keyring = keyring.only(OPEN_CLASSES)
    key, cipher = log_keys(keyring)
    store = Store.open(folder / STORE_FILE, key, origin, cipher)
    try:
        home = _assembled(settings, keyring, store)
        _tidy(home)
        return home
    except BaseException:
        store.close()
        raise


def passphrase_in(settings: Settings, file: Path) -> str:
    """The passphrase that a file holds, whatever the settings say.

    Raises:
        SandboxError: PASSPHRASE_MISSING, FILE_MODE.

    """
    return passphrase_of(settings.model_copy(update={"passphrase": None, "passphrase_file": file}))


def close(home: Home) -> None:
    """Give up the memory and the connections of an opened instance."""
    home.hot.close()
    home.store.close()


def actor(home: Home, person: str | None, via: Via) -> Actor:
    """The person of this id, acting through a door; the operator of this machine when none is named.

    Raises:
        SandboxError: PERSON_UNKNOWN.

    """
    if person is None and via is Via.CLI:
        return operator_of_this_machine()
    known = home.registry.snapshot().person(person or "")
    return Actor(known, via)


def authenticate(home: Home, bearer: str) -> Actor:
    """The person behind a bearer token, with the token's one role.

    Raises:
        SandboxError: TOKEN_INVALID.

    """
    with home.store.read() as connection:
        token = tokens.find(connection, bearer, datetime.now(UTC))
    person = _known(home, token.person)
    if person is None or token.role not in person.roles:
        raise tokens.invalid_token()
    return Actor(Person(person.id, person.organisation, frozenset({token.role})), Via.API)


def need(actor: Actor, role: Role, act: str) -> None:
    """Check that the actor has the role for an act. Roles never imply one another.

    Raises:
        SandboxError: ROLE_REFUSED.

    """
    if role not in actor.person.roles:
        mine = ", ".join(sorted(r.value for r in actor.person.roles)) or "none"
        raise SandboxError(
            ErrorCode.ROLE_REFUSED,
            f"{act} needs the role {role.value}; {actor.id} has: {mine}.",
            f"Let somebody with the role {role.value} do it (on this machine: --as PERSON).",
        )


def today() -> date:
    """The day by which grants are judged, in UTC."""
    return datetime.now(UTC).date()


def _build(aside: Path, folder: Path, sealer: Sealer) -> InitReport:
    origin = f"data-sandbox/{secrets.token_hex(8)}"
    keyring = Keyring.create(aside / KEYRING_FILE, sealer)
    key, cipher = log_keys(keyring)
    store = Store.create(aside / STORE_FILE, key, origin, cipher)
    try:
        log_key = str(store.key)
        facts = {"format": FORMAT, "log_key": log_key}
        with store.write(Event(EventKind.HOME_CREATED, operator_of_this_machine(), facts)):
            pass
    finally:
        store.close()
    about = json.dumps({"format": FORMAT, "log": origin}, indent=1) + "\n"
    replace_file(aside / HOME_FILE, about.encode())
    return InitReport(folder, origin, log_key)


def origin_of(folder: Path) -> str:
    """The name of the log of the home, or backup, at `folder`.

    Raises:
        SandboxError: STORAGE_CORRUPT.

    """
    try:
        about = json.loads((folder / HOME_FILE).read_text("utf-8"))
        if about["format"] == FORMAT:
            return str(about["log"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise SandboxError(
        ErrorCode.STORAGE_CORRUPT,
        f"{folder / HOME_FILE} is damaged, or was written by another version.",
        "Restore it from a backup, or use the version that made this home.",
    )


def log_keys(keyring: Keyring) -> tuple[Ed25519PrivateKey, bytes]:
    """The key that signs the log, and the one that encrypts what people wrote."""
    return Ed25519PrivateKey.from_private_bytes(keyring.secret(LOG_KEY)), keyring.secret(LOG_SECRET)


def _assembled(settings: Settings, keyring: Keyring, store: Store) -> Home:
    catalog = Catalog(store)
    return Home(
        settings=settings,
        keyring=keyring,
        store=store,
        catalog=catalog,
        ledger=Ledger(store),
        hot=HotStore(
            settings.home,
            keyring,
            settings.hot_store_mb,
            settings.engine_memory_mb,
            settings.engine_threads,
            grades=OPEN_CLASSES if settings.key_classes == "open" else GRADES,
        ),
        registry=Registry(store),
    )


def _tidy(home: Home) -> None:
    """End what a dead process left half done: a key rotation, the files of an uncommitted load."""
    if home.settings.key_classes == "all" and rotate.end_rotation(home.folder, home.keyring):
        after = home.keyring.master
        before = f"mk-{int(after.removeprefix('mk-')) - 1}"
        facts = {"from": before, "to": after, "datasets": list(home.keyring.datasets())}
        with home.store.write(Event(EventKind.KEYS_ROTATED, operator_of_this_machine(), facts)):
            pass
    check_against_log(home.store)
    sweep(home.folder, home.catalog.committed_paths, home.catalog.dropped_paths)


def _known(home: Home, person: str) -> Person | None:
    try:
        return home.registry.snapshot().person(person)
    except SandboxError:
        return None
