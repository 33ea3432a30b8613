"""Looking after an instance: what a machine needs, and whether the home is whole.

Changes nothing, except that opening a home ends what a dead process left half done.
"""

from __future__ import annotations

import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sandbox.errors import ErrorCode, SandboxError
from sandbox.rooms.bubblewrap import Bubblewrap
from sandbox.service import home as homes
from sandbox.service.proof import check_against_log
from sandbox.service.reports import Finding
from sandbox.service.versions import check_every_version
from sandbox.settings import Settings

NEEDED = ("cryptography", "duckdb", "opendp", "pyarrow", "sqlalchemy", "sqlglot")
LEAST_FREE_BYTES = 1 << 30


def doctor(settings: Settings, prompt: Callable[[], str] | None = None) -> tuple[Finding, ...]:
    """Every check, in order; what depends on a failed one is reported as not made."""
    return tuple(_findings(settings, prompt))


def _findings(settings: Settings, prompt: Callable[[], str] | None) -> Iterator[Finding]:
    yield Finding("python", sys.version_info >= (3, 11), sys.version.split()[0])
    yield from (_package(name) for name in NEEDED)
    yield from _walls(settings)
    folder = settings.home.absolute()
    try:
        homes.require(settings)
    except SandboxError as error:
        yield Finding("home", False, f"{error.message} {error.hint}")
        return
    yield Finding("home", True, str(folder))
    yield _modes(folder)
    yield _room(folder)
    yield _swap()
    try:
        instance = homes.open_home(settings, prompt=prompt)
    except SandboxError as error:
        unasked = error.code is ErrorCode.PASSPHRASE_MISSING
        yield Finding("keyring, store and log", None if unasked else False, f"{error.message} {error.hint}")
        return
    try:
        yield Finding("keyring", True, f"master key {instance.keyring.master}")
        yield Finding("log", True, f"signed and whole; key {instance.store.key}")
        yield _store(instance)
        yield _data(instance)
        yield _published(instance)
        yield _unsettled(instance)
    finally:
        homes.close(instance)


def _package(name: str) -> Finding:
    try:
        return Finding(name, True, version(name))
    except PackageNotFoundError:
        return Finding(name, False, "is not installed: make setup, or pip install data-sandbox")


def _walls(settings: Settings) -> Iterator[Finding]:
    """What holds between a sealed room and this machine. Without it no room starts; all else works."""
    for found in Bubblewrap(settings.room_cgroup).self_test():
        yield Finding(f"rooms: {found.name}", True if found.holds else None, found.detail)


def _modes(folder: Path) -> Finding:
    """Nothing in the home may be open to other users of the machine."""
    for path in (folder, *sorted(folder.iterdir())):
        mode = stat.S_IMODE(path.lstat().st_mode)
        if mode & 0o077:
            return Finding("file modes", False, f"{path} has mode {mode:04o}: chmod go= {path}")
    return Finding("file modes", True, "open to their owner only")


def _room(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    return Finding("room", free >= LEAST_FREE_BYTES, f"{free / (1 << 30):.1f} GiB free on its disk")


def _swap() -> Finding:
    """Decrypted columns live in memory; a swap file that is not encrypted would keep them."""
    try:
        lines = Path("/proc/swaps").read_text("utf-8").splitlines()[1:]
    except OSError:
        return Finding("swap", None, "cannot be seen on this system")
    if lines:
        return Finding(
            "swap", None, "is on: make sure that it is encrypted, decrypted columns live in memory"
        )
    return Finding("swap", True, "off")


def _store(instance: homes.Home) -> Finding:
    """Opening a home compares what is new, and the rest in bulk; here every entry of the log is taken."""
    try:
        check_against_log(instance.store, whole=True)
    except SandboxError as error:
        return Finding("store", False, f"{error.message} {error.hint}")
    return Finding("store", True, "is what the log says, entry by entry")


def _data(instance: homes.Home) -> Finding:
    """Questions look at the files that they read; here all are looked at, of every version."""
    try:
        count = check_every_version(instance)
    except SandboxError as error:
        return Finding("data", False, f"{error.message} {error.hint}")
    return Finding("data", True, f"every byte of {count} versions is what was committed")


def _published(instance: homes.Home) -> Finding:
    published = instance.registry.snapshot()
    if published.people is None:
        return Finding("policies", None, "nobody is known yet: sandbox policy publish people.yaml")
    return Finding(
        "policies", True, f"{len(published.policies)} policies, {len(published.grants)} grants are published"
    )


def _unsettled(instance: homes.Home) -> Finding:
    intents = instance.ledger.open_intents()
    if not intents:
        return Finding("questions", True, "every charged question has its outcome")
    return Finding(
        "questions",
        None,
        f"{len(intents)} charged questions have no outcome: they run now, or their process died; "
        "they stay charged",
    )
