"""Versions of a table: its history, what changed, going back, and destroying rows.

Rules
- True counts are for operators and stewards of the dataset; auditors see the history without them.
- Going back and dropping are the operator's, logged in the transaction in which they take effect.
- Neither touches the ledger, the log or stored answers: what was spent stays spent.
"""

from __future__ import annotations

from sandbox.audit.event import Event, EventKind, Fact
from sandbox.catalog.drift import drift
from sandbox.catalog.model import HeldVersion, SourceColumn, TableVersion
from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Actor, Role
from sandbox.service.home import Home, need
from sandbox.service.version_reports import Dropped, VersionCard, VersionDiff
from sandbox.vault.lock import alone
from sandbox.vault.whole import check_keys, check_whole, destroy


def history(home: Home, actor: Actor, dataset: str, table: str) -> tuple[VersionCard, ...]:
    """Every version of a table, oldest first.

    Raises:
        SandboxError: ROLE_REFUSED; DATASET_UNKNOWN when the table was never loaded.

    """
    counts = _may_see_counts(home, actor, dataset)
    return tuple(_card(state, counts) for state in _states(home, dataset, table))


def diff(home: Home, actor: Actor, dataset: str, table: str, old: int, new: int | None = None) -> VersionDiff:
    """How two versions differ: columns, policy, source; the current one is compared when `new` is None.

    Raises:
        SandboxError: ROLE_REFUSED, DATASET_UNKNOWN, NOT_FOUND.

    """
    counts = _may_see_counts(home, actor, dataset)
    states = _states(home, dataset, table)
    before, after = _numbered(states, old), _numbered(states, new) if new else _current(states)
    one, two = before.version, after.version
    return VersionDiff(
        old=_card(before, counts),
        new=_card(after, counts),
        source=drift(one.source_columns, two.source_columns),
        stored=drift(_stored(one), _stored(two)),
        policy_changed=one.policy_digest != two.policy_digest,
        licence_changed=one.licence != two.licence,
    )


def rollback(home: Home, actor: Actor, dataset: str, table: str, number: int) -> VersionCard:
    """Make an older version current again, after looking at every byte of its files.

    Raises:
        SandboxError: ROLE_REFUSED, DATASET_UNKNOWN, NOT_FOUND; LOAD_REFUSED when its rows were dropped;
            STORAGE_CORRUPT when its files are not what was committed. Nothing was changed then.

    """
    need(actor, Role.OPERATOR, "Going back to an older version")
    states = _states(home, dataset, table)
    wanted, current = _numbered(states, number), _current(states)
    if not wanted.current:
        if wanted.dropped_at is None:
            check_whole(home.folder, wanted.version)
        facts: dict[str, Fact] = {
            "dataset": dataset, "table": table, "version": number, "from": current.version.version,
        }  # fmt: skip
        home.catalog.choose(wanted.version, Event(EventKind.DATASET_ROLLED_BACK, actor, facts))
    return _card(_numbered(home.catalog.states(dataset, table), number), counts=True)


def drop(
    home: Home,
    actor: Actor,
    dataset: str,
    table: str,
    *,
    numbers: tuple[int, ...] = (),
    keep: int | None = None,
    everything: bool = False,
) -> Dropped:
    """Destroy the rows of versions for good. Their history, the log and the ledger stay.

    Args:
        home: the opened instance.
        actor: an operator.
        dataset: its name.
        table: its name.
        numbers: these versions; none of them may be the current one.
        keep: all but the current one and the newest so many others.
        everything: all of them; the table answers no question until it is loaded again.

    Raises:
        SandboxError: ROLE_REFUSED, DATASET_UNKNOWN, NOT_FOUND, ARGUMENT (not exactly one of the three);
            LOAD_REFUSED when the current version would go before the others; SERVICE_BUSY during a load.

    """
    need(actor, Role.OPERATOR, "Dropping rows")
    if bool(numbers) + (keep is not None) + everything != 1:
        raise SandboxError(
            ErrorCode.ARGUMENT,
            "What to drop is not said.",
            "Give exactly one of --version N (may be repeated), --keep N, --all.",
        )
    with alone(home.folder):
        states = _states(home, dataset, table)
        held = [state for state in states if state.dropped_at is None]
        if numbers:
            chosen = [_numbered(states, number) for number in sorted(set(numbers))]
        elif keep is not None:
            others = [state for state in held if not state.current]
            chosen = others[: max(0, len(others) - keep)]
        else:
            chosen = held
        going = [state.version for state in chosen if state.dropped_at is None]
        if going:
            named = tuple(version.version for version in going)
            facts: dict[str, Fact] = {"dataset": dataset, "table": table, "versions": list(named)}
            home.catalog.drop(dataset, table, named, Event(EventKind.VERSIONS_DROPPED, actor, facts))
        destroy(home.folder, (file.path for version in going for file in version.files))
        for version in going:
            home.hot.forget(version.id)
    return Dropped(dataset, table, tuple(version.version for version in going))


def check_every_version(home: Home) -> int:
    """Look at every byte of every version that is held, and of its keys; how many there are.

    Raises:
        SandboxError: STORAGE_CORRUPT, naming the first file that is not what was committed.

    """
    held = home.catalog.held()
    for version in held:
        check_whole(home.folder, version)
        check_keys(home.folder, home.keyring, version, home.hot.grades)
    return len(held)


def _may_see_counts(home: Home, actor: Actor, dataset: str) -> bool:
    roles = actor.person.roles
    policy = home.registry.snapshot().policies.get(dataset)
    if Role.OPERATOR in roles or (
        Role.STEWARD in roles and policy is not None and actor.id in policy.content.stewards
    ):
        return True
    need(actor, Role.AUDITOR, "Reading the history of a table of somebody else")
    return False


def _states(home: Home, dataset: str, table: str) -> tuple[HeldVersion, ...]:
    states = home.catalog.states(dataset, table)
    if not states:
        raise SandboxError(
            ErrorCode.DATASET_UNKNOWN,
            "No table of this name was ever loaded.",
            "`sandbox datasets` lists the tables, and says which are loaded.",
        )
    return states


def _numbered(states: tuple[HeldVersion, ...], number: int) -> HeldVersion:
    found = [state for state in states if state.version.version == number]
    if not found:
        raise SandboxError(
            ErrorCode.NOT_FOUND,
            f"There is no version {number}.",
            f"There are versions 1 to {states[-1].version.version}: see `sandbox datasets history`.",
        )
    return found[0]


def _current(states: tuple[HeldVersion, ...]) -> HeldVersion:
    """The current one, or the newest when all were dropped."""
    return next((state for state in states if state.current), states[-1])


def _stored(version: TableVersion) -> tuple[SourceColumn, ...]:
    return tuple(SourceColumn(column.name, column.arrow_type) for column in version.columns)


def _card(state: HeldVersion, counts: bool) -> VersionCard:
    version = state.version
    return VersionCard(
        version=version.version,
        state="dropped" if state.dropped_at else "current" if state.current else "held",
        loaded_at=version.loaded_at,
        mode=version.mode,
        base=version.base,
        licence=version.licence,
        policy=version.policy_digest,
        source=version.source if counts else None,
        source_digest=version.source_digest if counts else None,
        rows=version.rows if counts else None,
        quarantined=version.quarantined if counts else None,
    )
