"""Backup and restore of a whole home.

Rules
- A backup is consistent while questions are asked and tables loaded: the store is copied as it was at one
  moment, the files of its versions never change, and no key is rotated and no version dropped meanwhile.
- A backup is as secret as the home: what opens the home's keyring opens the backup's.
- Backup and restored home are proved whole before they appear: store, log, catalog, each file by its digest.
- A restored ledger may not know what was spent since. So it is frozen: nothing that costs is answered until a
  steward accepts it, with the newest log that anybody exported, whose charges are taken over, or with the
  statement that nothing was asked since. Budgets do not come back to life by a restore.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from sandbox.audit.event import Event, EventKind
from sandbox.audit.store import Store
from sandbox.catalog.model import TableVersion
from sandbox.catalog.store import Catalog
from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Actor, Role, operator_of_this_machine
from sandbox.privacy.ledger import Ledger
from sandbox.service.backup_reports import BackupReport, RestoreReport
from sandbox.service.home import FOLDER_MODE, HOME_FILE, STORE_FILE, Home, log_keys, need, origin_of
from sandbox.service.proof import check_against_log
from sandbox.settings import Settings
from sandbox.vault.durable import flush_folder, replace_file, unwritable
from sandbox.vault.keyring import KEYRING_FILE, Keyring
from sandbox.vault.lock import loading
from sandbox.vault.provider import chosen_sealer
from sandbox.vault.whole import check_whole

FORMAT = "sandbox-backup/1"
BACKUP_FILE = "backup.json"


def backup(home: Home, actor: Actor, target: Path) -> BackupReport:
    """Copy a home into a new folder, which appears whole or not at all.

    Raises:
        SandboxError: ROLE_REFUSED, HOME_EXISTS (there is something at `target`), STORAGE_FULL,
            STORAGE_UNWRITABLE, STORAGE_CORRUPT (the home is not whole), SERVICE_BUSY (keys are rotated).

    """
    need(actor, Role.OPERATOR, "Backing up")
    target = target.absolute()
    _check_free(target)
    with home.store.write(Event(EventKind.HOME_BACKED_UP, actor, {})):
        pass
    aside = target.with_name(f".{target.name}.{secrets.token_hex(6)}.new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        aside.mkdir(mode=FOLDER_MODE)
        with loading(home.folder):
            size = home.store.copy_to(aside / STORE_FILE)
            for name in (KEYRING_FILE, HOME_FILE):
                _copy(home.folder / name, aside / name)
            held = _held(aside, home.keyring)
            for version in held:
                _copy_version(home.folder, aside, version)
        _prove(aside, home.keyring)
        about = {"format": FORMAT, "at": datetime.now(UTC).isoformat(timespec="seconds"), "log_size": size}
        replace_file(aside / BACKUP_FILE, (json.dumps(about, indent=1) + "\n").encode())
        os.rename(aside, target)
        flush_folder(target.parent)
    except OSError as error:
        raise unwritable(str(target), error) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return BackupReport(target, len(held), size)


def restore(
    settings: Settings, source: Path, passphrase: str | None = None, prompt: Callable[[], str] | None = None
) -> RestoreReport:
    """A new home at `settings.home` from a backup, whole or not at all, its ledger frozen.

    Raises:
        SandboxError: HOME_MISSING (no backup at `source`), HOME_EXISTS, STORAGE_CORRUPT, LOG_CORRUPT, and
            what opening a keyring raises.

    """
    folder = settings.home.absolute()
    _check_free(folder)
    try:
        about = json.loads((source / BACKUP_FILE).read_text("utf-8"))
        if about["format"] != FORMAT:
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError):
        raise SandboxError(
            ErrorCode.HOME_MISSING,
            f"There is no backup at {source}.",
            "Name the folder that `sandbox backup` made.",
        ) from None
    sealer = chosen_sealer(settings, passphrase, prompt)
    aside = folder.with_name(f".{folder.name}.{secrets.token_hex(6)}.new")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, aside, ignore=shutil.ignore_patterns(BACKUP_FILE))
        aside.chmod(FOLDER_MODE)
        keyring = Keyring.open(aside / KEYRING_FILE, sealer)
        size, held = _prove(aside, keyring), len(_held(aside, keyring))
        with _opened(aside, keyring) as store:
            event = Event(EventKind.HOME_RESTORED, operator_of_this_machine(), {"size": size})
            Ledger(store).freeze(size, event)
        os.rename(aside, folder)
        flush_folder(folder.parent)
    except OSError as error:
        raise unwritable(str(folder), error) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return RestoreReport(folder, held, size, str(about.get("at", "")))


def _check_free(target: Path) -> None:
    if target.is_symlink() or target.exists():
        raise SandboxError(
            ErrorCode.HOME_EXISTS,
            f"There is something at {target} already.",
            "Choose a folder that does not exist yet.",
        )


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    target.chmod(0o600)
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _copy_version(home: Path, aside: Path, version: TableVersion) -> None:
    for folder in {Path(file.path).parent for file in version.files}:
        for above in (*reversed(folder.parents), folder):
            (aside / above).mkdir(mode=FOLDER_MODE, exist_ok=True)
        for path in sorted((home / folder).iterdir()):
            _copy(path, aside / folder / path.name)


def _opened(folder: Path, keyring: Keyring) -> Store:
    key, cipher = log_keys(keyring)
    return Store.open(folder / STORE_FILE, key, origin_of(folder), cipher)


def _held(folder: Path, keyring: Keyring) -> tuple[TableVersion, ...]:
    with _opened(folder, keyring) as store:
        return Catalog(store).held()


def _prove(folder: Path, keyring: Keyring) -> int:
    """That a copy is whole; gives the size of its log."""
    with _opened(folder, keyring) as store:
        catalog = Catalog(store)
        check_against_log(store)
        for version in catalog.held():
            check_whole(folder, version)
        with store.read() as connection:
            return store.log.check(connection)[0].size
