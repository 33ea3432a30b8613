"""Published files: their exact bytes by digest, which are current, and who may publish.

Rules
- Only what is published decides. A file with a lint error is never published.
- Publishing stores the bytes, makes them current and logs digest and previous digest, in one
  transaction. The same bytes again change nothing and log nothing.
- Policies: a steward whom the file names, and whom the current version names too, if there is one.
  Grants: a steward of every dataset named, now and in the current version. Units: any steward.
  People: an operator.
- Nothing is ever deleted: every version that once decided can be read by its digest.
- Accounts of the ledger are named by grant, dataset, project and unit: no version makes new ones.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import sqlalchemy as sa

from sandbox.audit.digest import tables_digest
from sandbox.audit.event import Event, EventKind, Fact
from sandbox.audit.store import Store, metadata
from sandbox.errors import ErrorCode, SandboxError
from sandbox.identity import Actor
from sandbox.policy.authority import may_publish
from sandbox.policy.codelist import among
from sandbox.policy.diagnostic import Diagnostic, PolicyFileError
from sandbox.policy.lint import Surroundings, errors_of, lint
from sandbox.policy.published import Published, Version
from sandbox.policy.read import Draft, FileKind, draft_of, read_draft, sha256
from sandbox.policy.types import Block, Grant, People, Policy, Units

_blobs = sa.Table(
    "policy_blob",
    metadata,
    sa.Column("digest", sa.String(71), primary_key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
)

_files = sa.Table(
    "policy_file",
    metadata,
    sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("name", sa.String(128), nullable=False),
    sa.Column("digest", sa.String(71), sa.ForeignKey("policy_blob.digest"), nullable=False),
    sa.Column("manifest", sa.Boolean, nullable=False),
    sa.Index("policy_file_name", "kind", "name"),
)

EVENTS: Mapping[FileKind, tuple[EventKind, str | None]] = {
    FileKind.POLICY: (EventKind.POLICY_PUBLISHED, "dataset"),
    FileKind.GRANT: (EventKind.GRANT_PUBLISHED, "grant"),
    FileKind.UNITS: (EventKind.UNITS_PUBLISHED, None),
    FileKind.PEOPLE: (EventKind.PEOPLE_PUBLISHED, None),
}

_FILE_NAMES: Mapping[FileKind, str] = {
    FileKind.POLICY: "{}.policy.yaml",
    FileKind.GRANT: "grants/{}.yaml",
    FileKind.UNITS: "{}.yaml",
    FileKind.PEOPLE: "{}.yaml",
}

_NEWEST = sa.select(sa.func.max(_files.c.revision))
_C = TypeVar("_C", bound=Block)


@dataclass(frozen=True, slots=True)
class Publication:
    """What publishing did.

    Attributes:
        name: the dataset or grant; `units`, `people`.
        digest: of what is current now; `previous` of what was before, None at first.
        changed: False when the same bytes were current already: nothing was done.
        warnings: what lint says beside errors.

    """

    kind: FileKind
    name: str
    digest: str
    previous: str | None
    changed: bool
    warnings: tuple[Diagnostic, ...]


class _Overtaken(Exception):
    """Somebody published between our look and our write."""


class Registry:
    """The published files of one home. Threads may share it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._snapshot = Published()
        self._drafts: dict[tuple[FileKind, str], Draft] = {}
        self._loading = threading.Lock()

    def publish(self, source: Path | Draft, actor: Actor) -> Publication:
        """Make a file current.

        Raises:
            PolicyFileError: it cannot be read, or lint finds errors; nothing was done.
            SandboxError: ROLE_REFUSED, POLICY_REFUSED (not a steward of it), or of the store.

        """
        draft = source if isinstance(source, Draft) else read_draft(source)
        while True:
            before = self.snapshot()
            may_publish(draft, actor, before)
            found = lint(draft, _surroundings(before))
            if refused := errors_of(found):
                raise PolicyFileError(refused)
            previous = _current_digest(draft, before)
            if previous == draft.digest:
                return Publication(draft.kind, draft.name, draft.digest, previous, False, found)
            try:
                self._write(draft, actor, previous, before.revision)
            except _Overtaken:
                continue
            return Publication(draft.kind, draft.name, draft.digest, previous, True, found)

    def snapshot(self) -> Published:
        """What is published now. Costs one look at the newest revision while nothing changes."""
        with self._store.read() as connection:
            revision = newest_revision(connection)
            if revision <= self._snapshot.revision:
                return self._snapshot
            with self._loading:
                if revision > self._snapshot.revision:
                    self._snapshot = self._load(connection, revision)
                return self._snapshot

    def content(self, digest: str) -> bytes:
        """The bytes with this digest: a file, a code list, or the manifest that names both.

        Raises:
            SandboxError: NOT_FOUND, STORAGE_CORRUPT (the bytes do not have the digest).

        """
        with self._store.read() as connection:
            return _blob(connection, digest)

    def history(self, kind: FileKind, name: str) -> tuple[str, ...]:
        """The digests of every version of a file, oldest first."""
        query = sa.select(_files.c.digest).where(_files.c.kind == kind.value, _files.c.name == name)
        with self._store.read() as connection:
            return tuple(connection.scalars(query.order_by(_files.c.revision)))

    def _write(self, draft: Draft, actor: Actor, previous: str | None, revision: int) -> None:
        kind, key = EVENTS[draft.kind]
        facts: dict[str, Fact] = {"digest": draft.digest, "previous": previous}
        if key is not None:
            facts[key] = draft.name
        parts = [draft.content, *draft.codelists.values()]
        if draft.manifest is not None:
            parts.append(draft.manifest)
        with self._store.write(Event(kind, actor, facts)) as transaction:
            connection = transaction.connection
            if newest_revision(connection) != revision:
                raise _Overtaken
            for part in parts:
                digest = sha256(part)
                if connection.scalar(sa.select(_blobs.c.digest).where(_blobs.c.digest == digest)) is None:
                    connection.execute(_blobs.insert().values(digest=digest, content=part))
            connection.execute(
                _files.insert().values(
                    revision=revision + 1,
                    kind=draft.kind.value,
                    name=draft.name,
                    digest=draft.digest,
                    manifest=draft.manifest is not None,
                )
            )

    def _load(self, connection: sa.Connection, revision: int) -> Published:
        newest = sa.select(sa.func.max(_files.c.revision)).group_by(_files.c.kind, _files.c.name)
        rows = connection.execute(
            sa.select(_files.c.kind, _files.c.name, _files.c.digest, _files.c.manifest).where(
                _files.c.revision.in_(newest)
            )
        )
        drafts: dict[tuple[FileKind, str], Draft] = {}
        for kind_text, name, digest, manifest in rows:
            key = (FileKind(kind_text), str(name))
            known = self._drafts.get(key)
            unchanged = known is not None and known.digest == digest
            drafts[key] = known if known and unchanged else _draft(connection, *key, digest, manifest)
        self._drafts = drafts
        policies, grants, units, people = (
            {name: draft for (found, name), draft in sorted(drafts.items()) if found is kind}
            for kind in (FileKind.POLICY, FileKind.GRANT, FileKind.UNITS, FileKind.PEOPLE)
        )
        return Published(
            revision,
            MappingProxyType({name: _version(Policy, draft) for name, draft in policies.items()}),
            MappingProxyType({name: _version(Grant, draft) for name, draft in grants.items()}),
            next((_version(Units, draft) for draft in units.values()), None),
            next((_version(People, draft) for draft in people.values()), None),
        )


def newest_revision(connection: sa.Connection) -> int:
    """Counts publications: what `Published.revision` is compared with inside a transaction."""
    return connection.scalar(_NEWEST) or 0


def publications(connection: sa.Connection) -> list[tuple[str, str]]:
    """Kind and name, and digest, of everything that was published, oldest first.

    Raises:
        SandboxError: STORAGE_CORRUPT when the bytes of one of them are not what was published.

    """
    blobs = {row.digest: row.content for row in connection.execute(sa.select(_blobs))}
    for digest, content in blobs.items():
        if not isinstance(content, bytes) or sha256(content) != digest:
            raise _corrupt(digest)
    rows = connection.execute(sa.select(_files).order_by(_files.c.revision)).all()
    for place, row in enumerate(rows, 1):
        if row.revision != place or row.digest not in blobs:
            raise _corrupt(row.digest)
    return [(f"{row.kind} {row.name}", row.digest) for row in rows]


def publications_digest(connection: sa.Connection) -> str:
    """Of everything that was published, but for the bytes of files, whose digests are in it.

    Raises:
        SandboxError: STORAGE_CORRUPT when it is not found as it lies there.
        ValueError: a value that was not written here.

    """
    return tables_digest(connection, (_files, _blobs), by_length=(_blobs.c.content,))


def _version(kind: type[_C], draft: Draft) -> Version[_C]:
    if not isinstance(draft.model, kind):
        raise _corrupt(draft.digest)
    return Version(draft.digest, draft.model)


def _draft(connection: sa.Connection, kind: FileKind, name: str, digest: str, manifest: bool) -> Draft:
    """A published file again, from its bytes; what the reader refuses today is not decided by."""
    lists: dict[str, bytes] = {}
    content = _blob(connection, digest)
    if manifest:
        try:
            parts = json.loads(content)
            lists = {name: _blob(connection, part) for name, part in parts["codelists"].items()}
            content = _blob(connection, parts["file"])
        except (ValueError, TypeError, KeyError, AttributeError):
            raise _corrupt(digest) from None
    draft = draft_of(kind, content, _FILE_NAMES[kind].format(name), among(lists))
    if draft.name != name or draft.digest != digest:
        raise _corrupt(digest)
    return draft


def _blob(connection: sa.Connection, digest: str) -> bytes:
    content = connection.scalar(sa.select(_blobs.c.content).where(_blobs.c.digest == digest))
    if content is None:
        raise SandboxError(ErrorCode.NOT_FOUND, "There is no published file with this digest.")
    if sha256(content) != digest:
        raise _corrupt(digest)
    return bytes(content)


def _corrupt(digest: str) -> SandboxError:
    return SandboxError(
        ErrorCode.STORAGE_CORRUPT,
        f"The published file {digest[:80]} is not what was published.",
        "Keep a copy of the store as evidence and restore the newest backup.",
    )


def _current_digest(draft: Draft, published: Published) -> str | None:
    version: Version[Policy] | Version[Grant] | Version[Units] | Version[People] | None
    match draft.kind:
        case FileKind.POLICY:
            version = published.policies.get(draft.name)
        case FileKind.GRANT:
            version = published.grants.get(draft.name)
        case FileKind.UNITS:
            version = published.units
        case FileKind.PEOPLE:
            version = published.people
    return version.digest if version is not None else None


def _surroundings(published: Published) -> Surroundings:
    """What lint compares with; without units.yaml no unit is known yet, so every one is an error."""
    return Surroundings(
        {name: version.content for name, version in published.policies.items()},
        published.units.content if published.units is not None else Units.model_construct(units={}),
        published.people.content if published.people is not None else None,
        datetime.now(UTC).date(),
    )
