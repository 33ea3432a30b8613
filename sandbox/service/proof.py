"""The store is what its log says: catalog, ledger, published files, tokens, made again from the entries.

What was proved before is kept (see `audit/kept.py`), so that an opening takes only later entries one by one.
Nothing in the store is believed for that: earlier entries, and whatever follows from them, must lie there as
they did, and what a question is decided and paid by is compared anew. Whatever does not fit, the whole pass
decides.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from sandbox.audit.database import plain_schema
from sandbox.audit.leaf import Entry, altered
from sandbox.audit.proved import Prefix
from sandbox.audit.store import Store
from sandbox.catalog.proof import CatalogProof
from sandbox.errors import SandboxError
from sandbox.policy.proof import FilesProof
from sandbox.privacy.proof import LedgerProof, ProvedLedger
from sandbox.service.tokens import TokensProof

FORMAT = 1
"""Of what is kept; a release that compares more counts it up."""

SELDOM = 128
"""A proof is kept anew when one in so many entries is later than the kept one."""

_OTHER_FORM = (ValueError, TypeError, KeyError, AttributeError)


class _Proof(Protocol):
    """What one part of the store should be, by entries of some kinds; `digest` of what lies in its tables."""

    @property
    def kinds(self) -> Collection[str]: ...

    def digest(self) -> str: ...

    def take(self, entry: Entry) -> None: ...

    def check(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Proved:
    """What was proved: the log, the ledger, and digests of the other parts of the store."""

    log: Prefix = field(default_factory=Prefix)
    ledger: ProvedLedger = field(default_factory=ProvedLedger)
    parts: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> list[Any]:
        return [FORMAT, self.log.as_json(), self.ledger.as_json(), dict(self.parts)]

    @classmethod
    def of_json(cls, said: list[Any]) -> _Proved:
        form, log, ledger, parts = said
        if form != FORMAT:
            raise ValueError
        return cls(Prefix.of_json(log), ProvedLedger.of_json(ledger), parts)


def check_against_log(store: Store, *, whole: bool = False) -> None:
    """Compare the store with its log, as both are at one moment, and keep the proof.

    Args:
        store: of a home.
        whole: take every entry, whatever was proved before.

    Raises:
        SandboxError: LOG_CORRUPT when the entries are not those that were signed; STORAGE_CORRUPT when the
            store is not what they say.

    """
    with store.moment():
        if not whole:
            with suppress(SandboxError, *_OTHER_FORM):
                known = _Proved.of_json(store.kept.read())
                return _keep(store, known, _proved(store, known))
        try:
            _keep(store, _Proved(), _proved(store, _Proved()))
        except _OTHER_FORM:
            raise altered("A line of the store is not of the form in which it was written.") from None


def _proved(store: Store, known: _Proved) -> _Proved:
    """Compare, taking what is known as proved."""
    with store.read() as connection:
        if not plain_schema(connection):
            raise altered("There is a trigger, a view or a rule in the store, which no release makes.")
    ledger = LedgerProof(store, known.ledger)
    parts: Mapping[str, _Proof] = {
        "catalog": CatalogProof(store),
        "files": FilesProof(store),
        "tokens": TokensProof(store),
    }
    met: set[str] = set()

    def take(entry: Entry) -> None:
        ledger.take(entry)
        met.add(entry.kind)

    log = store.prove(known.log, take)
    digests = {}
    for name, part in parts.items():
        digests[name] = part.digest()
        if digests[name] != known.parts.get(name) or not met.isdisjoint(part.kinds):
            for entry in store.all_of(part.kinds):
                part.take(entry)
            part.check()
            if part.digest() != digests[name]:
                raise altered("The store was changed from outside while it was compared.")
    return _Proved(log, ledger.check(log.size), digests)


def _keep(store: Store, known: _Proved, proved: _Proved) -> None:
    if (proved.log.size - known.log.size) * SELDOM >= proved.log.size:
        store.kept.keep(proved.as_json())
